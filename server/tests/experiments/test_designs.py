"""Designs beyond the plain test, from launch to what the engine serves: clusters, switchbacks, ramps."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_running_experiment,
    a_shop,
    environment_of,
    found,
    later,
    launched,
)

from equipoise_engine import Decision
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import (
    Decide,
    PauseRamp,
    Restart,
    ResumeRamp,
    Stop,
    Widen,
    decide,
    pause_ramp,
    restart,
    resume_ramp,
    stop,
    widen,
)
from equipoise_server.experiments.ramp_timing import KIND
from equipoise_server.experiments.scheduling import arm_digits, treated_share_by_hour
from equipoise_server.experiments.values import (
    Arm,
    DecisionKind,
    Design,
    Experiment,
    GateStep,
    Iteration,
    Pairing,
    Spillover,
    Switchback,
)
from equipoise_server.foundation import due_work
from equipoise_server.foundation.refusals import Conflict
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
FLAG = "checkout-button"
REGIONS = tuple(f"city-{number}" for number in range(6))
UNITS = [f"unit-{number}" for number in range(4_000)]


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def clustered(**changes: object) -> Design:
    return a_design(cluster_type="account", cluster_count=200, **changes)


def switching(**changes: object) -> Design:
    plan = Switchback(regions=REGIONS, window_minutes=120, days=28, burn_in_minutes=15)
    return a_design(unit_type="account", planned_days=None, switchback=replace(plan, **changes))


def ramped(*steps: tuple[int, int], start: int = 10_000) -> Design:
    ramp = tuple(GateStep(hours, parts) for hours, parts in steps)
    return a_design(audience_parts_per_million=start, ramp=ramp)


def run_of(experiment: Experiment) -> Iteration:
    assert experiment.iteration is not None
    return experiment.iteration


def evaluated(shop: Shop, flag: str = FLAG, **context: object) -> Decision:
    return snapshots.preview(environment_of(shop).id).evaluate(flag, context, None)


def faults(shop: Shop, design: Design) -> dict[str, str]:
    draft = a_draft_experiment(shop, design=design)
    checks = reads.launch_checks(draft, environment_of(shop), NOW)
    return {check.key: check.message for check in checks if not check.passed}


def advice(shop: Shop, design: Design) -> dict[str, str]:
    draft = a_draft_experiment(shop, design=design)
    checks = reads.launch_checks(draft, environment_of(shop), NOW)
    return {check.key: check.advice for check in checks if check.advice}


def test_users_of_one_account_share_an_arm_and_each_is_exposed(shop: Shop) -> None:
    a_running_experiment(shop, design=clustered())
    arms = set()
    for user in ("ada", "bob", "eve"):
        seat = evaluated(shop, units={"user": user, "account": "acme"}).enrolment
        assert seat is not None
        assert (seat.unit_type, seat.unit, seat.cluster_type, seat.cluster) == (
            "user",
            user,
            "account",
            "acme",
        )
        arms.add(seat.arm)
    assert len(arms) == 1


def test_the_layer_of_a_clustered_experiment_divides_clusters(shop: Shop) -> None:
    a_running_experiment(shop, design=clustered())
    (layer,) = reads.layers_of(environment_of(shop).id)
    assert layer.unit_type == "account"


def test_clusters_must_be_declared_counted_and_larger_than_the_unit(shop: Shop) -> None:
    undeclared = a_design(cluster_type="city", cluster_count=100)
    assert "no unit type “city”" in faults(shop, undeclared)["clusters"]
    draft = reads.experiment_by_key(shop.project.id, FLAG)
    for changes, told in (
        ({"cluster_type": "user", "cluster_count": 100}, "cluster of its own"),
        ({"cluster_type": "account", "cluster_count": None}, "how many accounts"),
        ({"cluster_type": "account", "cluster_count": 9}, "cannot tell an effect"),
    ):
        planned = replace(draft, design=replace(a_design(), **changes))  # type: ignore[arg-type]  # by name
        checks = reads.launch_checks(planned, environment_of(shop), NOW)
        assert [told in check.message for check in checks if not check.passed] == [True]


def test_few_clusters_are_advised_against(shop: Shop) -> None:
    assert "With 20 clusters" in advice(shop, replace(clustered(), cluster_count=20))["clusters"]


def test_a_switchback_serves_the_stored_schedule_and_is_balanced_in_every_hour(shop: Shop) -> None:
    run = run_of(a_running_experiment(shop, design=switching()))
    assert run.schedule is not None
    digit = {"control": arm_digits(run.design)[0], "treatment": arm_digits(run.design)[1]}
    window = timedelta(seconds=run.schedule.window_seconds)
    for place in (0, 5, 30, run.schedule.windows - 1):
        at = run.schedule.starts_at + window * place + timedelta(minutes=20)
        for region, row in run.schedule.rows.items():
            seat = evaluated(shop, units={"account": region}, now=at.isoformat()).enrolment
            assert seat is not None
            assert (digit[seat.arm], seat.unit) == (row[place], f"{region}:{place}")
    assert set(treated_share_by_hour(run.schedule, digit["treatment"]).values()) == {0.5}


def test_a_switchback_begins_at_midnight_and_ends_with_its_last_window(shop: Shop) -> None:
    run = run_of(a_running_experiment(shop, design=switching()))
    assert run.schedule is not None
    assert run.schedule.starts_at == later(1).replace(hour=0)
    assert run.planned_end_at == run.schedule.ends_at == run.schedule.starts_at + timedelta(days=28)
    assert evaluated(shop, units={"account": REGIONS[0]}, now=NOW.isoformat()).enrolment is None


def test_a_switchback_may_begin_later_and_pair_weeks(shop: Shop) -> None:
    starts_at = later(3).replace(hour=6)
    design = switching(starts_at=starts_at, pairing=Pairing.WEEKS)
    run = run_of(a_running_experiment(shop, design=design))
    assert run.schedule is not None
    assert (run.schedule.starts_at, run.schedule.pairing) == (starts_at, Pairing.WEEKS)


def test_a_restarted_switchback_draws_another_schedule(shop: Shop) -> None:
    running = a_running_experiment(shop, design=switching())
    again = restart(shop.owner, Restart(running.id, running.version, "again"), now=later(1))
    first, second = run_of(running).schedule, run_of(again).schedule
    assert first is not None
    assert second is not None
    assert first.rows != second.rows


def test_a_switchback_that_began_on_a_day_begins_anew_at_the_next_midnight(shop: Shop) -> None:
    running = a_running_experiment(shop, design=switching(starts_at=later(1)))
    again = restart(shop.owner, Restart(running.id, running.version, "again"), now=later(3))
    schedule = run_of(again).schedule
    assert schedule is not None
    assert schedule.starts_at == later(4).replace(hour=0)


def test_shipping_a_switchback_serves_every_region(shop: Shop) -> None:
    running = a_running_experiment(shop, design=switching())
    found(stop(shop.owner, Stop(running.id), now=later(30)))
    decide(shop.owner, Decide(running.id, DecisionKind.SHIP, "treatment", "it won"), now=later(30))
    served = {evaluated(shop, units={"account": region}).variant for region in (*REGIONS, "another")}
    assert served == {"green"}


def test_shipping_a_clustered_experiment_takes_the_treatment_from_no_cluster(shop: Shop) -> None:
    running = a_running_experiment(shop, design=clustered(audience_parts_per_million=300_000))
    clusters = [f"account-{number}" for number in range(300)]
    seats = {c: evaluated(shop, units={"user": "u", "account": c}).enrolment for c in clusters}
    found(stop(shop.owner, Stop(running.id), now=later(14)))
    decide(shop.owner, Decide(running.id, DecisionKind.SHIP, "treatment", "it won"), now=later(14))
    for cluster, seat in seats.items():
        served = evaluated(shop, units={"user": "another", "account": cluster}).variant
        assert served == ("green" if seat is not None else "grey")


def test_a_stopped_switchback_gives_its_regions_control(shop: Shop) -> None:
    running = a_running_experiment(shop, design=switching())
    stop(shop.owner, Stop(running.id, "enough"), now=later(2))
    decision = evaluated(shop, units={"account": REGIONS[0]})
    assert (decision.variant, decision.metadata["step"]) == ("grey", "experiment")


def test_everything_wrong_with_a_switchback_is_told_at_once(shop: Shop) -> None:
    design = replace(
        switching(window_minutes=7, regions=("north", "north", " "), starts_at=later(-1)),
        arms=(*a_design().arms, Arm("third", "Third", 2, {FLAG: "green"})),
        audience_parts_per_million=500_000,
    )
    told = faults(shop, design)["switchback"]
    for part in ("two variants of equal weight", "100 %", "past", "named twice", "divide"):
        assert part in told


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"regions": ("north",)}, "at least 2 regions"),
        ({"regions": ("north", "")}, "no region's id"),
        ({"days": 27}, "multiple of 2"),
        ({"days": 400_000}, "at most 100,000 windows"),
        ({"burn_in_minutes": 120}, "burn-in is shorter"),
        ({"days": 2, "window_minutes": 1_440, "regions": ("north", "south")}, "no balanced schedule"),
    ],
)
def test_a_schedule_that_cannot_be_drawn_is_refused(
    shop: Shop, changes: dict[str, object], told: str
) -> None:
    assert told in faults(shop, switching(**changes))["switchback"]


def test_a_missing_burn_in_is_advised_against(shop: Shop) -> None:
    assert "burn-in" in advice(shop, switching(burn_in_minutes=0))["switchback"]


def due(shop: Shop, experiment: Experiment, hours: float) -> Experiment:
    """Do the ramp's work that is due some hours after the cast met."""
    now = NOW + timedelta(hours=hours)
    while (work := due_work.claim("test", now=now, kinds=frozenset([KIND]))) is not None:
        due_work.run(work, now=now)
        due_work.finish(work, now=now)
    return reads.experiment(experiment.id)


def enrolled(shop: Shop) -> dict[str, str]:
    snapshot = snapshots.preview(environment_of(shop).id)
    seats = ((unit, snapshot.evaluate(FLAG, {"units": {"user": unit}}, None).enrolment) for unit in UNITS)
    return {unit: seat.arm for unit, seat in seats if seat is not None}


def test_a_ramp_widens_the_gate_when_its_steps_are_due_and_moves_nobody(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000), (48, 500_000), (72, 1_000_000)))
    seen = [enrolled(shop)]
    for hours, parts in ((23, 10_000), (24, 100_000), (48.5, 500_000), (100, 1_000_000)):
        assert run_of(due(shop, running, hours)).gate_parts_per_million == parts
        seen.append(enrolled(shop))
    for before, after in pairwise(seen):
        assert before.items() <= after.items()
    assert len(seen[-1]) == len(UNITS)


def test_the_widths_of_a_gate_are_kept_with_their_times(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000)))
    moved = due(shop, running, 25)
    again = widen(shop.owner, Widen(running.id, moved.version, 200_000), now=later(2))
    assert run_of(again).gates == (
        (NOW, 10_000),
        (NOW + timedelta(hours=25), 100_000),
        (later(2), 200_000),
    )


def test_a_ramp_never_narrows_what_people_widened(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000), (48, 500_000)))
    widen(shop.owner, Widen(running.id, running.version, 300_000), now=NOW)
    assert run_of(due(shop, running, 24)).gate_parts_per_million == 300_000
    assert run_of(due(shop, running, 48)).gate_parts_per_million == 500_000


def test_a_paused_ramp_waits_and_its_steps_move_back(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000), (48, 500_000)))
    due(shop, running, 24)
    pause_ramp(shop.owner, PauseRamp(running.id, "strange errors"), now=later(1.5))
    assert run_of(due(shop, running, 60)).gate_parts_per_million == 100_000
    resume_ramp(shop.owner, ResumeRamp(running.id), now=later(3.5))
    assert run_of(due(shop, running, 95)).gate_parts_per_million == 100_000
    assert run_of(due(shop, running, 96)).gate_parts_per_million == 500_000


def test_a_restart_begins_at_the_share_that_was_reached_and_ramps_on(shop: Shop) -> None:
    running = due(shop, a_running_experiment(shop, design=ramped((24, 100_000), (48, 500_000))), 25)
    again = restart(shop.owner, Restart(running.id, running.version, "again"), now=later(1.5))
    run = run_of(again)
    assert (run.gate_parts_per_million, run.design.ramp) == (100_000, (GateStep(48, 500_000),))
    assert run_of(due(shop, again, 36 + 48)).gate_parts_per_million == 500_000


def test_only_a_running_ramp_can_be_paused_and_resumed_once(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000)))
    with pytest.raises(Conflict, match="not paused"):
        resume_ramp(shop.owner, ResumeRamp(running.id), now=NOW)
    pause_ramp(shop.owner, PauseRamp(running.id), now=NOW)
    with pytest.raises(Conflict, match="paused already"):
        pause_ramp(shop.owner, PauseRamp(running.id), now=NOW)
    stop(shop.owner, Stop(running.id), now=NOW)
    with pytest.raises(Conflict, match="no running ramp"):
        resume_ramp(shop.owner, ResumeRamp(running.id), now=NOW)


def test_a_stopped_experiment_ramps_no_further(shop: Shop) -> None:
    running = a_running_experiment(shop, design=ramped((24, 100_000)))
    stop(shop.owner, Stop(running.id), now=later(0.5))
    assert run_of(due(shop, running, 48)).gate_parts_per_million == 10_000


def test_a_ramp_that_does_not_grow_is_refused(shop: Shop) -> None:
    told = faults(shop, ramped((24, 100_000), (12, 50_000)))["ramp"]
    assert "later than the one before" in told
    assert "only grows" in told


def test_units_that_reach_each_other_are_told_of_a_better_design(shop: Shop) -> None:
    assert "switchback" in advice(shop, a_design(spillover=Spillover.SUPPLY))["spillover"]
    draft = reads.experiment_by_key(shop.project.id, FLAG)
    social = replace(draft, design=a_design(spillover=Spillover.SOCIAL))
    checks = reads.launch_checks(social, environment_of(shop), NOW)
    assert any("know each other" in check.advice for check in checks)


def test_one_experiment_sets_several_flags_jointly(shop: Shop) -> None:
    a_button_flag(shop, "banner")
    arms = (
        Arm("control", "Grey", 1, {FLAG: "grey", "banner": "grey"}),
        Arm("treatment", "Green", 1, {FLAG: "green", "banner": "green"}),
    )
    a_running_experiment(shop, design=a_design(arms=arms))
    snapshot = snapshots.preview(environment_of(shop).id)
    served = Counter(
        tuple(snapshot.evaluate(flag, {"units": {"user": unit}}, None).variant for flag in (FLAG, "banner"))
        for unit in UNITS
    )
    assert set(served) == {("grey", "grey"), ("green", "green")}


def test_experiments_on_one_surface_share_a_layer(shop: Shop) -> None:
    a_running_experiment(shop, design=a_design(surface="checkout", layer="checkout", slot_share=0.5))
    a_button_flag(shop, "banner")
    rival = a_draft_experiment(shop, "banner", a_design("banner", surface="checkout"))
    checks = reads.launch_checks(rival, environment_of(shop), NOW)
    assert [check.key for check in checks if not check.passed] == ["surface"]
    beside = replace(rival.design, layer="checkout", slot_share=0.5)
    second = a_draft_experiment(shop, "banner-2", beside, flag="banner")
    assert launched(shop, second).status == "running"
    assert reads.surfaces_of(shop.project.id) == ("checkout",)
