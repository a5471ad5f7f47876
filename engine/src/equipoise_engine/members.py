"""Lists of units: small ones by name, large ones as hashes that tell no id (spec/hashing.md, "Members").

A large list is one sequence of bytes with an address of its own, kept beside the snapshot.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import final

from equipoise_engine.contexts import Attributes, Test, Units
from equipoise_engine.hashing import canonical_unit, member_hash
from equipoise_engine.problems import Reader

LARGEST_MEMBER_COUNT = 5_000_000
BYTES_EACH = 8


class Members:
    """A list of hashed units, checked once; share it between snapshots.

    Attributes:
        address: the SHA-256 of its bytes, in hex: what a condition names as "blob".

    Raises:
        ValueError: when the bytes are no such list.
    """

    __slots__ = ("_hashes", "address")

    def __init__(self, data: bytes) -> None:
        if len(data) % BYTES_EACH or len(data) > LARGEST_MEMBER_COUNT * BYTES_EACH:
            told = f"must be at most {LARGEST_MEMBER_COUNT:,} members of {BYTES_EACH} bytes"
            raise ValueError(f"a list of members {told}, not {len(data):,} bytes")
        self._hashes = _numbers(data)
        if any(one >= other for one, other in pairwise(self._hashes)):
            raise ValueError("a list of members must ascend, each hash once")
        self.address = hashlib.sha256(data).hexdigest()

    def __len__(self) -> int:
        return len(self._hashes)

    def holds(self, member: int) -> bool:
        """Tell whether a hash is in the list."""
        hashes: Sequence[int] = self._hashes
        at = bisect_left(hashes, member)
        return at < len(hashes) and hashes[at] == member


def members_blob(salt: str, units: Iterable[object]) -> bytes:
    """Return the bytes of a list of units; ids that count as missing are left out.

    Args:
        salt: drawn at random for this list, so that two lists cannot be compared.
        units: unit ids in any order, each as often as it comes.
    """
    canonical = (canonical_unit(unit) for unit in units)
    hashes = array("Q", sorted({member_hash(salt, unit) for unit in canonical if unit is not None}))
    if sys.byteorder == "little":
        hashes.byteswap()
    return hashes.tobytes()


@final
class NamedMembership(Test):
    """Holds for the units that are named."""

    __slots__ = ("named", "unit_type")

    def __init__(self, unit_type: str, named: frozenset[str]) -> None:
        self.unit_type = unit_type
        self.named = named

    def holds(self, _attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        return canonical_unit(units.get(self.unit_type)) in self.named


@final
class HashedMembership(Test):
    """Holds for the units whose hash is in a list."""

    __slots__ = ("members", "salt", "unit_type")

    def __init__(self, unit_type: str, salt: str, members: Members) -> None:
        self.unit_type = unit_type
        self.salt = salt
        self.members = members

    def holds(self, _attributes: Attributes, units: Units) -> bool:
        """Tell whether it holds for somebody."""
        unit = canonical_unit(units.get(self.unit_type))
        return unit is not None and self.members.holds(member_hash(self.salt, unit))


def read_units(reader: Reader) -> frozenset[str]:
    """Return the canonical ids of a required list of units."""
    units = [canonical_unit(unit) for unit in reader.array("units")]
    if "units" not in reader.members:
        reader.malformed("units", "is required")
    if None in units:
        reader.malformed("units", "must be unit ids: 1 to 256 bytes of text, or integers")
    return frozenset(unit for unit in units if unit is not None)


def _numbers(data: bytes) -> array[int]:
    hashes = array("Q", data)
    if sys.byteorder == "little":
        hashes.byteswap()
    return hashes
