"""A second, slow implementation of the hash, after spec/hashing.md: no mmh3, no code of the engine."""

from __future__ import annotations

from fractions import Fraction

MASK = 2**32 - 1


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


def hashed(salt: str, unit: str) -> int:
    """Hash a CBOR text string (RFC 8949, section 3.1)."""
    text = f"{salt}:{unit}".encode()
    head = [0x60 | len(text)] if len(text) < 24 else [0x78, len(text)]
    if len(text) > 255:
        head = [0x79, len(text) // 256, len(text) % 256]
    return murmur3_x86_32(bytes(head) + text)


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
