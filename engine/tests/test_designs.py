"""Switchbacks and clusters, as designs that analysis can trust."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from authoring import designs
from authoring.parts import Json, button, switch, trial, unit_in_arm, user

from equipoise_engine import Decision, Finding, Reason, compile_snapshot, validate_snapshot
from equipoise_stats import Pairing, SwitchbackPlan, switchback_design

START = datetime(2026, 3, 2, tzinfo=UTC)


def scheduled(seed: int, pairing: Pairing) -> tuple[SwitchbackPlan, Json]:
    """A snapshot of a schedule that statistics drew: four regions, 28 days, windows of two hours."""
    plan = SwitchbackPlan(regions=4, days=28, windows_per_day=12, seed=seed, pairing=pairing)
    rows = switchback_design(plan).treated.tolist()
    schedule = {f"region{index}": "".join(map(str, row)) for index, row in enumerate(rows)}
    rest = {"starts_at": START.isoformat(), "window_seconds": 7200, "schedule": schedule}
    return plan, designs.switching(rest=rest)


@pytest.mark.parametrize("pairing", list(Pairing))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_arms_of_a_switchback_are_balanced_in_every_hour_of_the_week(seed: int, pairing: Pairing) -> None:
    plan, document = scheduled(seed, pairing)
    compiled = compile_snapshot(document)
    served: Counter[tuple[int, str]] = Counter()
    for window in range(plan.windows):
        now = (START + timedelta(hours=2 * window, minutes=90)).isoformat()
        for region in range(plan.regions):
            decision = compiled.evaluate("button", designs.at(now, f"region{region}"), None)
            assert decision.metadata["experiment.window"] == window
            served[window % (7 * 12), str(decision.variant)] += 1
    for hour in range(7 * 12):
        assert served[hour, "grey"] == served[hour, "green"] == 8


def test_a_switchback_answers_the_same_until_its_window_ends() -> None:
    compiled = compile_snapshot(designs.switching())
    answers = {
        compiled.evaluate("button", designs.at(designs.START + second), None).enrolment
        for second in range(0, 3600, 60)
    }
    assert len(answers) == 1


def found(document: Json, context: Json) -> list[tuple[Finding, object]]:
    steps = compile_snapshot(document).explain("button", context)
    return [(step.finding, step.detail.get("unit_type")) for step in steps if step.kind == "experiment"]


def test_an_explanation_tells_why_a_switchback_passed() -> None:
    document = designs.switching()
    assert found(document, designs.at(None)) == [(Finding.CLOCK_MISSING, "region")]
    assert found(document, designs.at(0)) == [(Finding.OUTSIDE_SCHEDULE, "region")]
    assert found(document, designs.at(designs.START, "west")) == [(Finding.OUTSIDE_SCHEDULE, "region")]
    assert found(document, designs.at(designs.START, None)) == [(Finding.UNIT_MISSING, "region")]


def test_an_explanation_tells_the_window_of_a_switchback() -> None:
    step = compile_snapshot(designs.switching()).explain("button", designs.at(designs.START + 3600))[-1]
    told = {
        "unit_type": "region",
        "unit": "north",
        "layer": "regions",
        "service": "split",
        "arm": "treatment",
    }
    assert step.detail.items() >= {**told, "window": 1, "burn_in": True}.items()
    early = designs.at(designs.START - 1)
    assert found(designs.switching(), early) == [(Finding.OUTSIDE_SCHEDULE, "region")]


def test_a_schedule_of_too_many_windows_is_refused() -> None:
    assert validate_snapshot(designs.switching(rest={"schedule": {"north": "01" * 50_000}})) == ()
    (problem, *_) = validate_snapshot(designs.switching(rest={"schedule": {"north": "0" * 100_001}}))
    assert problem.message == "must have at most 100,000 windows"


def test_an_explanation_tells_which_cluster_was_randomised() -> None:
    document = designs.clustered()
    assert found(document, designs.living_in(None)) == [(Finding.UNIT_MISSING, "city")]
    assert found(document, designs.living_in(designs.BERLIN, None)) == [(Finding.UNIT_MISSING, "user")]
    step = compile_snapshot(document).explain("button", designs.living_in(designs.BERLIN))[-1]
    assert (step.detail["cluster_type"], step.detail["cluster"]) == ("city", designs.BERLIN)


def test_an_enrolment_tells_under_which_key_its_cluster_is_kept() -> None:
    context = designs.living_in(designs.BERLIN)
    enrolment = compile_snapshot(designs.clustered()).evaluate("button", context, None).enrolment
    assert enrolment is not None
    assert (enrolment.sticky_key, enrolment.cluster) == ("trial:3", designs.BERLIN)


def test_the_counterfactual_tells_what_every_arm_would_have_shown() -> None:
    compiled = compile_snapshot(trial())
    decision = compiled.evaluate("button", user(unit_in_arm(1)), None)
    assert compiled.counterfactual(decision) == {"control": "#888", "treatment": "#0a0"}


def test_there_is_no_counterfactual_of_what_another_snapshot_decided() -> None:
    decision = compile_snapshot(trial()).evaluate("button", user(unit_in_arm(1)), None)
    other = trial()
    other["experiments"]["later"] = other["experiments"].pop("trial")
    other["flags"]["button"] = button(experiments=["later"])
    assert compile_snapshot(other).counterfactual(decision) == {}
    del other["flags"]["button"]
    other["flags"]["banner"] = switch()
    assert compile_snapshot(other).counterfactual(decision) == {}
    foreign = Decision.of(flag_key="nothing", value=1, reason=Reason.STATIC, place=decision.place, unit="u1")
    assert compile_snapshot(trial()).counterfactual(foreign) == {}
