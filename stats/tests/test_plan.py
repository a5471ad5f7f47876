"""Every fault of a plan and its evidence is told at once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judged_experiments import CONVERSION, CRASHES, a_design, evidence, moments

from equipoise_stats import (
    Design,
    DesignError,
    Evidence,
    Margin,
    MarginKind,
    Moments,
    VariantPlan,
    analyse,
    design_problems,
)
from equipoise_stats.plan import check


def problems(design: Design, given: Evidence | None = None) -> tuple[str, ...]:
    with pytest.raises(DesignError) as refused:
        check(design, given)
    return refused.value.problems


def test_a_sound_plan_has_no_problems() -> None:
    assert list(design_problems(a_design())) == []
    check(a_design())


def test_every_fault_of_a_plan_is_told_at_once() -> None:
    crashes = replace(CRASHES, margin=None, alarm_margin=Margin(MarginKind.RELATIVE, 1.5))
    design = Design(
        (VariantPlan("a", 1), VariantPlan("a", float("nan"))),
        "b",
        (crashes, crashes),
        expected_units=0,
        planned_end_reached=False,
        alpha=0.7,
        alarm_alpha=0,
        alarm_units=0,
        power=1,
    )
    told = "\n".join(problems(design))
    for words in (
        "variant 'a' is given 2 times",
        "weight must be 0 or more",
        "control 'b' is not among",
        "metric 'crashes' is given 2 times",
        "exactly one has the role oec, not 0",
        "needs a margin",
        "alarm_margin 1.5",
        "alpha must lie",
        "alarm_alpha must lie",
        "power must lie",
        "expected_units must be",
        "alarm_units must be",
    ):
        assert words in told


def test_arms_without_weight_cannot_carry_an_experiment() -> None:
    design = replace(a_design(), variants=(VariantPlan("control", 0), VariantPlan("x", 0)))
    assert problems(design) == (
        "control 'control' has no weight",
        "variants: at least one treatment needs weight",
    )


def test_a_negative_margin_is_no_margin() -> None:
    wrong = replace(CONVERSION, margin=Margin(MarginKind.ABSOLUTE, -1))
    assert "margin -1" in problems(a_design(wrong))[0]


def test_every_fault_of_the_evidence_is_told_at_once() -> None:
    given = Evidence(
        {"control": -1, "ghost": 3},
        {"control": Moments.empty(("conversion",)), "spirit": moments()},
        float("nan"),
        crossed={"treatment": -2, "shade": 0},
        largest_units={"phantom": {}},
    )
    told = problems(a_design(), given)
    assert len([sentence for sentence in told if "is not a variant" in sentence]) == 4
    assert len([sentence for sentence in told if "lack column" in sentence]) == 4
    assert "counts['control'] is negative" in told
    assert "crossed['treatment'] is negative" in told
    assert any("observed_days" in sentence for sentence in told)


def test_an_analysis_refuses_what_the_check_refuses() -> None:
    with pytest.raises(DesignError, match="alpha"):
        analyse(evidence(moments(), moments()), replace(a_design(), alpha=0))
