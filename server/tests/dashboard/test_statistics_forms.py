"""The statistics that a plan says survive the wizard's forms, and are asked as the plan has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW

from equipoise_server.analysis.reads import KnownMetric, power_plan
from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages import design_forms as forms
from equipoise_server.dashboard.pages.design_forms import WizardStep
from equipoise_server.dashboard.pages.plan_step import ANY_TIME, OPEN, look_options
from equipoise_server.dashboard.pages.power import power_panel, power_question
from equipoise_server.experiments.values import (
    Arm,
    BreachAction,
    Design,
    Looks,
    MetricRole,
    PlannedMetric,
    Spending,
)
from equipoise_server.foundation.ids import new_id
from equipoise_server.metrics.values import (
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
    Tier,
)

GUARD = PlannedMetric(
    "latency", MetricRole.GUARDRAIL, Margin(MarginKind.RELATIVE, 0.05), BreachAction.STOP, bound=200.0,
    alarm_margin=Margin(MarginKind.RELATIVE, 0.1), baseline=120.0, deviation=40.0,
)  # fmt: skip
DESIGN = Design(
    arms=(Arm("control", "Grey", 1, {}), Arm("treatment", "Green", 1, {})),
    metrics=(
        PlannedMetric("buy", MetricRole.OEC, weight=0.7), PlannedMetric("visit", MetricRole.OEC, weight=0.3),
        PlannedMetric("cart", MetricRole.SECONDARY), GUARD,
    ),
    mde_relative=0.05, baseline=0.1, daily_units=2_000, planned_days=28,
    looks=Looks(4, Spending.HWANG_SHIH_DECANI, -2.0), covariates=("past_spend", "visits"), strata="platform",
    breakdowns=("country",), expected_reduction=0.2, cluster_size=20.0, cluster_correlation=0.05,
)  # fmt: skip


def again(step: WizardStep, design: Design) -> Design:
    found, problems = forms.read_step(step, forms.texts_of(step, "", "", design), design)
    assert problems == []
    return found


@pytest.mark.parametrize("step", [WizardStep.METRICS, WizardStep.PLAN])
def test_a_plan_with_everything_survives_its_form(step: WizardStep) -> None:
    assert again(step, DESIGN) == DESIGN
    assert again(step, replace(DESIGN, looks=None)) == replace(DESIGN, looks=None)


def test_an_open_end_has_no_days_whatever_was_typed() -> None:
    form = forms.texts_of(WizardStep.PLAN, "", "", DESIGN)
    opened = Form({**form.values, "ending": (OPEN,)})
    assert forms.read_step(WizardStep.PLAN, opened, DESIGN)[0].planned_days is None
    any_time = Form({**form.values, "look_count": (ANY_TIME,)})
    assert forms.read_step(WizardStep.PLAN, any_time, DESIGN)[0].looks is None
    assert ("7", "7 times") in look_options("7")


def test_one_metric_decides_alone_without_a_weight() -> None:
    form = Form({"oec": ("buy",), "oec.weight": ("70",), "part.0.key": ("",)})
    (planned,) = forms.read_step(WizardStep.METRICS, form, Design())[0].metrics
    assert planned == PlannedMetric("buy", MetricRole.OEC)
    assert forms.part_count(form) == 1
    several = Form({"oec": ("",), "part.0.key": ("visit",), "part.0.weight": ("30",)})
    assert forms.read_step(WizardStep.METRICS, several, Design())[0].metrics == (
        PlannedMetric("visit", MetricRole.OEC, weight=0.3),
    )


def a_metric(key: str, kind: MetricKind, days: int) -> Metric:
    definition = Definition(kind, Fact(key), window=timedelta(days=days))
    return Metric(
        new_id(), new_id(), new_id(), key, 1, key, "", definition, Direction.INCREASE, Tier.L2, "", "number",
        None, 100,
    )  # fmt: skip


CATALOGUE = {
    "buy": a_metric("buy", MetricKind.CONVERSION, 3), "visit": a_metric("visit", MetricKind.CONVERSION, 7),
    "latency": a_metric("latency", MetricKind.MEAN, 1),
}  # fmt: skip


def test_the_power_panel_asks_what_the_plan_says() -> None:
    asked = power_question(DESIGN, CATALOGUE["buy"], CATALOGUE, {})
    assert (asked.looks, asked.window_days, asked.reduction) == (DESIGN.looks, 7.0, 0.2)
    assert asked.cluster_size is None
    assert [one.baseline for one in asked.guardrails] == [120.0]
    panel = power_panel(DESIGN, power_plan(asked))
    assert "more units than one look at the end" in panel.looking
    assert panel.guardrails[0].says.startswith(("0", "1", "2"))
    assert panel.all_pass
    open_ended = replace(DESIGN, planned_days=None, cluster_type="city")
    clustered = power_question(open_ended, CATALOGUE["buy"], CATALOGUE, {})
    assert (clustered.looks, clustered.cluster_size) == (None, 20.0)
    assert "Reading it at any time" in power_panel(open_ended, power_plan(clustered)).looking
    once = replace(DESIGN, looks=Looks(1))
    assert (
        "fewest units"
        in power_panel(once, power_plan(power_question(once, CATALOGUE["buy"], CATALOGUE, {}))).looking
    )


def test_what_nobody_typed_is_taken_from_the_last_experiment() -> None:
    bare = replace(DESIGN, metrics=(replace(GUARD, baseline=None, deviation=None),))
    known = {"latency": KnownMetric(130.0, 50.0, 900, "Search", NOW)}
    (guardrail,) = power_question(bare, CATALOGUE["buy"], CATALOGUE, known).guardrails
    assert (guardrail.baseline, guardrail.deviation) == (130.0, 50.0)
    (unknown,) = power_panel(
        bare, power_plan(power_question(bare, CATALOGUE["buy"], CATALOGUE, {}))
    ).guardrails
    assert "cannot be told" in unknown.says
