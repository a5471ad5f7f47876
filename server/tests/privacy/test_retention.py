"""Retention: days past their time go, unless an experiment needs them; reports stay."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from people import NOW, a_member
from scenes import Shop, a_design, a_running_experiment, a_shop, environment_of
from traffic import Visit, visited
from wire import a_body, a_track

from equipoise_server.access.values import Role
from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.actions import refresh
from equipoise_server.audit.models import AuditRecord
from equipoise_server.events import actions, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import StoreFile
from equipoise_server.events.retention import drop_old_days
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def sent(inbox: Inbox, shop: Shop, at: datetime) -> None:
    body = a_body({**a_track("u1"), "at": at.isoformat()}, sent_at=at)
    _, written = actions.accept(inbox, environment_of(shop).id, body, received_at=at)
    written.result(5)


def keep(shop: Shop, days: int | None, *, quarantine: int = 30, version: int = 0) -> None:
    command = actions.SetRetention(environment_of(shop).id, version, days, quarantine)
    actions.set_retention(shop.owner, command, now=NOW)


def days_held() -> list[str]:
    rows = StoreFile.objects.filter(retired_at=None).order_by("day")
    return [row.day.isoformat() for row in rows]


@pytest.fixture
def shop() -> Shop:
    """With an event on each of four days."""
    shop = a_shop()
    inbox = actions.open_inbox()
    for days in range(4):
        sent(inbox, shop, NOW + days * DAY)
    inbox.close()
    actions.compact(now=NOW + 4 * DAY)
    return shop


def test_by_default_events_are_kept_for_ever(shop: Shop) -> None:
    assert drop_old_days(now=NOW + 4_000 * DAY) == 0
    assert len(days_held()) == 4


def test_whole_days_past_their_time_are_dropped_and_the_audit_says_so(shop: Shop) -> None:
    keep(shop, 10)
    assert drop_old_days(now=NOW + 12 * DAY) == 2
    assert days_held() == ["2026-03-04", "2026-03-05"]
    record = AuditRecord.objects.get(action="retention.drop")
    assert record.author_kind == "automation"
    assert record.changes[0]["after"] == {"through": "2026-03-03", "files": 2, "events": 2}
    assert reads.retention_of(environment_of(shop).id).dropped_through is not None
    assert drop_old_days(now=NOW + 12 * DAY) == 0
    actions.delete_retired(now=NOW + 12 * DAY + HOUR)
    assert StoreFile.objects.count() == 2


def test_days_that_an_experiment_needs_stay_until_it_has_its_final_report() -> None:
    shop = a_shop()
    running = a_running_experiment(shop, design=a_design(looks=None))
    iteration = running.iteration
    assert iteration is not None
    visited(iteration, _visits(iteration), now=NOW + 4 * DAY)
    held = days_held()
    keep(shop, 1)
    later = NOW + 60 * DAY
    assert drop_old_days(now=later) == 0
    assert days_held() == held
    told = reads.retention_of(environment_of(shop).id).waits_for
    assert "“checkout-button” (since 2026-03-02)" in told
    stop(shop.owner, Stop(iteration.experiment_id), now=NOW + 5 * DAY)
    refresh(iteration.id, later)
    report = analysis.report_of(iteration.id)
    assert drop_old_days(now=later) == len(held)
    assert days_held() == []
    assert reads.retention_of(environment_of(shop).id).waits_for == ""
    assert report is not None
    assert analysis.report_of(iteration.id) == report


def _visits(iteration: Iteration) -> list[Visit]:
    return [
        Visit(f"u{number}", ("control", "treatment")[number % 2], iteration.started_at + number * HOUR)
        for number in range(60)
    ]


def test_refused_events_go_after_their_environments_days() -> None:
    shop = a_shop()
    inbox = actions.open_inbox()
    body = a_body({**a_track("u1"), "value": "much"}, sent_at=NOW)
    _, written = actions.accept(inbox, environment_of(shop).id, body, received_at=NOW)
    written.result(5)
    keep(shop, None, quarantine=7)
    actions.forget_stored(inbox, now=NOW + 6 * DAY)
    assert len(reads.refused_events(environment_of(shop).id)) == 1
    actions.forget_stored(inbox, now=NOW + 8 * DAY)
    assert reads.refused_events(environment_of(shop).id) == ()
    inbox.close()


def test_what_cannot_be_set_is_refused_with_the_way_out() -> None:
    shop = a_shop()
    with pytest.raises(Invalid) as refused:
        keep(shop, 0, quarantine=0)
    assert [problem.field for problem in refused.value.problems] == ["event_days", "quarantine_days"]
    keep(shop, 30)
    with pytest.raises(Conflict, match="meanwhile"):
        keep(shop, 60)
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    command = actions.SetRetention(environment_of(shop).id, 1, 5, 30)
    with pytest.raises(Forbidden):
        actions.set_retention(engineer, command, now=NOW)
