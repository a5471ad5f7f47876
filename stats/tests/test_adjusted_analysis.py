"""The report with covariates and strata: narrower, unbiased under ramps, safe where counts are small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from judged_experiments import results

from equipoise_stats import (
    Alarm,
    Design,
    DesignError,
    Direction,
    Evidence,
    GuardrailVerdict,
    Interval,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricResult,
    MetricRole,
    Moments,
    VariantPlan,
    analyse,
)

NAMES = ("spend", "visits", "visits:denominator", "bought", "before", "new")
MEAN = MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC)
RATIO = MetricPlan("visits", MetricKind.RATIO, MetricRole.SECONDARY)
RATE = MetricPlan(
    "bought",
    MetricKind.PROPORTION,
    MetricRole.GUARDRAIL,
    margin=Margin(MarginKind.RELATIVE, 0.05),
)
METRICS = (MEAN, RATIO, RATE)
BEFORE = ("before", "new")


def rows(n: int, effect: float, seed: int, *, rate: float = 0.3, level: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    new = rng.random(n) < 0.3
    before = np.where(new, 0, rng.gamma(4, 1, n))
    spend = 2 + level + before + 3 * new + effect + rng.normal(0, 1, n)
    sessions = 1 + rng.poisson(2 + 0.5 * before)
    visits = 0.5 * sessions + 0.3 * before + effect + rng.normal(0, 1, n)
    bought = rng.random(n) < rate + level / 20
    return np.column_stack((spend, visits, sessions, bought, before, new))


def table(*args: float, **kwargs: float) -> Moments:
    return Moments.from_rows(NAMES, rows(*args, **kwargs))  # type: ignore[arg-type]  # a shorthand


def a_design(*covariates: str, ended: bool = True, metrics: tuple[MetricPlan, ...] = METRICS) -> Design:
    return Design(
        (VariantPlan("control", 1), VariantPlan("treatment", 1)),
        "control",
        tuple(replace(metric, covariates=covariates) for metric in metrics),
        expected_units=8000,
        planned_end_reached=ended,
    )


def evidence(control: Moments, treatment: Moments) -> Evidence:
    held = {"control": control, "treatment": treatment}
    return Evidence({key: arm.n for key, arm in held.items()}, held, observed_days=14)


def in_strata(*parts: tuple[Moments, Moments]) -> Evidence:
    strata = tuple({"control": c, "treatment": t} for c, t in parts)
    whole = [strata[0][key] for key in ("control", "treatment")]
    for stratum in strata[1:]:
        whole = [arm.merge(stratum[key]) for arm, key in zip(whole, stratum, strict=True)]
    return replace(evidence(*whole), strata=strata)


def width(result: MetricResult) -> float:
    assert isinstance(result.effect, Interval)
    return result.effect.upper - result.effect.lower


PLAIN = evidence(table(4000, 0.0, 1), table(4000, 0.1, 2))


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("metric", ["spend", "visits"])
def test_covariates_narrow_every_interval_and_keep_its_centre(metric: str, ended: bool) -> None:
    plain = results(analyse(PLAIN, a_design(ended=ended))).of(metric, "treatment")
    found = results(analyse(PLAIN, a_design(*BEFORE, ended=ended))).of(metric, "treatment")
    assert width(found) < 0.95 * width(plain)
    assert isinstance(found.effect, Interval)
    assert isinstance(found.lift, Interval)
    assert found.lift.excludes_zero is found.effect.excludes_zero
    assert isinstance(plain.effect, Interval)
    assert plain.effect.lower < found.effect.value < plain.effect.upper
    assert found.control_estimate.n == 4000


def test_the_covariance_of_adjusted_arms_reaches_the_guardrail() -> None:
    margin = Margin(MarginKind.RELATIVE, 0.01)
    guarded = (replace(MEAN, role=MetricRole.GUARDRAIL, margin=margin), replace(RATIO, role=MetricRole.OEC))
    plain = results(analyse(PLAIN, a_design(metrics=guarded))).of("spend", "treatment").guardrail
    found = results(analyse(PLAIN, a_design(*BEFORE, metrics=guarded))).of("spend", "treatment").guardrail
    reaches = []
    for guardrail in (plain, found):
        assert guardrail is not None
        assert guardrail.distance is not None
        assert guardrail.lower is not None
        assert guardrail.verdict is GuardrailVerdict.PASS
        reaches.append(guardrail.distance - guardrail.lower)
    assert reaches[1] < 0.6 * reaches[0]


def test_few_events_are_counted_and_not_regressed() -> None:
    rare = evidence(table(4000, 0.0, 1, rate=0.004), table(4000, 0.0, 2, rate=0.004))
    plain, found = (results(analyse(rare, a_design(*c))).of("bought", "treatment") for c in ((), BEFORE))
    assert found.effect == plain.effect
    assert found.guardrail == plain.guardrail


def test_an_arm_without_units_keeps_its_reason() -> None:
    alone = Evidence({"control": 4000, "treatment": 3990}, {"control": table(4000, 0.0, 1)}, 14)
    found = results(analyse(alone, a_design(*BEFORE))).of("spend", "treatment")
    assert found.treatment_estimate.n == 0


RAMP = in_strata(
    (table(9000, 0.0, 3, level=0.0), table(1000, 0.0, 4, level=0.0)),
    (table(5000, 0.0, 5, level=2.0), table(13_000, 0.0, 6, level=2.0)),
)


def test_a_ramp_over_a_better_week_is_no_effect() -> None:
    pooled = replace(RAMP, strata=())
    naive = results(analyse(pooled, a_design())).of("spend", "treatment")
    assert isinstance(naive.effect, Interval)
    assert naive.effect.lower > 0.3
    for covariates in ((), BEFORE):
        found = results(analyse(RAMP, a_design(*covariates))).of("spend", "treatment")
        assert isinstance(found.effect, Interval)
        assert not found.effect.excludes_zero


def test_an_alarm_during_a_ramp_compares_within_its_weeks() -> None:
    fewer = MetricPlan(
        "spend",
        MetricKind.MEAN,
        MetricRole.GUARDRAIL,
        Direction.DECREASE,
        margin=Margin(MarginKind.ABSOLUTE, 0.1),
    )
    metrics = (replace(RATIO, role=MetricRole.OEC), fewer, RATE)
    naive = results(analyse(replace(RAMP, strata=()), a_design(ended=False, metrics=metrics)))
    found = results(analyse(RAMP, a_design(ended=False, metrics=metrics)))
    for result, sounds in ((naive, True), (found, False)):
        alarm = result.of("spend", "treatment").alarm
        assert isinstance(alarm, Alarm)
        assert alarm.breached is sounds
    assert isinstance(found.of("bought", "treatment").alarm, Alarm)


def test_a_week_in_which_an_arm_was_closed_is_left_out() -> None:
    closed = in_strata(
        (table(4000, 0.0, 3), table(4000, 0.0, 4)),
        (table(4000, 0.0, 7), table(4100, 0.0, 8)),
        (table(10, 0.0, 5, level=2.0), table(100, 0.0, 6, level=2.0)),
    )
    found = results(analyse(closed, a_design())).of("spend", "treatment")
    assert found.control_estimate.n == 8000
    assert found.treatment_estimate.n == 8100


def test_a_stratum_where_nothing_varies_leaves_the_metric_undefined() -> None:
    flat = np.full((400, 6), 1.0)
    parts = [Moments.from_rows(NAMES, flat * level) for level in (0.5, 1.0)]
    same = in_strata((parts[0], parts[0]), (parts[1], parts[1]))
    found = results(analyse(same, a_design(metrics=(MEAN,)))).of("spend", "treatment")
    assert not isinstance(found.effect, Interval)


def test_every_fault_of_strata_and_covariates_is_told_at_once() -> None:
    other = Moments.from_rows(("spend",), np.ones((5, 1)))
    broken = replace(PLAIN, strata=({"control": other, "treatment": PLAIN.moments["treatment"]},))
    with pytest.raises(DesignError) as refused:
        analyse(broken, a_design("missing"))
    assert len(refused.value.problems) == 4
