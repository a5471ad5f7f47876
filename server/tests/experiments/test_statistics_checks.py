"""What a plan says of its judging is checked before the launch, every fault by its field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from scenes import a_design

from equipoise_server.experiments.design_checks import DesignFacts, guardrail_faults
from equipoise_server.experiments.statistics_checks import (
    looks_advice,
    looks_faults,
    measures_faults,
    oec_faults,
    window_faults,
)
from equipoise_server.experiments.timing_values import Switchback
from equipoise_server.experiments.values import Design, Looks, MetricRole, PlannedMetric
from equipoise_server.foundation.ids import new_id
from equipoise_server.metrics.values import (
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Through,
    Tier,
    Touch,
)

PURCHASE = Metric(
    new_id(), new_id(), new_id(), "purchase", 1, "Purchase", "",
    Definition(MetricKind.CONVERSION, Fact("buy")),
    Direction.INCREASE, Tier.L2, "", "percent", None, 100,
)  # fmt: skip


def fields(design: Design) -> list[str]:
    facts = DesignFacts(design, {"purchase": PURCHASE})
    found = (*oec_faults(facts), *looks_faults(facts), *measures_faults(facts))
    assert all(problem.message.endswith(".") for problem in found)
    return [problem.field for problem in found]


def weighed(*weights: float | None) -> tuple[PlannedMetric, ...]:
    return tuple(
        PlannedMetric(f"m{place}", MetricRole.OEC, weight=weight) for place, weight in enumerate(weights)
    )


def test_a_sound_plan_has_no_fault() -> None:
    assert fields(a_design()) == []
    assert fields(a_design(metrics=weighed(70, 30))) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"metrics": ()}, ["metrics"]),
        ({"metrics": weighed(1, None)}, ["metrics.1.weight"]),
        ({"metrics": weighed(-1, float("nan"))}, ["metrics.0.weight", "metrics.1.weight"]),
        ({"looks": Looks(0)}, ["looks.count"]),
        ({"looks": Looks(101)}, ["looks.count"]),
        ({"looks": Looks(gamma=99.0)}, ["looks.gamma"]),
        ({"planned_days": 7}, ["planned_days"]),
        ({"covariates": ("",)}, ["covariates"]),
        ({"breakdowns": tuple(map(str, range(21)))}, ["breakdowns"]),
        ({"expected_reduction": 1.0}, ["expected_reduction"]),
        ({"cluster_size": 0.5}, ["cluster_size"]),
        ({"cluster_correlation": 1.5}, ["cluster_correlation"]),
    ],
)
def test_each_fault_names_its_field(changes: dict[str, object], found: list[str]) -> None:
    assert fields(a_design(**changes)) == found


CLICK = Touch(Through.CLICK, Fact("banner_clicked"), timedelta(days=1))


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (Definition(MetricKind.COUNT, Fact("buy")), ""),
        (Definition(MetricKind.COUNT, Fact("buy"), touches=(CLICK,)), "follows clicks or views"),
        (Definition(MetricKind.UNIQUE, Fact("buy", property="sku")), "is of the kind unique"),
        (Definition(MetricKind.RETENTION, Fact("visit")), "is of the kind retention"),
    ],
)
def test_a_window_of_a_region_has_no_metrics_of_single_units(definition: Definition, told: str) -> None:
    metric = replace(PURCHASE, definition=definition)
    design = a_design(switchback=Switchback(("berlin", "paris")))
    problems = list(window_faults(DesignFacts(design, {"purchase": metric})))
    assert [problem.field for problem in problems] == ["metrics.0.key"] * bool(told)
    assert all(told in problem.message for problem in problems)
    assert not list(window_faults(DesignFacts(a_design(), {"purchase": metric})))


def test_bounds_and_alarms_are_numbers() -> None:
    oec, guard = a_design().metrics
    for changed, field in (
        ({"bound": float("inf")}, "metrics.1.bound"),
        ({"alarm_margin": Margin(MarginKind.RELATIVE, 1.5)}, "metrics.1.alarm_margin"),
        ({"alarm_margin": Margin(MarginKind.ABSOLUTE, 0.0)}, "metrics.1.alarm_margin"),
    ):
        assert fields(a_design(metrics=(oec, replace(guard, **changed)))) == [field]  # type: ignore[arg-type]


def test_a_run_that_hardly_outlasts_its_window_is_advised_against() -> None:
    assert "come too late" in looks_advice(DesignFacts(a_design(planned_days=10), {"purchase": PURCHASE}))
    assert looks_advice(DesignFacts(a_design(planned_days=28), {"purchase": PURCHASE})) == ""
    assert looks_advice(DesignFacts(a_design(looks=None), {"purchase": PURCHASE})) == ""


def test_an_absence_that_decides_needs_a_guardrail_for_less_use_wins_it_too() -> None:
    alone = Definition(MetricKind.ABSENCE, Fact("search"), answer=Fact("ticket"), within=timedelta(days=1))
    facts = {"quiet": replace(PURCHASE, key="quiet", definition=alone), "purchase": PURCHASE}
    deciding = PlannedMetric("quiet", MetricRole.OEC)
    guard = PlannedMetric("purchase", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.02))
    (problem,) = guardrail_faults(DesignFacts(a_design(metrics=(deciding,)), facts))
    assert (problem.field, "add a guardrail" in problem.message) == ("metrics", True)
    for metrics in ((deciding, guard), (replace(deciding, role=MetricRole.SECONDARY),)):
        assert list(guardrail_faults(DesignFacts(a_design(metrics=metrics), facts))) == []
