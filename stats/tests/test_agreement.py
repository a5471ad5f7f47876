"""Intervals that say what their families claim, composites as an OEC, and bounds of guardrails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some
from judged_experiments import results

from equipoise_stats import (
    Component,
    Design,
    DesignError,
    Direction,
    Evidence,
    GuardrailVerdict,
    Interval,
    IntervalRule,
    LookPlan,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricResult,
    MetricRole,
    Moments,
    Quantity,
    Results,
    Significance,
    Status,
    Undefined,
    VariantPlan,
    analyse,
    composite_effect,
    dunnett_critical,
    within_bound,
)
from equipoise_stats.estimates import mean_estimate, proportion_estimate

COLUMNS = ("spend", "visits", "rate", "slow", "before")
TREATMENTS = ("a", "b", "c")
PLANS = (
    MetricPlan("spend", MetricKind.MEAN, MetricRole.OEC),
    MetricPlan("visits", MetricKind.MEAN, MetricRole.SECONDARY),
    MetricPlan("rate", MetricKind.PROPORTION, MetricRole.SECONDARY),
    MetricPlan(
        "slow",
        MetricKind.MEAN,
        MetricRole.GUARDRAIL,
        Direction.DECREASE,
        margin=Margin(MarginKind.ABSOLUTE, 0.2),
    ),
)
COMPOSITE = MetricPlan(
    "index",
    MetricKind.COMPOSITE,
    MetricRole.OEC,
    components=(Component(Quantity("spend"), 0.6), Component(Quantity("slow"), -0.4)),
)


def a_design(*, ended: bool = True, looks: LookPlan | None = None, **changes: object) -> Design:
    design = Design(
        tuple(VariantPlan(key, 1) for key in ("control", *TREATMENTS)),
        "control",
        PLANS,
        expected_units=4_000,
        planned_end_reached=ended,
        looks=looks,
        intervals=IntervalRule.AGREEING,
    )
    return replace(design, **changes)  # type: ignore[arg-type]  # a shorthand


def arm(n: int, seed: int, shift: float, rate: float = 0.2) -> Moments:
    rng = np.random.default_rng(seed)
    before = rng.gamma(4, 0.5, n)
    columns = (
        2 + before + shift + rng.normal(0, 1, n),
        5 + shift + rng.normal(0, 2, n),
        rng.random(n) < rate,
        4 + rng.normal(0, 1, n),
        before,
    )
    return Moments.from_rows(COLUMNS, np.column_stack(columns))


def evidence(shifts: tuple[float, ...], n: int = 900, seed: int = 7, rate: float = 0.2) -> Evidence:
    shifted = zip(("control", *TREATMENTS), (0.0, *shifts), strict=True)
    moments = {key: arm(n, seed + at, shift, rate) for at, (key, shift) in enumerate(shifted)}
    return Evidence({key: held.n for key, held in moments.items()}, moments, 14)


def claimed(row: MetricResult) -> bool:
    return row.significance in {Significance.BETTER, Significance.WORSE}


def effect(row: MetricResult) -> Interval:
    assert isinstance(row.effect, Interval)
    return row.effect


METHODS = {
    "fixed": a_design(),
    "sequence": a_design(ended=False),
    "looks": a_design(ended=False, looks=LookPlan()),
    "last look": a_design(looks=LookPlan()),
}


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=15, deadline=None)
@example(shifts=(0.3125, 0.0, -0.25), seed=1904)
@given(shifts=some.tuples(*[some.floats(-0.35, 0.35)] * 3), seed=some.integers(0, 10**6))
def test_an_interval_leaves_out_zero_exactly_when_its_family_claims_so(
    method: str, shifts: tuple[float, ...], seed: int
) -> None:
    found = results(analyse(evidence(shifts, seed=seed), METHODS[method]))
    opened = {row.treatment for row in found.metrics if row.role is MetricRole.OEC and claimed(row)}
    for row in found.metrics:
        if row.role is MetricRole.OEC:
            assert effect(row).excludes_zero is claimed(row)
        if row.role is MetricRole.SECONDARY and row.treatment in opened and claimed(row):
            assert effect(row).excludes_zero
        if row.significance is Significance.NOT_SIGNIFICANT:
            assert not effect(row).excludes_zero
        if row.guardrail is not None:
            assert (effect(row).upper < 0.2) is (row.guardrail.verdict is GuardrailVerdict.PASS)


def test_simultaneous_intervals_of_the_oec_are_those_of_dunnett() -> None:
    found = results(analyse(evidence((0.1, 0.2, 0.0)), a_design()))
    each = results(analyse(evidence((0.1, 0.2, 0.0)), a_design(intervals=IntervalRule.EACH)))
    row, plain = found.of("spend", "a"), each.of("spend", "a")
    width = (effect(row).upper - effect(row).lower) / (effect(plain).upper - effect(plain).lower)
    assert width == pytest.approx(dunnett_critical([0.5] * 3) / 1.96, rel=0.01)
    assert effect(row).confidence == pytest.approx(0.9807, abs=0.001)
    assert row.p_value == plain.p_value
    assert row.adjusted_p_value is not None
    assert row.p_value is not None
    assert row.p_value < row.adjusted_p_value < 3 * row.p_value


def test_sequential_treatments_share_alpha_equally() -> None:
    found = results(analyse(evidence((0.1, 0.2, 0.0)), a_design(ended=False)))
    row = found.of("spend", "b")
    assert effect(row).confidence == pytest.approx(1 - 0.05 / 3)
    assert row.adjusted_p_value == pytest.approx(min(1.0, 3 * (row.p_value or 0.0)))


def test_claimed_secondaries_hold_the_false_coverage_rate() -> None:
    found = results(analyse(evidence((0.5, 0.0, 0.0)), a_design()))
    rows = [row for row in found.metrics if row.role is MetricRole.SECONDARY]
    several = sum(claimed(row) for row in rows)
    assert several == 1
    assert {round(effect(row).confidence, 6) for row in rows} == {round(1 - 0.05 / 6, 6)}


def test_one_treatment_and_one_metric_keep_the_plans_own_level() -> None:
    design = a_design(metrics=PLANS[:1], variants=(VariantPlan("control", 1), VariantPlan("a", 1)))
    moments = {key: held for key, held in evidence((0.1, 0, 0)).moments.items() if key in {"control", "a"}}
    counts = {key: held.n for key, held in moments.items()}
    row = results(analyse(Evidence(counts, moments, 14), design)).of("spend", "a")
    assert effect(row).confidence == 0.95


def test_without_a_treatments_number_the_family_shares_alpha_equally() -> None:
    held = evidence((0.1, 0.2, 0.0))
    moments = {**held.moments, "c": Moments.empty(COLUMNS)}
    counts = {**held.counts, "c": 900}
    found = results(analyse(replace(held, moments=moments, counts=counts), a_design()))
    assert found.of("spend", "c").status is Status.NO_UNITS
    assert effect(found.of("spend", "a")).confidence == pytest.approx(1 - 0.05 / 3)


def test_adjusted_treatments_keep_dunnetts_level_and_tell_what_was_gained() -> None:
    plans = tuple(replace(plan, covariates=("before",)) for plan in PLANS[:1])
    found = results(analyse(evidence((0.1, 0.2, 0.0)), a_design(metrics=plans)))
    row = found.of("spend", "a")
    assert effect(row).confidence == pytest.approx(0.9807, abs=0.001)
    assert row.variance_reduction == pytest.approx(0.5, abs=0.05)
    plain = results(analyse(evidence((0.1, 0.2, 0.0)), a_design(metrics=PLANS[:1])))
    assert plain.of("spend", "a").variance_reduction is None


def test_rates_with_few_events_agree_with_their_claims_too() -> None:
    plans = (replace(PLANS[2], role=MetricRole.OEC), PLANS[3])
    found = results(analyse(evidence((0, 0, 0), rate=0.01), a_design(metrics=plans)))
    assert all(effect(row).excludes_zero is claimed(row) for row in found.metrics[:3])
    nothing = results(analyse(evidence((0, 0, 0), rate=0.0), a_design(metrics=plans)))
    assert {row.adjusted_p_value for row in nothing.metrics[:3]} <= {None, 1.0}


def test_a_lift_without_a_control_stays_undefined_at_every_level() -> None:
    def flat(mean: float, seed: int) -> Moments:
        noise = np.random.default_rng(seed).normal(0, 1, 900)
        noise -= noise.mean()
        return Moments.from_rows(("spend",), (noise + mean)[:, None])

    keys = ("control", *TREATMENTS)
    exact = Moments(("spend",), 900, np.zeros(1), np.full((1, 1), 900.0))
    for control, reason in ((exact, Status.ZERO_CONTROL), (flat(-1.0, 1), Status.NEGATIVE_CONTROL)):
        moments = dict(zip(keys, (control, *(flat(0.1, at) for at in (2, 3, 4))), strict=True))
        found = results(analyse(Evidence(dict.fromkeys(keys, 900), moments, 14), a_design(metrics=PLANS[:1])))
        assert found.of("spend", "a").lift == Undefined(reason)


def test_a_composite_decides_with_the_covariance_of_its_parts() -> None:
    held = evidence((0.3, 0.0, 0.0))
    design = a_design(metrics=(COMPOSITE, replace(PLANS[0], role=MetricRole.DIAGNOSTIC)))
    row = results(analyse(held, replace(design, intervals=IntervalRule.EACH))).of("index", "a")
    treatment, control = held.moments["a"], held.moments["control"]
    expected = composite_effect(treatment, control, COMPOSITE.components, critical=1.0)
    assert not isinstance(expected, Undefined)
    assert effect(row).value == pytest.approx(expected.effect.value, rel=1e-12)
    half = (effect(row).upper - effect(row).lower) / 2
    assert half / expected.standard_error == pytest.approx(1.961, abs=0.001)
    assert row.lift == row.effect
    assert row.mde_reached is not None
    assert row.mde_reached.lift == row.mde_reached.effect
    assert row.significance is Significance.BETTER
    simultaneous = results(analyse(held, design)).of("index", "a")
    assert simultaneous.lift == simultaneous.effect
    assert effect(simultaneous).lower < effect(row).lower


def test_a_composite_without_a_scale_or_spread_says_why() -> None:
    held = evidence((0.3, 0.0, 0.0))
    zero = Moments(COLUMNS, 900, np.zeros(5), np.eye(5))
    design = a_design(metrics=(COMPOSITE,))
    found = results(analyse(replace(held, moments={**held.moments, "control": zero}), design))
    assert found.of("index", "a").status is Status.ZERO_CONTROL
    few = {key: arm for key, arm in held.moments.items() if key != "a"}
    gone = results(analyse(replace(held, moments=few), design))
    assert gone.of("index", "a").status is Status.NO_UNITS
    same = (Component(Quantity("spend"), 1.0), Component(Quantity("twin"), -1.0))
    rows = np.random.default_rng(1).gamma(2, 1, 900)
    twin = Moments.from_rows(("spend", "twin"), np.column_stack((rows, rows)))
    flat = a_design(metrics=(replace(COMPOSITE, components=same),))
    keys = ("control", *TREATMENTS)
    constant = results(analyse(Evidence(dict.fromkeys(keys, 900), dict.fromkeys(keys, twin), 14), flat))
    assert constant.of("index", "a").status is Status.ZERO_VARIANCE


def test_a_composite_beside_adjusted_metrics_stays_as_it_is() -> None:
    before = replace(PLANS[1], covariates=("before",))
    both = results(analyse(evidence((0.3, 0, 0)), a_design(metrics=(COMPOSITE, before))))
    alone = results(analyse(evidence((0.3, 0, 0)), a_design(metrics=(COMPOSITE,))))
    assert both.of("index", "a") == alone.of("index", "a")


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (replace(COMPOSITE, components=()), "needs components"),
        (replace(COMPOSITE, components=COMPOSITE.components * 2), "only once"),
        (replace(COMPOSITE, components=(Component(Quantity("spend"), 0.0),)), "finite and not 0"),
        (replace(COMPOSITE, covariates=("before",)), "takes no covariates"),
        (replace(PLANS[0], components=COMPOSITE.components), "only a composite"),
        (replace(PLANS[0], bound=float("nan")), "bound must be a number"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: MetricPlan, told: str) -> None:
    with pytest.raises(DesignError, match=told):
        analyse(evidence((0, 0, 0)), a_design(metrics=(plan,)))


def test_harm_cannot_be_bought_with_gain() -> None:
    guard = replace(COMPOSITE, role=MetricRole.GUARDRAIL, margin=Margin(MarginKind.ABSOLUTE, 0.1))
    with pytest.raises(DesignError, match="harm cannot be bought"):
        analyse(evidence((0, 0, 0)), a_design(metrics=(PLANS[0], guard)))


def slow(found: Results) -> MetricResult:
    return found.of("slow", "a")


@pytest.mark.parametrize(
    ("bound", "judged", "together"),
    [
        (4.5, GuardrailVerdict.PASS, GuardrailVerdict.PASS),
        (4.0, GuardrailVerdict.INCONCLUSIVE, GuardrailVerdict.INCONCLUSIVE),
        (3.5, GuardrailVerdict.FAIL, GuardrailVerdict.FAIL),
    ],
)
def test_a_bound_on_the_treatment_is_judged_beside_the_margin(
    bound: float, judged: GuardrailVerdict, together: GuardrailVerdict
) -> None:
    plans = (PLANS[0], replace(PLANS[3], bound=bound))
    guardrail = slow(results(analyse(evidence((0, 0, 0)), a_design(metrics=plans)))).guardrail
    assert guardrail is not None
    assert guardrail.bounded is not None
    assert (guardrail.bounded.verdict, guardrail.verdict) == (judged, together)


def test_before_there_is_enough_nothing_is_said_of_a_bound() -> None:
    plans = (PLANS[0], replace(PLANS[3], bound=4.5))
    found = results(analyse(evidence((0, 0, 0), n=60), a_design(ended=False, metrics=plans)))
    guardrail = slow(found).guardrail
    assert guardrail is not None
    assert guardrail.bounded is not None
    assert guardrail.bounded.verdict is GuardrailVerdict.INCONCLUSIVE
    assert guardrail.bounded.reason is Status.TOO_EARLY


def test_a_rate_without_an_event_can_be_shown_to_be_below_a_bound() -> None:
    none = Moments.from_rows(("crash",), np.zeros((2_000, 1)))
    rate = proportion_estimate(none, "crash")
    clear = within_bound(rate, 0.01, direction=Direction.DECREASE, critical=1.645, is_rate=True)
    assert clear.verdict is GuardrailVerdict.PASS
    assert clear.upper == pytest.approx(0.00135, abs=1e-4)
    unknown = within_bound(mean_estimate(none, "crash"), 0.01, direction=Direction.DECREASE, critical=1.645)
    assert unknown.reason is Status.ZERO_VARIANCE
    high = Moments.from_rows(("up",), np.random.default_rng(1).normal(10, 1, (400, 1)))
    kept = within_bound(mean_estimate(high, "up"), 9.0, direction=Direction.INCREASE, critical=1.645)
    assert kept.verdict is GuardrailVerdict.PASS


def test_where_an_arm_has_no_event_the_family_shares_alpha_equally() -> None:
    plans = (replace(PLANS[2], role=MetricRole.OEC),)
    held = evidence((0, 0, 0), rate=0.01)
    none = Moments.from_rows(COLUMNS, np.column_stack([*np.random.default_rng(3).normal(5, 1, (2, 900)),
                                                       np.zeros(900), *np.ones((2, 900))]))  # fmt: skip
    found = results(analyse(replace(held, moments={**held.moments, "a": none}), a_design(metrics=plans)))
    rows = [found.of("rate", treatment) for treatment in TREATMENTS]
    assert all(effect(row).confidence == pytest.approx(1 - 0.05 / 3) for row in rows)
    assert all(effect(row).excludes_zero is claimed(row) for row in rows)
