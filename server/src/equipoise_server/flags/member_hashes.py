"""Lists of units as sorted 64-bit hashes (spec/hashing.md, "Members"): made from streams, joined, searched.

Holds 8 bytes a unit, whatever the size of the file. Knows no tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from equipoise_engine import canonical_unit, members_blob
from equipoise_server.flags.values import How
from equipoise_server.foundation.refusals import Invalid, Problem

MOST_MEMBERS = 5_000_000
MOST_NAMED = 1_000
MOST_BAD_LINES = 10
_CHUNK = 50_000
Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Membership:
    """A list as it is kept: by name while it is short, and by hashes from then on."""

    names: frozenset[str] | None
    hashes: Hashes | None

    @property
    def count(self) -> int:
        """How many units it has."""
        held = self.names if self.hashes is None else self.hashes
        assert held is not None
        return len(held)


EMPTY = Membership(frozenset(), None)


def changed(held: Membership, how: How, units: Iterable[str], salt: str) -> Membership:
    """The list after units were put in place of it, added or taken out; bad ids are refused together."""
    stream = iter(_canonical(units))
    first = frozenset(islice(stream, MOST_NAMED + 1))
    rest = next(stream, None) if len(first) <= MOST_NAMED else ""
    if rest is None and held.names is not None:
        names = _combined_names(held.names, how, first)
        if len(names) <= MOST_NAMED:
            return Membership(names, None)
    if rest is None and how == "replace":
        return Membership(first, None)
    given = _gathered([_hashed(first, salt)], stream if not rest else _with(rest, stream), salt)
    if how == "replace":
        return Membership(None, given)
    before = _hashed(held.names or (), salt) if held.hashes is None else held.hashes
    joined = _united([before, given]) if how == "append" else np.setdiff1d(before, given, assume_unique=True)
    return Membership(None, _within_limit(joined)) if len(joined) else EMPTY


def holds(hashes: Hashes, salt: str, unit: str) -> bool:
    """Whether a unit is in a list of hashes."""
    sought = _hashed([unit], salt)
    if not len(sought):
        return False
    place = int(np.searchsorted(hashes, sought[0]))
    return place < len(hashes) and bool(hashes[place] == sought[0])


def to_bytes(hashes: Hashes) -> bytes:
    """The bytes of a list, most significant byte first."""
    return hashes.astype(">u8").tobytes()


def from_bytes(content: bytes) -> Hashes:
    """A list from its bytes."""
    return np.frombuffer(content, dtype=">u8").astype(np.uint64)


def _combined_names(held: frozenset[str], how: How, given: frozenset[str]) -> frozenset[str]:
    if how == "replace":
        return given
    return held | given if how == "append" else held - given


def _canonical(units: Iterable[str]) -> Iterator[str]:
    """The ids that are ids; all others are refused, and the first of them named, when the stream ends."""
    bad: list[str] = []
    for place, unit in enumerate(units, 1):
        canonical = canonical_unit(unit)
        if canonical is not None and "\x00" not in canonical:
            yield canonical
        elif len(bad) < MOST_BAD_LINES:
            bad.append(f"the {place:,}. ({unit[:40]!r}{'…' if len(unit) > 40 else ''})")  # noqa: PLR2004
    if bad:
        told = f"A unit id is a text of 1 to 256 bytes without NUL. These are none: {', '.join(bad)}."
        raise Invalid(Problem("file", told))


def _with(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _gathered(parts: list[Hashes], stream: Iterator[str], salt: str) -> Hashes:
    while chunk := list(islice(stream, _CHUNK)):
        parts.append(_hashed(chunk, salt))
        if sum(map(len, parts)) > 2 * MOST_MEMBERS:
            parts[:] = [_within_limit(_united(parts))]
    return _within_limit(_united(parts))


def _united(parts: list[Hashes]) -> Hashes:
    """All hashes, each once, ascending."""
    hashes = np.concatenate(parts)
    hashes.sort()
    is_first = np.ones(len(hashes), dtype=bool)
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    return hashes if is_first.all() else hashes[is_first]


def _hashed(units: Iterable[str], salt: str) -> Hashes:
    return from_bytes(members_blob(salt, units))


def _within_limit(hashes: Hashes) -> Hashes:
    if len(hashes) > MOST_MEMBERS:
        raise Invalid(Problem("file", f"A list has at most {MOST_MEMBERS:,} units; make two segments of it."))
    return hashes
