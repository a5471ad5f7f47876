"""Guardrails pass only when harmlessness is shown; alarms need evidence, not luck."""

from __future__ import annotations

import pytest
from judged_experiments import number, rate

from equipoise_stats import (
    Alarm,
    AlarmMethod,
    AlarmRule,
    Direction,
    Estimate,
    Guardrail,
    GuardrailVerdict,
    Margin,
    MarginKind,
    Status,
    Undefined,
    alarm,
    non_inferiority,
    rate_alarm,
)
from equipoise_stats.guardrails import non_inferiority_of_few
from equipoise_stats.intervals import small_rates

RELATIVE, ABSOLUTE = Margin(MarginKind.RELATIVE, 0.05), Margin(MarginKind.ABSOLUTE, 0.01)
EMPTY = Estimate(0, None, None, None, Status.NO_UNITS)
HARM = AlarmRule(Margin(MarginKind.RELATIVE, 0.0), Direction.DECREASE, 0.01, 2000)
LOSS = AlarmRule(Margin(MarginKind.RELATIVE, 0.0), Direction.INCREASE, 0.01, 2000)


def judge(treatment: Estimate, control: Estimate, margin: Margin, direction: Direction) -> Guardrail:
    return non_inferiority(
        treatment, control, margin=margin, direction=direction, critical=1.6448536269514722
    )


@pytest.mark.parametrize("margin", [RELATIVE, Margin(MarginKind.ABSOLUTE, 0.25)])
@pytest.mark.parametrize("direction", list(Direction))
def test_a_guardrail_passes_fails_or_stays_open(margin: Margin, direction: Direction) -> None:
    sign = 1 if direction is Direction.INCREASE else -1
    control = number(5.0, 1.0, 10_000)
    verdicts = [
        judge(number(5.0 + sign * shift, 1.0, 10_000), control, margin, direction).verdict
        for shift in (0.1, -0.25, -0.6)
    ]
    assert verdicts == [
        GuardrailVerdict.PASS,
        GuardrailVerdict.INCONCLUSIVE,
        GuardrailVerdict.FAIL,
    ]


def test_what_cannot_be_judged_is_never_a_pass() -> None:
    for control, reason in (
        (EMPTY, Status.NO_UNITS),
        (number(-1.0, 1.0, 1000), Status.NEGATIVE_CONTROL),
        (number(0.0, 1.0, 1000), Status.ZERO_CONTROL),
    ):
        found = judge(number(5.0, 1.0, 1000), control, RELATIVE, Direction.INCREASE)
        assert found.verdict is GuardrailVerdict.INCONCLUSIVE
        assert (found.distance, found.lower, found.upper) == (None, None, None)
        assert found.reason is reason


def few(treatment: Estimate, control: Estimate, margin: Margin, direction: Direction) -> Guardrail:
    rates = small_rates(treatment, control)
    assert rates is not None
    return non_inferiority_of_few(
        treatment, control, rates, margin=margin, direction=direction, critical=1.645
    )


def test_no_event_in_either_arm_can_pass_an_absolute_margin() -> None:
    none = rate(0, 5_000)
    assert few(none, none, ABSOLUTE, Direction.DECREASE).verdict is GuardrailVerdict.PASS
    relative = few(none, none, RELATIVE, Direction.DECREASE)
    assert relative.reason is Status.ZERO_CONTROL
    assert relative.verdict is GuardrailVerdict.INCONCLUSIVE


def test_few_events_can_fail_a_margin_either_way() -> None:
    up = few(rate(180, 5_000), rate(2, 5_000), ABSOLUTE, Direction.DECREASE)
    assert up.verdict is GuardrailVerdict.FAIL
    down = few(rate(2, 5_000), rate(180, 5_000), ABSOLUTE, Direction.INCREASE)
    assert down.verdict is GuardrailVerdict.FAIL
    assert (up.distance, up.lower, up.upper) == pytest.approx((down.distance, down.lower, down.upper))


def heard(found: Alarm | Undefined) -> Alarm:
    assert isinstance(found, Alarm)
    return found


def test_an_alarm_sounds_on_real_harm_only() -> None:
    control = number(5.0, 20.0, 60_000)
    assert not heard(alarm(number(4.9, 20.0, 60_000), control, LOSS)).breached
    assert heard(alarm(number(4.0, 20.0, 60_000), control, LOSS)).breached


def test_an_alarm_uses_the_control_even_if_the_treatment_never_varies() -> None:
    nothing = Estimate(60_000, 0.0, None, None, Status.ZERO_VARIANCE)
    assert heard(alarm(nothing, number(5.0, 20.0, 60_000), LOSS)).breached


def test_an_alarm_without_grounds_says_why() -> None:
    control = number(5.0, 20.0, 5_000)
    flat = Estimate(5_000, 1.0, None, None, Status.ZERO_VARIANCE)
    unplanned = AlarmRule(LOSS.margin, LOSS.direction, 0.01, None)
    relative = AlarmRule(RELATIVE, LOSS.direction, 0.01, 2000)
    found = (
        (alarm(EMPTY, control, LOSS), Status.NO_UNITS),
        (alarm(control, flat, LOSS), Status.ZERO_VARIANCE),
        (alarm(number(5.0, 20.0, 99), control, LOSS), Status.TOO_EARLY),
        (alarm(control, control, unplanned), Status.NO_EXPECTED_UNITS),
        (alarm(control, number(-5.0, 20.0, 5_000), relative), Status.NEGATIVE_CONTROL),
        (rate_alarm(EMPTY, rate(3, 50), HARM, share=0.5), Status.NO_UNITS),
    )
    for answer, reason in found:
        assert answer == Undefined(reason)


def test_a_treatment_that_crashes_everybody_is_heard_at_once() -> None:
    found = heard(rate_alarm(rate(40, 40), rate(1, 40), HARM, share=0.5))
    assert found.breached
    assert found.method is AlarmMethod.EVENTS
    assert found.upper is None
    lost = heard(rate_alarm(rate(0, 400), rate(40, 400), LOSS, share=0.5))
    assert lost.breached


def test_rare_events_without_a_difference_stay_silent() -> None:
    for rule in (HARM, LOSS):
        assert not heard(rate_alarm(rate(5, 4000), rate(6, 4000), rule, share=0.5)).breached
    assert not heard(rate_alarm(rate(0, 10**6), rate(24, 10**6), HARM, share=0.5)).breached


def test_a_rate_with_events_enough_is_watched_by_its_interval() -> None:
    found = heard(rate_alarm(rate(300, 4000), rate(100, 4000), HARM, share=0.5))
    assert found.method is AlarmMethod.CONFIDENCE_SEQUENCE
    assert found.breached


def test_rare_events_beyond_an_absolute_margin_are_heard() -> None:
    rule = AlarmRule(ABSOLUTE, Direction.DECREASE, 0.01, 2000)
    assert heard(rate_alarm(rate(40, 400), rate(2, 400), rule, share=0.5)).breached
    inside = heard(rate_alarm(rate(40, 40_000), rate(2, 40_000), rule, share=0.5))
    assert inside.log_e_value is not None
    assert inside.log_e_value > 5
    assert not inside.breached
