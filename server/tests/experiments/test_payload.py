"""From launch to evaluation: what clients get of an experiment, decided by the engine that they run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import sqrt

import pytest
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_running_experiment,
    a_shop,
    a_stopped_experiment,
    environment_of,
    found,
    later,
    launched,
)
from scipy.stats import chi2_contingency, chisquare

from equipoise_engine import Decision, Reason, Snapshot
from equipoise_server.experiments.actions import Decide, Restart, Stop, Widen, decide, restart, stop, widen
from equipoise_server.experiments.values import Arm, DecisionKind, StopCause
from equipoise_server.flags.actions import CreateSegment, create_segment
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
UNITS = [f"unit-{number}" for number in range(100_000)]
FLAG = "checkout-button"


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def served(shop: Shop, environment: str = "production") -> Snapshot:
    return snapshots.preview(environment_of(shop, environment).id)


def decision(snapshot: Snapshot, unit: str, flag: str = FLAG, **attributes: object) -> Decision:
    return snapshot.evaluate(flag, {"units": {"user": unit}, "attributes": attributes}, None)


def arms_of(snapshot: Snapshot, flag: str = FLAG, count: int = 20_000) -> dict[str, str]:
    """The arm of every unit that the flag's experiments enrol."""
    found = ((unit, decision(snapshot, unit, flag).enrolment) for unit in UNITS[:count])
    return {unit: f"{one.experiment}/{one.arm}" for unit, one in found if one is not None}


def test_the_arms_get_their_planned_shares(shop: Shop) -> None:
    control, treatment = a_design().arms
    third = Arm("third", "Green again", 2, {FLAG: "green"})
    a_running_experiment(shop, design=a_design(arms=(control, treatment, third)))
    counts = Counter(arms_of(served(shop)).values())
    expected = [5_000, 5_000, 10_000]
    seen = [counts[f"{FLAG}/{key}"] for key in ("control", "treatment", "third")]
    assert chisquare(seen, expected).pvalue > 1e-6
    assert sum(seen) == 20_000


def test_each_arm_serves_its_variant_and_tells_the_sdk_to_expose(shop: Shop) -> None:
    a_running_experiment(shop)
    snapshot = served(shop)
    values = {"control": "grey", "treatment": "green"}
    for unit in UNITS[:50]:
        one = decision(snapshot, unit)
        assert one.enrolment is not None
        assert (one.value, one.reason) == (values[one.enrolment.arm], Reason.SPLIT)


def test_a_stopped_experiment_serves_control_unexposed_to_those_it_enrolled(shop: Shop) -> None:
    a_stopped_experiment(shop)
    snapshot = served(shop)
    answers = {(one.value, one.reason, one.enrolment) for one in (decision(snapshot, u) for u in UNITS[:200])}
    assert answers == {("grey", Reason.DEFAULT, None)}


def test_an_experiment_stopped_by_a_kill_serves_control_as_disabled(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    stop(shop.owner, Stop(experiment.id, "killed", StopCause.KILL), now=later(1))
    one = decision(served(shop), "unit-1")
    assert (one.value, one.reason, one.enrolment) == ("grey", Reason.DISABLED, None)


def test_other_environments_and_decided_experiments_know_nothing_of_it(shop: Shop) -> None:
    experiment = a_stopped_experiment(shop)
    assert decision(served(shop, "development"), "unit-1").reason is Reason.STATIC
    decide(shop.owner, Decide(experiment.id, DecisionKind.DO_NOT_SHIP, reason="No lift"), now=later(15))
    assert decision(served(shop), "unit-1").reason is Reason.STATIC


def test_the_gate_lets_its_share_in_and_widening_moves_nobody(shop: Shop) -> None:
    experiment = a_running_experiment(shop, design=a_design(audience_parts_per_million=200_000))
    narrow = arms_of(served(shop))
    assert abs(len(narrow) - 4_000) < 5 * sqrt(20_000 * 0.2 * 0.8)
    experiment = widen(shop.owner, Widen(experiment.id, experiment.version, 600_000), now=later(1))
    wide = arms_of(served(shop))
    assert {unit: wide[unit] for unit in narrow} == narrow
    widen(shop.owner, Widen(experiment.id, experiment.version, 1_000_000), now=later(2))
    whole = arms_of(served(shop))
    assert {unit: whole[unit] for unit in wide} == wide
    assert len(whole) == 20_000


def test_a_restart_splits_anew_and_independently(shop: Shop) -> None:
    experiment = a_running_experiment(shop)
    before = arms_of(served(shop))
    restart(shop.owner, Restart(experiment.id, experiment.version), now=later(1))
    after = arms_of(served(shop))
    assert independent(before, after)


def independent(one: dict[str, str], other: dict[str, str]) -> bool:
    pairs = Counter((arm, other[unit]) for unit, arm in one.items())
    rows, columns = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    return bool(chi2_contingency([[pairs[a, b] for b in columns] for a in rows]).pvalue > 1e-6)


def test_only_the_eligible_take_part(shop: Shop) -> None:
    abroad = {"attribute": "country", "operator": "in", "values": ["FR", "NL"]}
    create_segment(shop.owner, CreateSegment(shop.project.id, "abroad", "Abroad", abroad), now=NOW)
    a_running_experiment(shop, design=a_design(eligibility={"segment": "abroad"}))
    snapshot = served(shop)
    assert decision(snapshot, "unit-1", country="FR").enrolment is not None
    assert decision(snapshot, "unit-1", country="DE").enrolment is None
    assert decision(snapshot, "unit-1").value == "grey"


def test_two_experiments_in_one_layer_share_no_unit(shop: Shop) -> None:
    a_running_experiment(shop, "one", a_design("one", layer="checkout", slot_share=0.5))
    a_running_experiment(shop, "two", a_design("two", layer="checkout", slot_share=0.3))
    snapshot = served(shop)
    first, second = (set(arms_of(snapshot, flag, 100_000)) for flag in ("one", "two"))
    assert first & second == set()
    assert abs(len(first) - 50_000) < 5 * sqrt(100_000 * 0.25)
    assert abs(len(second) - 30_000) < 5 * sqrt(100_000 * 0.21)


def test_two_experiments_in_two_layers_are_independent(shop: Shop) -> None:
    a_running_experiment(shop, "one")
    a_running_experiment(shop, "two")
    snapshot = served(shop)
    assert independent(arms_of(snapshot, "one"), arms_of(snapshot, "two"))


def test_two_experiments_on_one_flag_each_serve_their_own_units(shop: Shop) -> None:
    a_running_experiment(shop, FLAG, a_design(layer="button", slot_share=0.5))
    a_running_experiment(shop, "again", a_design(layer="button", slot_share=0.5), flag=FLAG)
    counts = Counter(arm.partition("/")[0] for arm in arms_of(served(shop)).values())
    assert sum(counts.values()) == 20_000
    assert abs(counts["again"] - 10_000) < 5 * sqrt(20_000 * 0.25)


def test_a_joint_treatment_gives_every_unit_the_same_arm_of_both_flags(shop: Shop) -> None:
    for flag in ("title", "picture"):
        a_button_flag(shop, flag)
    control, treatment = a_design().arms
    arms = (
        replace(control, values={"title": "grey", "picture": "grey"}),
        replace(treatment, values={"title": "green", "picture": "green"}),
    )
    launched(shop, a_draft_experiment(shop, "joint", a_design(arms=arms), flag="title"))
    snapshot = served(shop)
    assert arms_of(snapshot, "title") == arms_of(snapshot, "picture")


def test_shipping_takes_the_treatment_away_from_nobody_and_starts_at_the_gate(shop: Shop) -> None:
    plan = a_design(audience_parts_per_million=300_000)
    experiment = a_running_experiment(shop, design=plan)
    treated = {unit for unit, arm in arms_of(served(shop)).items() if arm.endswith("/treatment")}
    found(stop(shop.owner, Stop(experiment.id), now=later(14)))
    decide(shop.owner, Decide(experiment.id, DecisionKind.SHIP, "treatment", "It won"), now=later(15))
    snapshot = served(shop)
    green = {unit for unit in UNITS[:20_000] if decision(snapshot, unit).value == "green"}
    assert treated < green
    assert abs(len(green) - 6_000) < 5 * sqrt(20_000 * 0.3 * 0.7)
    assert all(decision(snapshot, unit).enrolment is None for unit in UNITS[:100])
