"""Slots of a layer: nobody's are given away twice, and none get lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as some

from equipoise_server.experiments.allocation import (
    SLOT_COUNT,
    SlotRange,
    allocate,
    free_ranges,
    slot_count,
    wanted_slots,
)

cuts = some.lists(some.integers(0, SLOT_COUNT), min_size=2, max_size=40, unique=True).map(sorted)


@some.composite
def taken_ranges(draw: some.DrawFn) -> list[SlotRange]:
    """Ranges that do not overlap, in any order."""
    ranges = [(first, end) for first, end in pairwise(draw(cuts)) if draw(some.booleans())]
    return draw(some.permutations(ranges))


@given(taken_ranges(), some.integers(1, SLOT_COUNT))
def test_a_new_iteration_gets_exactly_what_it_wants_from_free_slots_or_nothing(
    taken: list[SlotRange], wanted: int
) -> None:
    ranges = allocate(taken, wanted)
    if ranges is None:
        assert wanted > SLOT_COUNT - slot_count(taken)
        return
    assert slot_count(ranges) == wanted
    held = sorted([*taken, *ranges])
    assert all(0 <= first < end <= SLOT_COUNT for first, end in held)
    assert all(end <= first for (_, end), (first, _) in pairwise(held))


@given(taken_ranges())
def test_free_and_taken_slots_are_all_slots(taken: list[SlotRange]) -> None:
    assert slot_count(taken) + slot_count(free_ranges(taken)) == SLOT_COUNT


@given(taken_ranges(), some.integers(1, SLOT_COUNT))
def test_slots_come_in_one_piece_where_one_is_large_enough(taken: list[SlotRange], wanted: int) -> None:
    largest = max((end - first for first, end in free_ranges(taken)), default=0)
    ranges = allocate(taken, wanted)
    assert (ranges is not None and len(ranges) == 1) == (largest >= wanted)


@given(some.lists(some.integers(1, 3_000), max_size=12))
def test_experiments_that_start_one_after_another_never_share_a_slot(wishes: list[int]) -> None:
    taken: list[SlotRange] = []
    for wanted in wishes:
        taken += allocate(taken, wanted) or ()
    assert slot_count(taken) == len({slot for first, end in taken for slot in range(first, end)})


def test_a_share_is_a_whole_number_of_slots_and_never_none() -> None:
    assert [wanted_slots(share) for share in (1.0, 0.5, 0.1 + 0.2, 1 / 3, 1e-9)] == [
        10_000,
        5_000,
        3_000,
        3_334,
        1,
    ]
