"""Are 1,000 experiments uniform, and independent of each other? `python bench/independence.py`, seconds.

Hashes 100,000 units under the salts of 1,000 layers and 1,000 splits, and tests by χ²: the slots of
every layer, every split, every split against its layer, and every pair of splits; all together at 1e-4.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from scipy import stats

from equipoise_engine import hash_unit

EXPERIMENTS, UNITS = 1_000, 100_000
FAMILYWISE = 1e-4
BINS = 100
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

Words = np.ndarray[tuple[int, ...], np.dtype[np.uint32]]


def hashes(salt: str, units: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Words:
    """Hash many ASCII ids of one length (spec/hashing.md); (units, bytes) → (units,)."""
    size = len(salt) + 1 + units.shape[1]
    head = np.frombuffer(bytes([0x60 + size] if size < 24 else [0x78, size]) + f"{salt}:".encode(), np.uint8)
    data = np.empty((len(units), len(head) + units.shape[1]), np.uint8)
    data[:, : len(head)], data[:, len(head) :] = head, units
    return _murmur(data)


def _murmur(data: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Words:
    count, size = data.shape
    padded = np.zeros((count, size + (-size) % 4), np.uint8)
    padded[:, :size] = data
    blocks = padded.view("<u4").astype(np.uint32)
    state = np.zeros(count, np.uint32)
    for index in range(blocks.shape[1]):
        block = blocks[:, index] * np.uint32(0xCC9E2D51)
        state ^= _rotated(block, 15) * np.uint32(0x1B873593)
        if 4 * index + 4 <= size:  # the rest is mixed in without this
            state = _rotated(state, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    state ^= np.uint32(size)
    state = (state ^ state >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    state = (state ^ state >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return state ^ state >> np.uint32(16)


def _rotated(words: Words, bits: int) -> Words:
    return words << np.uint32(bits) | words >> np.uint32(32 - bits)


def salts(count: int, seed: int) -> list[str]:
    """Draw salts as the server does: eight letters of base 32."""
    letters = np.random.default_rng(seed).integers(0, 32, (count, 8))
    return ["".join(ALPHABET[letter] for letter in row) for row in letters]


def check(units: np.ndarray[tuple[int, int], np.dtype[np.uint8]], drawn: list[str]) -> None:
    """The engine hashes the same."""
    for salt in drawn[:20]:
        for row, found in zip(units[:200], hashes(salt, units[:200]), strict=True):
            assert hash_unit(salt, row.tobytes().decode()) == found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    seed = arguments.parse_args().seed
    started = time.perf_counter()
    units = np.frombuffer(b"".join(f"user-{n:07d}".encode() for n in range(UNITS)), np.uint8).reshape(
        UNITS, -1
    )
    drawn = salts(2 * EXPERIMENTS, seed)
    check(units, drawn)
    signs = np.empty((EXPERIMENTS, UNITS), np.float32)
    uniform, nested = np.empty(EXPERIMENTS), np.empty(EXPERIMENTS)
    for index, (layer, split) in enumerate(zip(drawn[::2], drawn[1::2], strict=True)):
        slots = hashes(layer, units).astype(np.uint64) * np.uint64(10_000) >> np.uint64(32)
        treated = hashes(split, units) >> np.uint32(31)
        signs[index] = 2.0 * treated - 1.0
        counts = np.bincount((slots // np.uint64(100)).astype(np.int64), minlength=BINS)
        uniform[index] = ((counts - UNITS / BINS) ** 2 / (UNITS / BINS)).sum()
        upper = 2.0 * (slots >= 5_000) - 1.0
        nested[index] = (upper * signs[index]).sum() ** 2 / UNITS
    split_sums = signs.sum(axis=1, dtype=np.float64)
    pairs = (signs @ signs.T).astype(np.float64)[np.triu_indices(EXPERIMENTS, 1)] ** 2 / UNITS
    families = [
        ("slots of a layer are uniform", uniform, BINS - 1),
        ("the arms of a split are even", split_sums**2 / UNITS, 1),
        ("a split is independent of its layer", nested, 1),
        ("two splits are independent", pairs, 1),
    ]
    passed = _told(families)
    print(f"{time.perf_counter() - started:.0f} s")
    return 0 if passed else 1


def _told(families: list[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]], int]]) -> bool:
    level = FAMILYWISE / sum(len(found) for _, found, _ in families)
    passed = True
    for name, found, freedom in families:
        limit = stats.chi2.isf(level, freedom)
        passed &= bool(found.max() < limit)
        told = f"mean χ² {found.mean():.3f} of {freedom}, largest {found.max():.1f} of {limit:.1f} allowed"
        print(f"{name:38}{len(found):8,} tests  {told}  {'passed' if found.max() < limit else 'FAILED'}")
    return passed


if __name__ == "__main__":
    sys.exit(main())
