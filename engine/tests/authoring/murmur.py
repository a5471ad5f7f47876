"""A second, slow implementation of the hash, after spec/hashing.md: no mmh3, no code of the engine."""

from __future__ import annotations

from fractions import Fraction

MASK = 2**32 - 1
MASK64 = 2**64 - 1


def murmur3_x86_32(data: bytes) -> int:
    """Hash with seed 0, after the description of MurmurHash3_x86_32."""
    state = 0
    for start in range(0, len(data), 4):
        block = data[start : start + 4]
        mixed = int.from_bytes(block, "little") * 0xCC9E2D51 & MASK
        mixed = _rotated(mixed, 15) * 0x1B873593 & MASK
        state ^= mixed
        if len(block) == 4:
            state = (_rotated(state, 13) * 5 + 0xE6546B64) & MASK
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & MASK
    return state ^ state >> 16


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & MASK


def murmur3_x64_128(data: bytes) -> int:
    """Hash with seed 0, after the description of MurmurHash3_x64_128; the first half of the result."""
    one = other = 0
    whole = len(data) - len(data) % 16
    for start in range(0, whole, 16):
        one ^= _first(int.from_bytes(data[start : start + 8], "little"))
        one = ((_rotated64(one, 27) + other) * 5 + 0x52DCE729) & MASK64
        other ^= _second(int.from_bytes(data[start + 8 : start + 16], "little"))
        other = ((_rotated64(other, 31) + one) * 5 + 0x38495AB5) & MASK64
    rest = data[whole:]
    other ^= _second(int.from_bytes(rest[8:], "little"))
    one ^= _first(int.from_bytes(rest[:8], "little"))
    one, other = one ^ len(data), other ^ len(data)
    one = (one + other) & MASK64
    other = (other + one) & MASK64
    return (_finished(one) + _finished(other)) & MASK64


def _first(block: int) -> int:
    return _rotated64(block * 0x87C37B91114253D5 & MASK64, 31) * 0x4CF5AD432745937F & MASK64


def _second(block: int) -> int:
    return _rotated64(block * 0x4CF5AD432745937F & MASK64, 33) * 0x87C37B91114253D5 & MASK64


def _rotated64(value: int, bits: int) -> int:
    return (value << bits | value >> 64 - bits) & MASK64


def _finished(value: int) -> int:
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & MASK64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & MASK64
    return value ^ value >> 33


def member(salt: str, unit: str) -> int:
    """Return the 64-bit hash of a unit in a list of members."""
    return murmur3_x64_128(_text_string(salt, unit))


def hashed(salt: str, unit: str) -> int:
    """Hash a CBOR text string (RFC 8949, section 3.1)."""
    return murmur3_x86_32(_text_string(salt, unit))


def _text_string(salt: str, unit: str) -> bytes:
    text = f"{salt}:{unit}".encode()
    head = [0x60 | len(text)] if len(text) < 24 else [0x78, len(text)]
    if len(text) > 255:
        head = [0x79, len(text) // 256, len(text) % 256]
    return bytes(head) + text


def share(salt: str, unit: str) -> Fraction:
    """Return the exact place of a unit in [0, 1)."""
    return Fraction(hashed(salt, unit), 2**32)


def slot(salt: str, unit: str) -> int:
    """Return the slot out of 10,000."""
    return int(share(salt, unit) * 10_000)


def arm(place: Fraction, weights: list[int]) -> int:
    """Return the arm whose half-open share of the weights holds the place."""
    scaled, edge = int(place * sum(weights)), 0
    for index, weight in enumerate(weights):
        edge += weight
        if scaled < edge:
            return index
    raise AssertionError("a place below 1 lies in some arm")
