"""Turns (salt, unit) into a 32-bit number, and a number into an arm: spec/hashing.md, hash version 1.

Knows nothing of flags. Integers only, so that every language gets the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final, final

import mmh3

from equipoise_engine.murmur import IS_COMPILED, Prefix, hash_after

if TYPE_CHECKING:
    from mypy_extensions import i64

HASH_SPACE: Final = 2**32
SLOT_COUNT: Final = 10_000
PARTS: Final = 1_000_000
LARGEST_WEIGHT_SUM: Final = 2**20
LONGEST_UNIT_BYTES: Final = 256
_LARGEST_INTEGER_BITS: Final = 1_024  # more than 256 digits, far below Python's own limit for text


def hash_unit(salt: str, unit: str) -> int:
    """Return the unsigned 32-bit hash of a unit under a salt (spec/hashing.md, "Hash").

    Args:
        salt: the frozen string of a layer, gate, split or rollout.
        unit: a canonical unit id, see `canonical_unit`.

    Raises:
        UnicodeEncodeError: when either holds a lone surrogate.
        ValueError: when both together need 65,536 bytes or more.
    """
    text = f"{salt}:{unit}".encode()
    return mmh3.hash(_header(len(text)) + text, 0, False)


def member_hash(salt: str, unit: str) -> int:
    """Return the unsigned 64-bit hash of a unit in a list of members (spec/hashing.md, "Members")."""
    text = f"{salt}:{unit}".encode()
    return mmh3.hash64(_header(len(text)) + text, signed=False)[0]


def slot(salt: str, unit: str) -> int:
    """Return the slot, 0 to 9,999, of a unit in the layer that owns the salt."""
    return hash_unit(salt, unit) * SLOT_COUNT >> 32


def pick(hash: int, weights: Sequence[int]) -> int:  # noqa: A002 - the word of the spec
    """Return the first index whose cumulated weight exceeds the hash's place (spec, "Pick").

    Args:
        hash: an unsigned 32-bit integer.
        weights: integers of at least 0; their sum lies in 1..2**20.

    Raises:
        ValueError: when the hash or the weights are out of range.
    """
    total = sum(weights)
    if not 0 <= hash < HASH_SPACE:
        raise ValueError(f"hash must lie in 0..2**32-1, not {hash}")
    if min(weights, default=-1) < 0 or not 1 <= total <= LARGEST_WEIGHT_SUM:
        raise ValueError(f"weights must be ≥ 0 and sum to 1..2**20, not {list(weights)}")
    place = hash * total >> 32
    return next(index for index, edge in enumerate(accumulate(weights)) if place < edge)


def canonical_unit(value: object) -> str | None:
    """Return the text that is hashed for a unit id, or None when the id counts as missing.

    Text of 1 to 256 UTF-8 bytes stays as it is; integers become plain decimals. Booleans, floats,
    lone surrogates, "" and everything else are missing (spec/hashing.md, "Unit ids").
    """
    if type(value) is str and value.isascii():  # most units, without encoding them
        return value if 0 < len(value) <= LONGEST_UNIT_BYTES else None
    if isinstance(value, str):
        unit = str.__str__(value)
    elif (
        isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= _LARGEST_INTEGER_BITS
    ):
        unit = int.__repr__(value)
    else:
        return None
    try:
        size = len(unit.encode())
    except UnicodeEncodeError:
        return None
    return unit if 1 <= size <= LONGEST_UNIT_BYTES else None


def threshold(part: int, whole: int) -> int:
    """Return the smallest hash h with (h · whole) >> 32 ≥ part: comparing h to it equals scaling h."""
    return -(-part * HASH_SPACE // whole)


def thresholds(weights: Sequence[int]) -> tuple[int, ...]:
    """Return each arm's upper bound: `bisect_right(thresholds(w), h)` equals `pick(h, w)`."""
    total = sum(weights)
    return tuple(threshold(edge, total) for edge in accumulate(weights))


class Salt:
    """The frozen string of a layer, gate, split or rollout, ready to hash units."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def hash(self, unit: str) -> int:
        """Return `hash_unit` of a canonical unit."""
        raise NotImplementedError


@final
class TextSalt(Salt):
    """Hashes text as it is, when it is ASCII and needs a short head: quickest when interpreted."""

    __slots__ = ("_salted", "_size")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._salted, self._size = f"{text}:", len(text) + 1

    def hash(self, unit: str) -> int:
        """Return `hash_unit` of a canonical unit."""
        size = len(unit) + self._size
        if size < LENGTH_OF_ASCII and unit.isascii():
            return HASH_TEXT(f"{ASCII_HEADS[size]}{self._salted}{unit}", 0, False)
        return hash_unit(self.text, unit)


@final
class WordSalt(Salt):
    """Hashes words of bytes in machine integers, from where the salt ends: quickest when compiled."""

    __slots__ = ("_prefix", "_salted")

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._salted = f"{text}:".encode()
        self._prefix = Prefix(self._salted, 0)

    def hash(self, unit: str) -> int:
        """Return `hash_unit` of a canonical unit."""
        return self.hash_bytes(unit.encode())

    def hash_bytes(self, unit: bytes) -> i64:
        """Return `hash_unit` of a canonical unit's UTF-8."""
        prefix = self._prefix
        if prefix.size != len(unit):  # most units of a type are of one size
            prefix = self._prefix = Prefix(self._salted, len(unit))
        return hash_after(prefix, unit)


def salt(text: str) -> Salt:
    """Return a salt of the kind that is quicker here. It must be ASCII, as every salt of a snapshot is."""
    return WordSalt(text) if IS_COMPILED else TextSalt(text)


def _header(size: int) -> bytes:
    """Return the CBOR head of a text of `size` bytes (RFC 8949, major type 3)."""
    if size < 24:  # noqa: PLR2004 - CBOR: the length fits into the first byte
        return bytes((0x60 + size,))
    if size < 256:  # noqa: PLR2004 - CBOR: one byte of length follows
        return bytes((0x78, size))
    if size < 65_536:  # noqa: PLR2004 - CBOR: two bytes of length follow
        return bytes((0x79, *size.to_bytes(2, "big")))
    raise ValueError(f"salt and unit need {size} bytes; at most 65,535 can be hashed")


# Headers as text, by the length of what follows, as long as they are ASCII themselves.
LENGTH_OF_ASCII: Final = 128
ASCII_HEADS = tuple(_header(size).decode() for size in range(LENGTH_OF_ASCII))
HASH_TEXT = mmh3.hash
# Without arguments it answers in two's complement, quicker than unsigned by the time of an argument or two.
SIGNED_HASH: Callable[[str], int] = mmh3.hash


def signed(low: int, high: int) -> tuple[int, int, bool]:
    """Return a range of unsigned hashes for signed ones: from, up to, and whether the range is inside.

    Of a range that has 2**31 within, the rest is one range of signed hashes. Both ends are in 0..2**32.
    """
    half = HASH_SPACE // 2
    if low < half < high:
        return high - HASH_SPACE, low, False
    beyond = HASH_SPACE if low >= half else 0
    return low - beyond, high - beyond, True
