"""How an answer is judged: per variant or as a whole, against a bound or control; unknown has a name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf, nan
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_server.health.judging import bound_words, judged, standing_after, unknown
from equipoise_server.health.values import (
    Comparison,
    Finding,
    HealthCheck,
    Plan,
    Reduction,
    Side,
    Standing,
    State,
    Why,
)
from equipoise_server.sources.prometheus_answers import Series

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
EACH = Plan("prom", "errors", 0.05, label="variant", variants={"control": "c", "green": "g"}, failures=3)
WHOLE = Plan("prom", "errors", 0.05)
RATIO = replace(EACH, comparison=Comparison.RATIO, control="control", bound=1.5)
DIFFERENCE = replace(RATIO, comparison=Comparison.DIFFERENCE, bound=0.02)

POD = Series({"variant": "g", "pod": "2"}, (1.0,))


def series(**values: float) -> list[Series]:
    return [Series({"variant": name}, (value,)) for name, value in values.items()]


def state_of(plan: Plan, **values: float) -> tuple[State, Why | None]:
    found = judged(plan, series(**values), None)
    return found.state, found.why


@pytest.mark.parametrize(
    ("plan", "control", "green", "state"),
    [
        (EACH, 0.01, 0.05, State.PASSING),
        (EACH, 0.01, 0.051, State.FAILING),
        (EACH, 0.051, 0.01, State.FAILING),
        (replace(EACH, side=Side.AT_LEAST), 0.06, 0.05, State.PASSING),
        (replace(EACH, side=Side.AT_LEAST), 0.06, 0.04, State.FAILING),
        (RATIO, 0.1, 0.15, State.PASSING),
        (RATIO, 0.1, 0.16, State.FAILING),
        (RATIO, 9.0, 1.0, State.PASSING),
        (DIFFERENCE, 0.0, 0.02, State.PASSING),
        (DIFFERENCE, 0.0, 0.03, State.FAILING),
        (replace(DIFFERENCE, side=Side.AT_LEAST, bound=-0.1), 0.5, 0.39, State.FAILING),
    ],
)
def test_a_value_is_held_against_its_bound(plan: Plan, control: float, green: float, state: State) -> None:
    assert state_of(plan, c=control, g=green) == (state, None)


def test_ratios_and_differences_are_told_for_treatments_and_not_for_control() -> None:
    told = {one.variant: one.compared for one in judged(RATIO, series(c=0.1, g=0.2), None).readings}
    assert told == {"control": None, "green": 2.0}
    assert [one.compared for one in judged(DIFFERENCE, series(c=0.5, g=0.75), None).readings] == [None, 0.25]


@pytest.mark.parametrize(
    ("plan", "answer", "why", "named"),
    [
        (EACH, series(c=0.01), Why.NO_DATA, "variant=“g”; there is “c”"),
        (EACH, [], Why.NO_DATA, "it yields nothing"),
        (EACH, [*series(c=0.01), Series({}, (1.0,))], Why.MISSING_LABEL, "sum by (variant)"),
        (EACH, [*series(c=0.01, g=0.02), POD], Why.SEVERAL_SERIES, "pod"),
        (EACH, series(c=0.01, g=nan), Why.NOT_A_NUMBER, "“green” is nan"),
        (EACH, series(c=inf, g=0.01), Why.NOT_A_NUMBER, "“control” is inf"),
        (EACH, [*series(c=0.01), Series({"variant": "g"}, ())], Why.NO_DATA, "“g”"),
        (WHOLE, [], Why.NO_DATA, "yields nothing"),
        (WHOLE, series(c=0.01, g=0.02), Why.SEVERAL_SERIES, "differ by variant; write"),
        (RATIO, series(c=0.0, g=0.01), Why.CONTROL_IS_ZERO, "bound the difference"),
        (RATIO, series(c=5e-324, g=1e300), Why.CONTROL_IS_ZERO, "no ratio"),
        (RATIO, series(g=0.01), Why.NO_DATA, "“c”"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_unknown_with_a_reason(
    plan: Plan, answer: list[Series], why: Why, named: str
) -> None:
    found = judged(plan, answer, None)
    assert (found.state, found.why) == (State.UNKNOWN, why)
    assert named in found.told


def test_a_treatment_is_unknown_while_control_is() -> None:
    by_variant = {one.variant: one.why for one in judged(RATIO, series(g=0.01), None).readings}
    assert by_variant == {"control": Why.NO_DATA, "green": Why.CONTROL_UNKNOWN}


def test_a_failure_outweighs_an_unknown() -> None:
    assert state_of(EACH, g=0.9) == (State.FAILING, None)


def test_series_of_other_variants_do_not_matter() -> None:
    assert state_of(EACH, c=0.01, g=0.01, other=9.0) == (State.PASSING, None)


@pytest.mark.parametrize(
    ("reduction", "value"),
    [(Reduction.LAST, 3.0), (Reduction.MEAN, 2.0), (Reduction.LOWEST, 1.0), (Reduction.HIGHEST, 3.0)],
)
def test_a_window_has_one_value(reduction: Reduction, value: float) -> None:
    plan = replace(WHOLE, window_seconds=60, reduction=reduction)
    assert judged(plan, [Series({}, (1.0, 2.0, 3.0))], None).readings[0].value == value


def test_a_window_with_a_point_that_is_no_number_has_a_last_value_alone() -> None:
    points = [Series({}, (nan, 0.01))]
    assert judged(WHOLE, points, None).state is State.PASSING
    for reduction in (Reduction.MEAN, Reduction.LOWEST, Reduction.HIGHEST):
        assert judged(replace(WHOLE, reduction=reduction), points, None).why is Why.NOT_A_NUMBER


def test_a_small_sample_is_unknown_even_though_the_value_fails() -> None:
    plan = replace(EACH, sample_query="requests", least_sample=100)
    found = judged(plan, series(c=0.01, g=0.9), series(c=500, g=99))
    assert (found.state, found.why) == (State.UNKNOWN, Why.TOO_FEW)
    assert "99" in found.told
    enough = judged(plan, series(c=0.01, g=0.9), series(c=500, g=100))
    assert enough.state is State.FAILING
    assert [one.sample for one in enough.readings] == [500, 100]
    missing = judged(plan, series(c=0.01, g=0.9), series(c=500))
    assert (missing.why, missing.told.startswith("The sample: ")) == (Why.NO_DATA, True)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (WHOLE, "at most 0.05"),
        (replace(WHOLE, side=Side.AT_LEAST, bound=200), "at least 200"),
        (RATIO, "at most 1.5 times “control”"),
        (DIFFERENCE, "at most 0.02 more than “control”"),
    ],
)
def test_a_bound_reads_as_a_sentence(plan: Plan, words: str) -> None:
    assert bound_words(plan) == words


def a_check(standing: Standing) -> HealthCheck:
    return HealthCheck(uuid4(), uuid4(), uuid4(), uuid4(), "flag", "errors", "Errors", EACH, standing, AT)


_FINDINGS = {
    State.PASSING: Finding(State.PASSING),
    State.FAILING: Finding(State.FAILING),
    State.UNKNOWN: unknown(Why.UNREACHABLE, "It is away."),
}


@given(st.lists(st.sampled_from(State)))
def test_only_an_unbroken_row_of_failures_is_acted_on(states: list[State]) -> None:
    check = a_check(Standing())
    for minute, state in enumerate(states):
        standing = standing_after(check, _FINDINGS[state], now=AT + timedelta(minutes=minute))
        check = replace(check, standing=standing)
    row = 0
    for state in reversed(states):
        if state is not State.FAILING:
            break
        row += 1
    assert check.standing.failures == row
    assert check.is_breached is (row >= EACH.failures)


@given(st.lists(st.sampled_from(State), min_size=1))
def test_a_state_has_begun_when_it_last_changed(states: list[State]) -> None:
    check = a_check(Standing())
    for minute, state in enumerate(states):
        standing = standing_after(check, _FINDINGS[state], now=AT + timedelta(minutes=minute))
        check = replace(check, standing=standing)
    same = next((n for n, state in enumerate(reversed(states)) if state is not states[-1]), len(states))
    assert check.standing.since == AT + timedelta(minutes=len(states) - same)


def test_a_row_that_was_acted_on_is_remembered_until_it_ends() -> None:
    acted = a_check(Standing(State.FAILING, AT, AT, 3, AT))
    assert standing_after(acted, _FINDINGS[State.FAILING], now=AT).acted_at == AT
    assert standing_after(acted, _FINDINGS[State.UNKNOWN], now=AT).acted_at is None
    assert standing_after(acted, _FINDINGS[State.PASSING], now=AT).acted_at is None


def test_what_nobody_has_asked_about_for_long_is_unknown() -> None:
    passing = a_check(Standing(State.PASSING, AT, AT, why=None))
    assert passing.standing_at(AT + timedelta(minutes=3)).state is State.PASSING
    stale = passing.standing_at(AT + timedelta(minutes=3, seconds=1))
    assert (stale.state, stale.why, stale.since) == (State.UNKNOWN, Why.STALE, AT)
    assert "Jobs" in stale.told
