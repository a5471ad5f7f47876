"""Quantiles in an analysis: judged once, at the end, by bounds of ranks on either side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import judged_experiments
import numpy as np
import pytest

from equipoise_stats import (
    Design,
    DesignError,
    Direction,
    Evidence,
    GuardrailVerdict,
    InputError,
    Interval,
    LookPlan,
    Margin,
    MarginKind,
    MetricKind,
    MetricPlan,
    MetricRole,
    Moments,
    RankedArm,
    Results,
    Significance,
    Status,
    TwoQuantiles,
    Undefined,
    VariantPlan,
    analyse,
    design_problems,
    event_quantile_of,
    exceedance,
    from_document,
    quantile_difference,
    to_document,
    unit_quantile,
)

P95 = 0.95
SLOW = MetricPlan("slow", MetricKind.QUANTILE, MetricRole.OEC, Direction.DECREASE, quantile=P95)
GUARD = replace(
    SLOW, key="guard", role=MetricRole.GUARDRAIL, margin=Margin(MarginKind.RELATIVE, 0.1), bound=300.0
)
BUYS = MetricPlan("buys", MetricKind.PROPORTION, MetricRole.SECONDARY)
DESIGN = Design(
    (VariantPlan("control", 1), VariantPlan("new", 1)),
    "control",
    (SLOW, BUYS),
    expected_units=4_000,
    planned_end_reached=True,
)


def latencies(factor: float, *, seed: int, users: int = 1_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(users), 1 + rng.poisson(9, users))
    return factor * np.exp(4 + rng.normal(0, 0.4, users)[of] + rng.normal(0, 0.3, len(of))), of


def an_arm(factor: float, *, seed: int, users: int = 1_000) -> RankedArm:
    values, of = latencies(factor, seed=seed, users=users)
    ordered = np.sort(values)
    threshold = ordered[int(np.ceil(len(values) * P95 - 1e-9)) - 1]
    beyond = exceedance(values, of, threshold=float(threshold))
    return RankedArm(tuple(ordered.tolist()), (1,) * len(ordered), beyond=beyond)


def results(given: Evidence, design: Design) -> Results:
    return judged_experiments.results(analyse(given, design))


def of_units(values: np.ndarray) -> RankedArm:
    found, counts = np.unique(values, return_counts=True)
    return RankedArm(tuple(found.tolist()), tuple(counts.tolist()))


def evidence(arms: Mapping[str, RankedArm], *, metrics: tuple[str, ...] = ("slow",)) -> Evidence:
    buys = Moments.from_rows(("buys",), (np.arange(1_000) % 10 == 0)[:, None])
    return Evidence(
        counts={"control": 1_000, "new": 1_000},
        moments={"control": buys, "new": buys},
        observed_days=14,
        quantiles={arm: dict.fromkeys(metrics, held) for arm, held in arms.items()},
    )


def two(faster: float = 0.8) -> dict[str, RankedArm]:
    return {"control": an_arm(1.0, seed=1), "new": an_arm(faster, seed=2)}


def test_at_the_end_a_faster_tail_is_found_by_the_librarys_own_bounds() -> None:
    arms = two()
    found = results(evidence(arms), DESIGN).of("slow", "new")
    plain = [event_quantile_of(*latencies(factor, seed=seed), P95) for factor, seed in ((0.8, 2), (1.0, 1))]
    assert found.effect == quantile_difference(*plain)
    assert isinstance(found.lift, Interval)
    assert found.lift.lower < -0.2 < found.lift.upper < 0
    assert found.p_value is not None
    assert found.p_value < 0.001
    assert found.significance is Significance.BETTER


def test_nothing_is_said_of_a_quantile_before_the_end() -> None:
    early = replace(DESIGN, planned_end_reached=False)
    for design in (early, replace(early, looks=LookPlan(), planned_days=14)):
        whole = replace(evidence(two()), observed_days=7)
        found = results(whole, replace(design, metrics=(SLOW, BUYS), expected_units=9_000)).of("slow", "new")
        assert found.status is Status.NOT_AT_THE_END
        assert found.treatment_estimate.value is not None
        assert isinstance(found.effect, Undefined)
        assert found.look is None


def test_the_last_of_planned_looks_judges_with_all_of_alpha() -> None:
    design = replace(DESIGN, looks=LookPlan(), planned_days=14, expected_units=2_000)
    found = results(evidence(two()), design).of("slow", "new")
    assert found.look is not None
    assert found.look.is_last
    assert found.look.critical == pytest.approx(1.96, abs=0.01)
    assert found.significance is Significance.BETTER


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.8, GuardrailVerdict.PASS), (1.0, GuardrailVerdict.INCONCLUSIVE), (1.6, GuardrailVerdict.FAIL)],
)
def test_a_tail_is_a_guardrail_by_non_inferiority(factor: float, verdict: GuardrailVerdict) -> None:
    bought = replace(BUYS, role=MetricRole.OEC)
    narrow = replace(GUARD, margin=Margin(MarginKind.RELATIVE, 0.02), bound=None)
    design = replace(DESIGN, metrics=(bought, narrow))
    found = results(evidence(two(factor), metrics=("guard",)), design).of("guard", "new")
    assert found.guardrail is not None
    assert found.guardrail.verdict is verdict
    assert found.alarm == Undefined(Status.NOT_AT_THE_END)


def test_a_bound_is_held_against_the_tails_own_ranks() -> None:
    bought = replace(BUYS, role=MetricRole.OEC)
    arms = two(0.8)
    for bound, verdict in ((300.0, GuardrailVerdict.PASS), (50.0, GuardrailVerdict.FAIL)):
        design = replace(DESIGN, metrics=(bought, replace(GUARD, bound=bound)))
        found = results(evidence(arms, metrics=("guard",)), design).of("guard", "new")
        assert found.guardrail is not None
        assert found.guardrail.bounded is not None
        assert found.guardrail.bounded.verdict is verdict
        assert (found.guardrail.bounded.lower, found.guardrail.bounded.upper) == arms["new"].bounds(
            P95, 1.6448536269514722
        )


def test_quantiles_of_units_take_exact_ranks() -> None:
    rng = np.random.default_rng(4)
    values = {"control": rng.lognormal(3, 1, 900), "new": rng.lognormal(3.5, 1, 900)}
    arms = {key: of_units(one) for key, one in values.items()}
    pair = TwoQuantiles(0.5, arms["new"], arms["control"])
    plain = [unit_quantile(arms[key].histogram, 0.5) for key in ("new", "control")]
    assert pair.difference() == quantile_difference(*plain)
    assert pair.p_value() < 0.001
    touched = pair.difference(pair.p_value() * 1.02)
    assert touched.lower > 0


def test_a_bin_lends_its_width_to_the_bounds() -> None:
    exact = RankedArm((90.0, 100.0, 110.0), (300, 400, 300))
    binned = replace(exact, width=1.001)
    assert exact.bounds(0.5, 1.0) == (100.0, 100.0)
    assert binned.bounds(0.5, 1.0) == pytest.approx((100 / 1.001**0.5, 100 * 1.001**0.5))
    assert exact.estimate(0.5).status is Status.ZERO_VARIANCE
    assert binned.estimate(0.5).status is Status.OK
    below = RankedArm((-110.0, -100.0, -90.0), (300, 400, 300), width=1.001)
    assert below.bounds(0.5, 1.0) == pytest.approx((-100 * 1.001**0.5, -100 / 1.001**0.5))


def test_the_same_arms_differ_by_nothing() -> None:
    arm = an_arm(1.0, seed=1)
    pair = TwoQuantiles(P95, arm, arm)
    assert pair.effect == 0
    assert pair.p_value() == 1.0


def test_arms_far_apart_have_the_smallest_p_value() -> None:
    near, far = (RankedArm((base, base + 1), (500, 500), width=1.0) for base in (1.0, 1e6))
    assert 0 < TwoQuantiles(0.5, far, near).p_value() < 1e-12


@pytest.mark.parametrize(
    ("base", "reason"),
    [(0.0, Status.ZERO_CONTROL), (-50.0, Status.NEGATIVE_CONTROL), (0.4, Status.NOISY_CONTROL)],
)
def test_no_lift_over_a_tail_that_is_not_above_zero(base: float, reason: Status) -> None:
    control = RankedArm((base - 1, base, base + 1), (495, 10, 495))
    treatment = RankedArm((8.0, 9.0, 10.0), (300, 400, 300))
    assert TwoQuantiles(0.5, treatment, control).lift() == Undefined(reason)


def test_ranks_past_the_last_value_have_no_end() -> None:
    arm = an_arm(1.0, seed=1)
    low, high = arm.bounds(P95, 30.0)
    assert low < high == np.inf
    assert arm.bounds(P95, 2_000.0) == (-np.inf, np.inf)
    few = RankedArm((1.0, 2.0), (2, 2))
    assert few.bounds(0.5, 1.96) == (-np.inf, np.inf)


def test_an_arm_without_values_says_so() -> None:
    found = results(evidence({"control": an_arm(1.0, seed=1)}), DESIGN).of("slow", "new")
    assert found.status is Status.NO_UNITS
    few = {"control": an_arm(1.0, seed=1), "new": an_arm(1.0, seed=2, users=60)}
    found = results(evidence(few), DESIGN).of("slow", "new")
    assert found.status is Status.TOO_FEW_UNITS


def test_a_plan_names_every_fault_of_a_quantile() -> None:
    wrong = (
        replace(SLOW, quantile=None, covariates=("before",)),
        replace(BUYS, quantile=0.5),
        replace(GUARD, quantile=95.0),
    )
    told = [*design_problems(replace(DESIGN, metrics=wrong))]
    assert len(told) == 4
    assert [one.split(":")[0] for one in told] == [
        "metric 'slow'", "metric 'slow'", "metric 'buys'", "metric 'guard'",
    ]  # fmt: skip
    strange = evidence({**two(), "other": an_arm(1.0, seed=3)})
    with pytest.raises(DesignError, match="quantiles: 'other' is not a variant of the plan"):
        analyse(strange, DESIGN)


def test_an_arm_names_every_fault() -> None:
    with pytest.raises(InputError, match="values must ascend"):
        RankedArm((2.0, 1.0), (1, 1))
    with pytest.raises(InputError, match=r"width must be 1 or more.*beyond lacks"):
        RankedArm((1.0,), (1,), width=0.5, beyond=Moments.empty(("events",)))


def test_ranked_arms_leave_as_json_and_come_back() -> None:
    given = evidence(two())
    read, design = from_document(to_document(given, DESIGN))
    assert analyse(read, design) == analyse(given, DESIGN)
    assert read.quantiles["new"]["slow"].values == given.quantiles["new"]["slow"].values


def test_a_tail_in_the_largest_units_is_no_share_of_a_total() -> None:
    given = replace(evidence(two()), largest_units={"new": {"slow": 1e9, "buys": 1.0}})
    assert results(given, DESIGN).of("slow", "new").status is Status.OK
