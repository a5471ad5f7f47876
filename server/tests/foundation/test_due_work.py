"""Due work: at least once, one runner at a time, with back-off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from people import NOW

from equipoise_server.foundation import due_work, running
from equipoise_server.foundation.due_kinds import Lane
from equipoise_server.foundation.models import DueWork

pytestmark = pytest.mark.django_db


def nothing(_payload: Mapping[str, str], _now: datetime) -> None:
    """Work that is done at once."""


for lane, name in ((Lane.PROMPT, "kill"), (Lane.INTAKE, "intake"), (Lane.NIGHTLY, "nightly")):
    due_work.handles(f"test.{name}", lane=lane)(nothing)


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


def given_back(now: datetime, *, jitter: float = 1.0) -> DueWork:
    """The next slot after another failed attempt."""
    due_work.give_back(claimed("ada", now), error="no luck", now=now, jitter=jitter)
    return DueWork.objects.get()


def test_failed_work_comes_back_later_and_later() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    now, waits = NOW, []
    for _ in range(due_work.MOST_ATTEMPTS - 1):
        due_at = given_back(now).due_at
        waits.append((due_at - now).total_seconds())
        assert due_work.claim("ada", now=due_at - timedelta(seconds=1)) is None
        now = due_at
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert DueWork.objects.get().last_error == "no luck"


@given(jitter=st.floats(0, 1), attempts=st.integers(1, due_work.MOST_ATTEMPTS - 1))
def test_the_wait_after_a_failure_is_random_up_to_its_ceiling(jitter: float, attempts: int) -> None:
    DueWork.objects.all().delete()
    DueWork.objects.create(kind="mail", key="k", due_at=NOW, attempts=attempts - 1)
    wait = given_back(NOW, jitter=jitter).due_at - NOW
    ceiling = min(due_work.FIRST_BACK_OFF * 2 ** (attempts - 1), due_work.LONGEST_BACK_OFF)
    assert due_work.LEAST_BACK_OFF <= wait <= ceiling


def test_work_that_fails_too_often_is_given_up_and_its_reason_kept() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    now = NOW
    for _ in range(due_work.MOST_ATTEMPTS):
        row = given_back(now)
        now = row.due_at
    assert (row.outcome, row.last_error, row.attempts) == ("failed", "no luck", due_work.MOST_ATTEMPTS)
    assert row.finished_at is not None
    assert due_work.claim("ada", now=now + timedelta(days=1)) is None


def test_a_period_leaves_alone_what_was_just_given_up_and_a_person_does_not() -> None:
    DueWork.objects.create(kind="mail", key="k", due_at=NOW, finished_at=NOW, outcome="failed")
    hour, soon = timedelta(hours=1), NOW + timedelta(minutes=5)
    assert not due_work.schedule("mail", "k", due_at=soon, rest=hour)
    assert due_work.schedule("mail", "k", due_at=soon, is_asked=True)
    due_work.finish(claimed(now=soon), now=soon)
    assert due_work.schedule("mail", "k", due_at=soon, rest=hour)


def test_what_waits_after_a_failure_is_not_hurried_by_its_period_but_by_a_person() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    due_at = given_back(NOW).due_at
    due_work.schedule("mail", "k", due_at=NOW)
    assert DueWork.objects.get().due_at == due_at
    due_work.schedule("mail", "k", due_at=NOW, is_asked=True)
    row = DueWork.objects.get()
    assert (row.due_at, row.attempts) == (NOW, 0)


def test_work_whose_worker_dies_each_time_is_given_up() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    now = NOW
    for _ in range(due_work.MOST_ATTEMPTS):
        claimed(now=now)
        now += due_work.LEASE + timedelta(seconds=1)
    assert due_work.claim("bea", now=now) is None
    row = DueWork.objects.get()
    assert (row.outcome, row.last_error) == ("failed", due_work.GONE)


def test_kills_and_ramps_go_before_everything_and_nightly_work_lets_others_go_first() -> None:
    hour = timedelta(hours=1)
    slots = (
        ("test.nightly", "nightly", NOW - timedelta(minutes=1)),
        ("mail", "steady", NOW),
        ("test.kill", "kill", NOW + hour),
        ("test.intake", "intake", NOW + timedelta(minutes=9)),
    )
    for kind, key, due_at in slots:
        due_work.schedule(kind, key, due_at=due_at)
    assert [claimed(now=NOW + hour).key for _ in slots] == ["kill", "intake", "steady", "nightly"]


def test_nightly_work_waits_ten_minutes_for_others_and_no_longer() -> None:
    due_work.schedule("test.nightly", "nightly", due_at=NOW)
    due_work.schedule("mail", "steady", due_at=NOW + timedelta(minutes=11))
    assert claimed(now=NOW + timedelta(minutes=12)).key == "nightly"


def test_two_pieces_of_work_that_hold_the_same_never_run_at_once() -> None:
    held = due_work.WorkDetails(holds="state:1")
    due_work.schedule("mail", "one", due_at=NOW, details=held)
    due_work.schedule("mail", "two", due_at=NOW, details=held)
    due_work.schedule("mail", "free", due_at=NOW + timedelta(seconds=1))
    first = claimed("ada")
    later = NOW + timedelta(seconds=2)
    assert claimed("bea", later).key == "free"
    assert due_work.claim("bea", now=later) is None
    due_work.finish(first, now=later)
    assert claimed("bea", later).key == "two"


def test_a_kill_during_the_work_of_the_kill_before_is_followed_by_work_again() -> None:
    due_work.schedule("test.kill", "k", due_at=NOW)
    first = claimed()
    later = NOW + timedelta(seconds=1)
    assert not due_work.schedule("test.kill", "k", due_at=later)
    due_work.finish(first, now=later)
    assert claimed(now=later).key == "k"


def test_a_clock_that_jumps_ahead_takes_work_over_but_the_loser_changes_nothing() -> None:
    due_work.schedule("mail", "k", due_at=NOW)
    slow = claimed("ada")
    ahead = claimed("bea", NOW + timedelta(hours=3))
    with running.doing(slow), pytest.raises(running.LeaseLost), transaction.atomic():
        running.fence()
    assert not due_work.finish(slow, now=NOW)
    assert due_work.finish(ahead, now=NOW)


def test_a_clock_that_jumps_back_keeps_nobody_waiting_for_the_time_before() -> None:
    due_work.schedule("mail", "leased", due_at=NOW)
    due_work.schedule("mail", "failed", due_at=NOW)
    jumped = NOW + timedelta(days=1)
    claimed("dead", jumped)
    due_work.give_back(claimed("dead", jumped), error="no luck", now=jumped)
    assert {claimed(now=NOW).key, claimed(now=NOW).key} == {"leased", "failed"}


def test_only_the_last_few_of_what_was_done_are_kept() -> None:
    for number in range(due_work.KEPT_EACH + 5):
        at = NOW + timedelta(seconds=number)
        due_work.schedule("mail", "k", due_at=at)
        due_work.finish(claimed(now=at), now=at)
    assert due_work.forget_finished(before=NOW) == 5
    assert DueWork.objects.count() == due_work.KEPT_EACH
    assert not DueWork.objects.filter(finished_at=NOW).exists()


def test_work_runs_the_handler_of_its_kind() -> None:
    seen: list[tuple[Mapping[str, str], datetime]] = []

    @due_work.handles("test.greeting")
    def greet(payload: Mapping[str, str], now: datetime) -> None:
        seen.append((payload, now))

    due_work.schedule("test.greeting", "k", due_at=NOW, payload={"name": "Ada"})
    due_work.run(claimed(), now=NOW)
    assert seen == [({"name": "Ada"}, NOW)]
