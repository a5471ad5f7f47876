"""Due work: at least once, one runner at a time, with back-off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from people import NOW

from equipoise_server.foundation import due_work
from equipoise_server.foundation.models import DueWork

pytestmark = pytest.mark.django_db


def claimed(owner: str = "ada", now: datetime = NOW) -> due_work.Work:
    """The next slot, which must be there."""
    work = due_work.claim(owner, now=now)
    assert work is not None
    return work


def test_a_slot_is_open_once_and_its_earlier_time_wins() -> None:
    assert due_work.schedule("mail", "k", due_at=NOW + timedelta(hours=2))
    assert not due_work.schedule("mail", "k", due_at=NOW + timedelta(hours=1))
    assert not due_work.schedule("mail", "k", due_at=NOW + timedelta(hours=3))
    assert DueWork.objects.get().due_at == NOW + timedelta(hours=1)


def test_a_finished_slot_can_be_opened_again() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    due_work.finish(claimed(), now=NOW)
    assert due_work.schedule("mail", "k", due_at=NOW)


def test_work_is_claimed_when_it_is_due_the_most_overdue_first() -> None:
    for hours, key in ((3, "later"), (1, "first"), (2, "second")):
        due_work.schedule("mail", key, due_at=NOW + timedelta(hours=hours))
    assert due_work.claim("ada", now=NOW) is None
    noon = NOW + timedelta(hours=2)
    assert [claimed(now=noon).key, claimed(now=noon).key] == ["first", "second"]
    assert due_work.claim("ada", now=noon) is None


def test_a_worker_takes_only_the_kinds_it_knows() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    assert due_work.claim("ada", now=NOW, kinds=frozenset(["other"])) is None
    assert due_work.claim("ada", now=NOW, kinds=frozenset(["mail"])) is not None


def test_leased_work_is_nobody_elses_until_the_lease_runs_out() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    claimed("ada")
    assert due_work.claim("bea", now=NOW + due_work.LEASE) is None
    again = claimed("bea", NOW + due_work.LEASE + timedelta(seconds=1))
    assert again.attempts == 2


def test_a_heart_beat_keeps_the_lease() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    work = claimed("ada")
    assert due_work.heart_beat(work, now=NOW + timedelta(seconds=20))
    assert due_work.claim("bea", now=NOW + due_work.LEASE + timedelta(seconds=1)) is None


def test_who_lost_the_lease_can_neither_finish_nor_give_back() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    lost = claimed("ada")
    later = NOW + due_work.LEASE + timedelta(seconds=1)
    held = claimed("bea", later)
    due_work.finish(lost, now=later)
    due_work.give_back(lost, error="late", now=later)
    assert not due_work.heart_beat(lost, now=later)
    assert due_work.heart_beat(held, now=later)


def test_failed_work_comes_back_later_and_later() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    now, waits = NOW, []
    for _ in range(12):
        due_work.give_back(claimed("ada", now), error="no luck", now=now)
        due_at = DueWork.objects.get().due_at
        waits.append((due_at - now).total_seconds())
        assert due_work.claim("ada", now=due_at - timedelta(seconds=1)) is None
        now = due_at
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    assert DueWork.objects.get().last_error == "no luck"


def test_work_runs_the_handler_of_its_kind() -> None:
    seen: list[tuple[Mapping[str, str], datetime]] = []

    @due_work.handles("test.greeting")
    def greet(payload: Mapping[str, str], now: datetime) -> None:
        seen.append((payload, now))

    due_work.schedule("test.greeting", "k", due_at=NOW, payload={"name": "Ada"})
    due_work.run(claimed(), now=NOW)
    assert seen == [({"name": "Ada"}, NOW)]
