"""How long evaluations take, told from one in sixteen of them: timing each would cost a tenth of it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from time import perf_counter_ns

EVERY = 16
_PARTS = 4
_BUCKETS = 48 * _PARTS


@dataclass(frozen=True, slots=True)
class Evaluations:
    """Evaluations since the client was made.

    Attributes:
        count: how many.
        p50_microseconds, p99_microseconds: half of them, and 99 % of them, took at most this (within a
            quarter); None before the first.
    """

    count: int
    p50_microseconds: float | None
    p99_microseconds: float | None


class Stopwatch:
    """Counts in any thread without a lock. Two threads may lose one time of the same bucket: no count.

    Usage: `if stopwatch.number() % EVERY == 0: began = perf_counter_ns(); …; stopwatch.note(began)`.
    """

    __slots__ = ("_numbers", "_times", "number")

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self.number = self._numbers.__next__
        self._times = [0] * _BUCKETS

    def note(self, began_ns: int) -> None:
        """Note the time since `began_ns`, of `perf_counter_ns`."""
        self._times[min(_bucket(perf_counter_ns() - began_ns), _BUCKETS - 1)] += 1

    @property
    def read(self) -> Evaluations:
        """Return what was counted until now."""
        count = int(repr(self._numbers)[len("count(") : -1])  # the one way to look without counting
        return Evaluations(count, self._quantile(0.5), self._quantile(0.99))

    def _quantile(self, share: float) -> float | None:
        wanted, seen = share * sum(self._times), 0
        for bucket, times in enumerate(self._times):
            seen += times
            if times and seen >= wanted:
                return _upper_edge_ns(bucket) / 1_000
        return None


def _bucket(ns: int) -> int:
    """Return one of four buckets an octave."""
    octave = max(ns, _PARTS).bit_length() - 1
    return octave * _PARTS + (max(ns, _PARTS) >> (octave - 2)) % _PARTS


def _upper_edge_ns(bucket: int) -> int:
    octave, part = divmod(bucket, _PARTS)
    return (_PARTS + part + 1) << (octave - 2)
