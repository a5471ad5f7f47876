"""Segments: noise shrinks to the overall effect, harm in a large one is put before people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_stats import (
    Direction,
    Heterogeneity,
    InputError,
    Segment,
    Status,
    Undefined,
    judge_segments,
)


def segments(*effects: float, se: float = 0.01, share: float = 0.2) -> list[Segment]:
    return [Segment(str(k), effect, se, share) for k, effect in enumerate(effects)]


def judged(found: object) -> Heterogeneity:
    assert isinstance(found, Heterogeneity)
    return found


def test_segments_that_agree_shrink_to_one_effect() -> None:
    found = judged(judge_segments(segments(0.02, 0.021, 0.019)))
    assert found.tau2 == found.i2 == 0
    assert {round(s.interval.value, 12) for s in found.segments} == {round(found.overall.value, 12)}
    assert judged(judge_segments(segments(0.02, 0.02))).i2 == 0


@given(st.lists(st.floats(-0.2, 0.2), min_size=2, max_size=8))
def test_a_shrunk_effect_lies_between_its_segment_and_the_whole(effects: list[float]) -> None:
    found = judged(judge_segments(segments(*effects)))
    for effect, segment in zip(effects, found.segments, strict=True):
        low, high = sorted((effect, found.overall.value))
        assert low - 1e-9 <= segment.interval.value <= high + 1e-9


@pytest.mark.parametrize("direction", list(Direction))
def test_harm_in_a_large_segment_asks_to_be_checked(direction: Direction) -> None:
    sign = -1 if direction is Direction.INCREASE else 1
    given_segments = [
        Segment("large", sign * 0.08, 0.01, 0.3),
        Segment("small", sign * 0.08, 0.01, 0.05),
        Segment("good", -sign * 0.05, 0.01, 0.65),
    ]
    found = judged(judge_segments(given_segments, direction=direction))
    assert [s.needs_check for s in found.segments] == [True, False, False]


def test_other_metrics_cells_count_in_the_family() -> None:
    alone = judged(judge_segments(segments(0.025, 0.0))).segments[0].adjusted_p_value
    among = judged(judge_segments(segments(0.025, 0.0), other_p_values=[0.9] * 8)).segments[0]
    assert among.adjusted_p_value == pytest.approx(5 * alone)


def test_one_segment_has_nothing_to_differ_from() -> None:
    assert judge_segments(segments(0.1)) == Undefined(Status.TOO_FEW_UNITS)


def test_every_fault_of_segments_is_told_at_once() -> None:
    broken = [Segment("a", float("nan"), 0, 2), Segment("a", 1, 1, 0.1)]
    with pytest.raises(InputError) as refused:
        judge_segments(broken, alpha=0)
    assert len(refused.value.problems) == 5
