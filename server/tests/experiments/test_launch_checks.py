"""What must hold before a launch: each condition fails alone, and all are listed at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_metric,
    a_running_experiment,
    a_shop,
    environment_of,
    launched,
    updated,
)

from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import (
    Arm,
    Check,
    Design,
    GateStep,
    MetricRole,
    PlannedMetric,
    Switchback,
)
from equipoise_server.flags.actions import (
    ArchiveFlag,
    KillEnvironment,
    KillFlag,
    archive_flag,
    kill_environment,
    kill_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import Prerequisite
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.metrics.actions import archive_metric
from equipoise_server.metrics.reads import metric_by_key
from equipoise_server.metrics.values import Aggregate, Definition, Fact, Margin, MarginKind, MetricKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def checks(shop: Shop, design: Design, key: str = "checkout-button") -> dict[str, Check]:
    draft = a_draft_experiment(shop, key, design, flag="checkout-button")
    return {check.key: check for check in reads.launch_checks(draft, environment_of(shop), NOW)}


def failing(shop: Shop, design: Design) -> dict[str, str]:
    return {key: check.field for key, check in checks(shop, design).items() if not check.passed}


def test_a_fault_of_several_arms_is_said_once(shop: Shop) -> None:
    twice = tuple(replace(arm, weight=0) for arm in a_design().arms)
    check = checks(shop, replace(a_design(), arms=twice))["weights"]
    assert check.message == "A variant's weight is a whole number above 0."


def test_a_sound_design_passes_every_check(shop: Shop) -> None:
    outcome = checks(shop, a_design())
    assert [key for key, check in outcome.items() if not check.passed] == []
    assert all(check.message == "" for check in outcome.values())


def arms(**changes: Any) -> tuple[Arm, ...]:
    control, treatment = a_design().arms
    return (control, replace(treatment, **changes))


ABROAD = {"attribute": "country", "operator": "in", "values": ["FR"]}
OEC, GUARDRAIL = a_design().metrics
BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("hypothesis", "hypothesis", {"hypothesis": "   green wins       "}),
    ("arms", "arms", {"arms": a_design().arms[:1]}),
    ("control", "control", {"control": "grey"}),
    ("arm_keys", "arms.1.key", {"arms": arms(key="Green!")}),
    ("arm_keys", "arms.1.key", {"arms": arms(key="override")}),
    ("arm_keys", "arms", {"arms": (*a_design().arms, a_design().arms[1])}),
    ("weights", "arms.1.weight", {"arms": arms(weight=0)}),
    ("weights", "arms", {"arms": arms(weight=2**20)}),
    ("flags", "arms", {"arms": tuple(replace(arm, values={}) for arm in a_design().arms)}),
    ("flags", "arms.1.values.checkout-button", {"arms": arms(values={"checkout-button": "red"})}),
    ("flags", "arms.1.values.checkout-button", {"arms": arms(values={})}),
    ("flags", "arms", {"arms": a_design("unheard-of").arms}),
    ("unit_type", "unit_type", {"unit_type": "household"}),
    ("eligibility", "eligibility.operator", {"eligibility": {**ABROAD, "operator": "like"}}),
    ("eligibility", "eligibility.segment", {"eligibility": {"segment": "nobody"}}),
    ("audience", "audience_parts_per_million", {"audience_parts_per_million": 0}),
    ("audience", "audience_parts_per_million", {"audience_parts_per_million": 1_000_001}),
    ("layer", "slot_share", {"slot_share": 0.0}),
    ("layer", "slot_share", {"slot_share": 1.5}),
    ("layer", "layer", {"layer": "Not a key"}),
    ("oec", "metrics", {"metrics": (GUARDRAIL,)}),
    ("metrics", "metrics.1.key", {"metrics": (OEC, PlannedMetric("fame", MetricRole.SECONDARY))}),
    ("metrics", "metrics", {"metrics": (OEC, replace(OEC, role=MetricRole.SECONDARY))}),
    (
        "guardrails", "metrics.1.margin",
        {"metrics": (OEC, replace(GUARDRAIL, margin=Margin(MarginKind.RELATIVE, 1.0)))},
    ),
    (
        "guardrails", "metrics.1.margin",
        {"metrics": (OEC, replace(GUARDRAIL, margin=Margin(MarginKind.ABSOLUTE, 0.0)))},
    ),
    ("alpha", "alpha", {"alpha": 0.0}),
    ("alpha", "alpha", {"alpha": 0.21}),
    ("mde", "mde_relative", {"mde_relative": None}),
    ("mde", "mde_relative", {"mde_relative": -0.1}),
    ("power", "planned_days", {"planned_days": 6}),
    ("power", "baseline", {"baseline": None}),
    ("power", "baseline", {"baseline": 0.0}),
    ("power", "baseline", {"baseline": 1.0}),
    ("power", "daily_units", {"daily_units": None}),
    ("power", "power", {"power": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("check", "field", "changes"), BROKEN)
def test_each_fault_of_a_design_fails_its_own_check_alone(
    shop: Shop, check: str, field: str, changes: dict[str, Any]
) -> None:
    assert failing(shop, a_design(**changes)) == {check: field}


def test_a_guardrail_without_any_margin_fails(shop: Shop) -> None:
    a_metric(shop, "returns")
    plan = a_design(metrics=(OEC, PlannedMetric("returns", MetricRole.GUARDRAIL)))
    assert failing(shop, plan) == {"guardrails": "metrics.1.margin"}


def test_an_archived_metric_cannot_be_planned(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    archive_metric(shop.owner, metric_by_key(shop.project.id, "latency").id, now=NOW)
    outcome = reads.launch_checks(draft, environment_of(shop), NOW)
    assert [check.key for check in outcome if not check.passed] == ["metrics"]


def test_an_archived_flag_cannot_be_set(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    flag = a_button_flag(shop, "other")
    archive_flag(shop.owner, ArchiveFlag(flag.id), now=NOW)
    assert failing_of(shop, replace(draft, design=a_design("other"))) == ["flags"]


def test_a_killed_flag_cannot_be_launched_where_it_is_killed(shop: Shop) -> None:
    flag = a_button_flag(shop)
    draft = a_draft_experiment(shop)
    kill_flag(shop.owner, KillFlag(flag.id, environment_of(shop).id), now=NOW)
    assert failing_of(shop, draft) == ["kills"]
    assert failing_of(shop, draft, "development") == []


@pytest.mark.parametrize(("wanted", "failed"), [(("green",), ["kills"]), (("green", "grey"), [])])
def test_a_flag_that_waits_for_a_killed_one_cannot_be_launched(
    shop: Shop, wanted: tuple[str, ...], failed: list[str]
) -> None:
    basket, button = a_button_flag(shop, "basket"), a_button_flag(shop)
    command = replace(updated(button, "production"), prerequisites=(Prerequisite("basket", wanted),))
    update_flag_settings(shop.owner, command, now=NOW)
    draft = a_draft_experiment(shop)
    kill_flag(shop.owner, KillFlag(basket.id, environment_of(shop).id), now=NOW)
    assert failing_of(shop, draft) == failed
    assert failing_of(shop, draft, "development") == []


def test_nothing_launches_in_a_killed_environment(shop: Shop) -> None:
    draft = a_draft_experiment(shop)
    kill_environment(shop.owner, KillEnvironment(environment_of(shop).id), now=NOW)
    assert failing_of(shop, draft) == ["kills"]


def failing_of(shop: Shop, draft: Any, environment: str = "production") -> list[str]:
    outcome = reads.launch_checks(draft, environment_of(shop, environment), NOW)
    return [check.key for check in outcome if not check.passed]


def test_a_second_experiment_on_a_flag_must_share_the_first_ones_layer(shop: Shop) -> None:
    a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.5))
    assert failing_of(shop, a_draft_experiment(shop, "elsewhere", flag="checkout-button")) == ["rivals"]
    beside = a_design(layer="checkout", slot_share=0.5)
    draft = a_draft_experiment(shop, "beside", beside, flag="checkout-button")
    assert failing_of(shop, draft) == []
    assert failing_of(shop, replace(draft, design=replace(beside, slot_share=0.6))) == ["layer"]


def test_a_stopped_experiment_is_no_rival_but_keeps_its_slots(shop: Shop) -> None:
    first = a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.8))
    stop(shop.owner, Stop(first.id), now=NOW)
    assert failing_of(shop, a_draft_experiment(shop, "elsewhere", flag="checkout-button")) == []
    full = a_design(layer="checkout", slot_share=0.8)
    assert failing_of(shop, a_draft_experiment(shop, "beside", full, flag="checkout-button")) == ["layer"]


def test_a_layer_randomises_one_unit_type(shop: Shop) -> None:
    a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.5))
    accounts = a_design("banner", layer="checkout", slot_share=0.5, unit_type="account")
    assert failing_of(shop, a_draft_experiment(shop, "banner", accounts)) == ["unit_type"]


def test_a_mean_needs_its_deviation_for_planning(shop: Shop) -> None:
    a_metric(shop, "revenue", Definition(MetricKind.SUM, Fact("buy", Aggregate.SUM)))
    plan = a_design(metrics=(PlannedMetric("revenue", MetricRole.OEC),), baseline=20.0)
    assert failing(shop, plan) == {"power": "baseline_deviation"}


def test_an_experiment_without_a_planned_end_needs_no_power_inputs(shop: Shop) -> None:
    open_ended = a_design(planned_days=None, baseline=None, daily_units=None)
    outcome = checks(shop, open_ended)
    assert all(check.passed for check in outcome.values())
    assert "planned end" in outcome["power"].advice


def test_a_plan_without_a_guardrail_passes_with_advice(shop: Shop) -> None:
    outcome = checks(shop, a_design(metrics=(OEC,)))["guardrails"]
    assert outcome.passed
    assert "guardrail" in outcome.advice


def test_a_layer_that_does_not_exist_yet_is_named_before_it_is_made(shop: Shop) -> None:
    outcome = checks(shop, a_design(layer="checkuot", slot_share=0.5))["layer"]
    assert outcome.passed
    assert "“checkuot” is new here" in outcome.advice


def test_a_launch_lists_every_fault_at_once_and_changes_nothing(shop: Shop) -> None:
    hopeless = Design(
        unit_type="household", eligibility={"attribute": 1}, arms=(Arm("B!", "", 0, {}),),
        metrics=(PlannedMetric("fame", MetricRole.GUARDRAIL),), alpha=1.0, power=0.0, slot_share=2.0,
        audience_parts_per_million=0, planned_days=1, layer="-", surface="A!", cluster_type="household",
        switchback=Switchback(), ramp=(GateStep(0, 0),),
    )  # fmt: skip
    draft = a_draft_experiment(shop, design=hopeless)
    kill_environment(shop.owner, KillEnvironment(environment_of(shop).id), now=NOW)
    passed = [c.key for c in reads.launch_checks(draft, environment_of(shop), NOW) if c.passed]
    assert passed == [
        "exposures", "traffic", "rivals", "spillover", "windows", "quantiles", "certified", "sources",
        "looks", "measures",
    ]  # fmt: skip
    with pytest.raises(Invalid) as refused:
        launched(shop, draft)
    assert len(refused.value.problems) >= 17
    assert reads.experiment(draft.id) == draft
