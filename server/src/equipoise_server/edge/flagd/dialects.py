"""Our hash in flagd's `fractional`, in each of its dialects. Pure.

v3 hashes the CBOR of a text, which is what we hash (spec/hashing.md). v2 hashes the text itself: there the
head of the CBOR is written before it, by the length of the id. `both` asks the evaluator which of them it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

LONGEST_V2_UNIT = 100
PARTS = 1_000_000
SLOTS = 10_000
_SHORT, _LONG = 0x60, 0x78
_FIRST_LONG = 24
_LONGEST_HEADED = 127
# Its place in two halves is the first in v3 and the second in v2: that tells the evaluators apart.
_PROBE: object = {"fractional": ["equipoise:4", [True, 1], [False, 1]]}
Logic = object
Weighted = Sequence[tuple[object, int]]


class Dialect(StrEnum):
    """Which generation of evaluators a definition is for."""

    V3 = "v3"
    V2 = "v2"
    BOTH = "both"


def drawn(dialect: Dialect, salt: str, unit: Logic, weighted: Weighted) -> Logic:
    """One of the values, by the place of a unit under a salt; those of weight 0 are left out."""
    parts = [[value, weight] for value, weight in weighted if weight]
    if len(parts) == 1:
        return parts[0][0]
    return {"fractional": [_key(dialect, salt, unit), *parts]}


def below(dialect: Dialect, salt: str, unit: Logic, parts_per_million: int) -> Logic:
    """Whether the place of a unit is below a share."""
    return drawn(dialect, salt, unit, [(True, parts_per_million), (False, PARTS - parts_per_million)])


def in_slots(dialect: Dialect, salt: str, unit: Logic, ranges: Sequence[Sequence[int]]) -> Logic:
    """Whether the slot of a unit is in one of the ranges."""
    weighted: list[tuple[object, int]] = []
    reached = 0
    for start, end in sorted((low, high) for low, high in _joined(ranges)):
        weighted += [(False, start - reached), (True, end - start)]
        reached = end
    weighted.append((False, SLOTS - reached))
    return drawn(dialect, salt, unit, weighted)


def _joined(ranges: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Ranges that do not overlap, in order."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted((int(low), int(high)) for low, high in ranges):
        if joined and low <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return joined


def _key(dialect: Dialect, salt: str, unit: Logic) -> Logic:
    plain: Logic = {"cat": [f"{salt}:", unit]}
    if dialect is Dialect.V3:
        return plain
    headed: Logic = {"cat": [_head(len(salt) + 1, unit), f"{salt}:", unit]}
    return headed if dialect is Dialect.V2 else {"if": [_PROBE, plain, headed]}


def _head(extra: int, unit: Logic) -> Logic:
    """The head of the CBOR text, for a unit of 1 to 100 ASCII characters after so many others."""
    longest = min(LONGEST_V2_UNIT, _LONGEST_HEADED - extra)
    return _tree(unit, extra, 1, longest)


def _tree(unit: Logic, extra: int, least: int, most: int) -> Logic:
    """Find the length by halves: a text has a character at a place, or it is shorter."""
    if least == most:
        length = extra + least
        return chr(_SHORT + length) if length < _FIRST_LONG else chr(_LONG) + chr(length)
    middle = (least + most) // 2
    is_longer: Logic = {"!!": [{"substr": [unit, middle, 1]}]}
    return {"if": [is_longer, _tree(unit, extra, middle + 1, most), _tree(unit, extra, least, middle)]}
