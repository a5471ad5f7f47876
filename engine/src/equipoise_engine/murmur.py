"""MurmurHash3 x86, 32 bits, of a salt and a unit; remembers what the salt leaves behind.

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
    """The state of the hash after all whole words of some bytes, and the bits left over.

    Attributes:
        size: how many bytes follow, as their head told.
        state: of the hash.
        bits, count: what is left over, and how many bits that is.
    """

    __slots__ = ("bits", "count", "length", "size", "state")

    def __init__(self, data: bytes, size: int) -> None:
        self.size: i64 = size
        self.length: i64 = len(data)
        self.state: i64 = 0
        self.bits: i64 = 0
        self.count: i64 = 0
        for byte in data:
            part: i64 = byte
            self.bits |= part << self.count
            self.count += 8
            if self.count == 32:  # noqa: PLR2004 - a word
                self.state = _stirred(self.state, self.bits)
                self.bits = self.count = 0


def hash_after(prefix: Prefix, data: bytes) -> i64:
    """Return the hash of what the prefix has read and of `data`, with a seed of 0."""
    state: i64 = prefix.state
    bits: i64 = prefix.bits
    count: i64 = prefix.count
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
    return _finished(state ^ _scrambled(bits), prefix.length + size)


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
