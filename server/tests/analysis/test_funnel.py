"""How far units come, per arm: assignment is computed again, and a loss in one arm alone is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from people import NOW
from scenes import Shop, a_design, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh
from equipoise_server.analysis.values import Funnel, SrmState
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Track
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.ids import new_id
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNITS = 4_000


def running(shop: Shop, **changes: object) -> Iteration:
    iteration = a_running_experiment(shop, design=a_design(looks=None, **changes)).iteration
    assert iteration is not None
    return iteration


def assigned(iteration: Iteration, units: int = UNITS) -> Iterator[tuple[str, str]]:
    """Units with the arms that clients give them."""
    snapshot = snapshots.preview(iteration.environment_id)
    for number in range(units):
        enrolment = snapshot.evaluate("checkout-button", {"units": {"user": f"u{number}"}}, None).enrolment
        if enrolment is not None:
            yield f"u{number}", enrolment.arm


def came(
    iteration: Iteration, is_exposed: Callable[[int, str], bool], *, differs: bool | None = None
) -> dict[str, int]:
    """Everybody opens a page; whoever `is_exposed` meets the variant. Returns units by assigned arm."""
    tracks, visits, found = [], [], {"control": 0, "treatment": 0}
    for number, (unit, arm) in enumerate(assigned(iteration)):
        found[arm] += 1
        tracks.append(Track(new_id(), NOW + HOUR, "page", {"user": unit}, 100.0 + number % 9))
        if is_exposed(number, arm):
            visits.append(Visit(unit, arm, NOW + HOUR, (("page", 90.0, HOUR),), differs=differs))
    record(iteration.environment_id, tracks, now=NOW + 2 * HOUR)
    visited(iteration, visits, now=NOW + 2 * HOUR)
    compact(now=NOW + 2 * HOUR)
    return found


def funnel_of(iteration: Iteration) -> Funnel:
    found = refresh(iteration.id, NOW + 2 * DAY).funnel
    assert found is not None
    return found


def test_every_step_is_counted_from_the_ids_that_sent_something() -> None:
    iteration = running(a_shop())
    units = came(iteration, lambda number, _: number % 4 != 0, differs=True)
    funnel = funnel_of(iteration)
    assert [step.name for step in funnel.steps] == ["assigned", "exposed", "triggered"]
    assert funnel.steps[0].counts == (units["control"], units["treatment"])
    assert (funnel.eligible, funnel.share, funnel.elsewhere, funnel.reason) == (UNITS, 1.0, 0, "")
    assert sum(funnel.steps[1].counts) == UNITS * 3 // 4
    assert funnel.steps[1].counts == funnel.steps[2].counts
    assert funnel.steps[1].lost_p_value is not None
    assert funnel.steps[1].lost_p_value > 0.001


def test_an_arm_that_crashes_before_its_exposure_is_told_at_that_step() -> None:
    iteration = running(a_shop())
    came(iteration, lambda number, arm: arm == "control" or number % 5 != 0)
    report = refresh(iteration.id, NOW + 2 * DAY)
    assert report.srm.state in {SrmState.ALERTED, SrmState.LOCKED}
    assert report.results is None
    assert report.funnel is not None
    first, exposed = report.funnel.steps
    assert first.p_value is not None
    assert first.p_value > 0.001
    assert exposed.lost_p_value is not None
    assert exposed.lost_p_value < 1e-9


def test_a_gate_assigns_some_of_the_eligible() -> None:
    iteration = running(a_shop(), audience_parts_per_million=250_000)
    units = came(iteration, lambda *_: True)
    # Who is not let in sends events, too.
    outside = [Track(new_id(), NOW + HOUR, "page", {"user": f"u{n}"}, 100.0) for n in range(UNITS)]
    record(iteration.environment_id, outside, now=NOW + 3 * HOUR)
    compact(now=NOW + 3 * HOUR)
    funnel = funnel_of(iteration)
    assert funnel.eligible == UNITS
    assert sum(funnel.steps[0].counts) == sum(units.values()) == sum(funnel.steps[1].counts)
    assert sum(units.values()) == pytest.approx(UNITS / 4, rel=0.1)


def test_of_many_units_a_share_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("equipoise_server.analysis.moments.MOST_KNOWN", 1_500)
    iteration = running(a_shop())
    came(iteration, lambda *_: True)
    funnel = funnel_of(iteration)
    assert funnel.share == pytest.approx(1 / 3)
    assert funnel.eligible == pytest.approx(UNITS / 3, rel=0.1)
    assert funnel.steps[1].counts == funnel.steps[0].counts


def test_some_units_elsewhere_are_counted_and_many_mean_that_others_assign() -> None:
    iteration = running(a_shop())
    other = {"control": "treatment", "treatment": "control"}
    visits = [
        Visit(unit, other[arm] if number % 50 == 0 else arm, NOW + HOUR, (("page", 90.0, HOUR),))
        for number, (unit, arm) in enumerate(assigned(iteration))
    ]
    visited(iteration, visits, now=NOW + 2 * HOUR)
    funnel = funnel_of(iteration)
    assert (funnel.elsewhere, funnel.reason) == (UNITS // 50, "")
    visited(iteration, [Visit(f"x{n}", "control", NOW + HOUR) for n in range(2_000)], now=NOW + 2 * HOUR)
    visited(iteration, [Visit(f"y{n}", "treatment", NOW + HOUR) for n in range(2_000)], now=NOW + 2 * HOUR)
    funnel = funnel_of_again(iteration)
    assert "somebody else assigns" in funnel.reason
    assert [step.name for step in funnel.steps] == ["exposed"]


def funnel_of_again(iteration: Iteration) -> Funnel:
    found = refresh(iteration.id, NOW + 4 * DAY).funnel
    assert found is not None
    return found


def test_eligibility_by_attributes_cannot_be_computed_again() -> None:
    condition = {"attribute": "country", "operator": "in", "values": ["DE"]}
    iteration = running(a_shop(), eligibility=condition)
    visited(
        iteration,
        [Visit(f"u{n}", ("control", "treatment")[n % 2], NOW + HOUR) for n in range(500)],
        now=NOW + 2 * HOUR,
    )
    funnel = funnel_of(iteration)
    assert "attributes" in funnel.reason
    assert [step.name for step in funnel.steps] == ["exposed"]


def test_a_stopped_experiment_is_computed_with_the_snapshot_from_before_its_stop() -> None:
    shop = a_shop()
    iteration = running(shop)
    units = came(iteration, lambda *_: True)
    stop(shop.owner, Stop(iteration.experiment_id, "Enough."), now=NOW + 3 * DAY)
    report = refresh(iteration.id, NOW + 4 * DAY)
    assert report.funnel is not None
    assert report.funnel.steps[0].counts == (units["control"], units["treatment"])
