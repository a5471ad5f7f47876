"""MurmurHash3 x86, 32 bits, of a salt and a unit.

Written for compiling: mypyc turns its integers into machine words. Interpreted it gives the same
numbers, slowly; `hashing` then asks mmh3.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from mypy_extensions import i64

_WORD: Final = 0xFFFFFFFF
# The constants of MurmurHash3 as signed numbers, so that no product needs more than 64 bits.
_FIRST: Final = 0xCC9E2D51 - 0x100000000
_SECOND: Final = 0x1B873593
_ADDED: Final = 0xE6546B64
_THIRD: Final = 0x85EBCA6B - 0x100000000
_FOURTH: Final = 0xC2B2AE35 - 0x100000000


@final
class Prefix:
    """What a salt leaves behind, for units of one size: the hash goes on from here.

    Attributes:
        size: of the units, in bytes.
        state, bits, count: of the hash: what whole words gave, what is left over, how many bits that is.
        length: of all that is hashed, in bytes.
    """

    __slots__ = ("bits", "count", "length", "size", "state")

    def __init__(self, salted: bytes, size: int) -> None:
        """Read the CBOR head and the salt (spec/hashing.md, "Hash").

        Args:
            salted: a salt and a colon.
            size: both together are shorter than 65,536 bytes.
        """
        text: i64 = len(salted) + size
        bits: i64 = 0x60 + text
        count: i64 = 8
        if text >= 256:  # noqa: PLR2004 - CBOR: two bytes of length follow
            bits = 0x79 | (text >> 8) << 8 | (text & 255) << 16
            count = 24
        elif text >= 24:  # noqa: PLR2004 - CBOR: one byte of length follows
            bits = 0x78 | text << 8
            count = 16
        state, bits = _read(0, bits, count, salted)
        self.size: i64 = size
        self.state: i64 = state
        self.bits: i64 = bits
        self.count: i64 = (count + (len(salted) << 3)) & 31
        self.length: i64 = text + (count >> 3)


def hash_after(prefix: Prefix, unit: bytes) -> i64:
    """Return the hash of a salt and a unit, with a seed of 0."""
    state, bits = _read(prefix.state, prefix.bits, prefix.count, unit)
    return _finished(state ^ _scrambled(bits), prefix.length)


def _read(state: i64, bits: i64, count: i64, data: bytes) -> tuple[i64, i64]:
    """Return state and bits after some bytes; `count` bits were left over from those before."""
    size: i64 = len(data)
    at: i64 = 0
    while at + 4 <= size:
        low: i64 = _byte(data, at) | _byte(data, at + 1) << 8
        high: i64 = _byte(data, at + 2) | _byte(data, at + 3) << 8
        bits |= (low | high << 16) << count
        state = _stirred(state, bits & _WORD)
        bits >>= 32
        at += 4
    while at < size:
        bits |= _byte(data, at) << count
        count += 8
        at += 1
    if count >= 32:  # noqa: PLR2004 - a word
        state = _stirred(state, bits & _WORD)
        bits >>= 32
    return state, bits


def _byte(data: bytes, at: i64) -> i64:
    return data[at]


def _scrambled(word: i64) -> i64:
    word = (word * _FIRST) & _WORD
    word = ((word << 15) | (word >> 17)) & _WORD
    return (word * _SECOND) & _WORD


def _stirred(state: i64, word: i64) -> i64:
    state ^= _scrambled(word)
    state = ((state << 13) | (state >> 19)) & _WORD
    return (state * 5 + _ADDED) & _WORD


def _finished(state: i64, length: i64) -> i64:
    state ^= length
    state ^= state >> 16
    state = (state * _THIRD) & _WORD
    state ^= state >> 13
    state = (state * _FOURTH) & _WORD
    return state ^ (state >> 16)


# Whether this runs as machine code; then the hash above is quicker than a call of mmh3.
IS_COMPILED: Final = not isinstance(hash_after, FunctionType)
