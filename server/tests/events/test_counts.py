"""Six numbers by day and sender: they add up, and what senders lost counts once per batch that arrived."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import NOON, SHOP, a_track

from equipoise_server.events import actions, counts, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import EventCounter, ToldBatch
from equipoise_server.events.values import DropReason, EventNumbers, EventQuality, Sender

pytestmark = pytest.mark.django_db
TODAY = NOON.date()
WEB, APP = Sender("web", "browser"), Sender("app", "equipoise-python")


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(
    inbox: Inbox,
    *events: object,
    who: Sender = WEB,
    at: datetime = NOON,
    environment: UUID = SHOP,
    sent_at: datetime | None = None,
    **members: object,
) -> tuple[str, ...]:
    """Post a batch; what it was told beside its verdicts."""
    body = json.dumps({"sent_at": (sent_at or at).isoformat(), "events": events, **members}).encode()
    accepted, written = actions.accept(inbox, environment, body, received_at=at, sender=who)
    written.result(5)
    return accepted.problems


def quality(since: date = TODAY, until: date = TODAY, environment: UUID = SHOP) -> EventQuality:
    return reads.quality_of(environment, since=since, until=until, now=NOON)


def adds_up(numbers: EventNumbers) -> bool:
    parts = numbers.accepted + numbers.duplicates + numbers.quarantined + numbers.waiting + numbers.erased
    return numbers.received == parts and numbers.late + numbers.early <= numbers.accepted


def test_each_sender_and_day_has_its_own_numbers(inbox: Inbox) -> None:
    yesterday = NOON - timedelta(days=1)
    track = a_track()
    post(inbox, track, track, "junk")
    post(inbox, {**track, "value": 2.0}, a_track(), who=APP)
    post(inbox, a_track(at=yesterday.isoformat()), who=APP, at=yesterday)
    actions.compact(now=NOON)
    post(inbox, a_track(), "junk", who=APP)
    found = quality(since=TODAY - timedelta(days=2))
    assert found.numbers == EventNumbers(8, 3, 1, 3, 1, 0, 0, 0, 0, 0)
    assert [day.numbers.received for day in found.days] == [0, 1, 7]
    assert {line.sender: line.numbers.received for line in found.senders} == {WEB: 3, APP: 5}
    assert {line.sender: line.numbers.quarantined for line in found.senders} == {WEB: 1, APP: 2}


def test_losses_count_once_however_often_their_batch_arrives(inbox: Inbox) -> None:
    told = {"batch": str(uuid4()), "dropped": {"queue_full": 3, "refused": 2}}
    for _ in range(3):
        post(inbox, a_track(), **told)
    actions.compact(now=NOON)
    post(inbox, a_track(), **told)
    post(inbox, batch=str(uuid4()), dropped={"queue_full": 1, "cosmic_rays": 4})
    actions.compact(now=NOON)
    found = quality()
    assert found.numbers.dropped == 10
    assert found.losses == {DropReason.QUEUE_FULL: 4, DropReason.REFUSED: 2, DropReason.OTHER: 4}
    assert found.numbers.received == 4, "what was dropped never arrived"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"dropped": {"queue_full": 1}}, "batch"),
        ({"dropped": {"queue_full": 1}, "batch": "seven"}, "batch"),
        ({"dropped": {"queue_full": -1}, "batch": str(uuid4())}, "dropped"),
        ({"dropped": {"queue_full": True}, "batch": str(uuid4())}, "dropped"),
        ({"dropped": [1], "batch": str(uuid4())}, "dropped"),
        ({"dropped": {str(n): 1 for n in range(17)}, "batch": str(uuid4())}, "dropped"),
        ({"dropped": {"queue_full": 10**10}, "batch": str(uuid4())}, "dropped"),
        ({"sender": "<script>"}, "sender"),
        ({"sender": 7}, "sender"),
    ],
)
def test_what_is_not_understood_beside_the_events_is_told_and_costs_none(
    inbox: Inbox, members: dict[str, object], field: str
) -> None:
    (problem,) = post(inbox, a_track(), **members)
    assert problem.startswith(f"{field}: ")
    actions.compact(now=NOON)
    assert (quality().numbers.accepted, quality().numbers.dropped) == (1, 0)


def test_a_batch_with_text_that_is_not_unicode_still_tells_its_losses(inbox: Inbox) -> None:
    post(inbox, a_track(name="\ud800"), batch=str(uuid4()), dropped={"invalid": 2}, who=APP)
    actions.compact(now=NOON)
    assert (quality().numbers.quarantined, quality().numbers.dropped) == (1, 2)


def test_a_program_may_name_itself(inbox: Inbox) -> None:
    body = json.dumps({"sent_at": NOON.isoformat(), "events": [], "sender": "till/2.3"}).encode()
    actions.accept(inbox, SHOP, body, received_at=NOON, sender=WEB)[1].result(5)
    actions.compact(now=NOON)
    assert [line.sender for line in quality().senders] == [Sender("web", "till/2.3")]


def test_clocks_that_are_off_are_counted_with_how_far(inbox: Inbox) -> None:
    post(inbox, a_track(), a_track(), sent_at=NOON + timedelta(minutes=5))
    post(inbox, a_track(), sent_at=NOON - timedelta(hours=3), who=APP)
    post(inbox, a_track(), sent_at=NOON - timedelta(seconds=60))
    actions.compact(now=NOON)
    found = quality()
    assert found.numbers.corrected == 3
    assert (found.furthest_ahead, found.furthest_behind) == (timedelta(minutes=5), timedelta(hours=3))
    assert {line.sender: line.numbers.corrected for line in found.senders} == {WEB: 2, APP: 1}


def test_freshness_says_what_came_last_and_what_waits(inbox: Inbox) -> None:
    minute = timedelta(minutes=1)
    assert quality().freshness.last_received_at is None
    post(inbox, a_track(at=(NOON - minute).isoformat()))
    assert quality().freshness.waiting_since == NOON
    actions.compact(now=NOON)
    found = quality().freshness
    assert (found.last_received_at, found.newest_event_at, found.waiting_since) == (NOON, NOON - minute, None)


def test_a_day_names_fifty_senders_and_the_rest_as_others(inbox: Inbox) -> None:
    for number in range(counts.MOST_SENDERS + 7):
        post(inbox, a_track(), who=Sender("public", f"made-up-{number:02}"))
    actions.compact(now=NOON)
    post(inbox, a_track(), who=Sender("public", "made-up-00"))
    actions.compact(now=NOON)
    lines = {line.sender: line.numbers.accepted for line in quality().senders}
    assert len(lines) == counts.MOST_SENDERS + 1
    assert (lines[counts.OTHERS], lines[Sender("public", "made-up-00")]) == (7, 2)


def test_which_batches_were_counted_is_forgotten_when_nobody_sends_them_any_more(inbox: Inbox) -> None:
    post(inbox, batch=str(uuid4()), dropped={"invalid": 1})
    actions.compact(now=NOON)
    counts.forget_told(now=NOON + counts.TOLD_LIFE)
    assert ToldBatch.objects.count() == 1
    counts.forget_told(now=NOON + counts.TOLD_LIFE + timedelta(seconds=1))
    assert ToldBatch.objects.count() == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_the_numbers_are_those_of_the_senders_and_add_up(
    inbox: Inbox, data: st.DataObject
) -> None:
    environment = uuid4()
    pool = [a_track(f"u{n}", at=(NOON - timedelta(days=3 * n)).isoformat()) for n in range(5)]
    kinds = st.one_of(st.sampled_from(pool), st.just("junk"), st.just({**pool[0], "value": 9.0}))
    sent: Counter[tuple[date, Sender]] = Counter()
    tellings: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        events = data.draw(st.lists(kinds, max_size=6))
        sender, day = data.draw(st.sampled_from([WEB, APP])), data.draw(st.integers(0, 2))
        batch = data.draw(st.sampled_from([str(UUID(int=environment.int ^ n)) for n in range(3)]))
        tellings.setdefault(batch, data.draw(st.integers(0, 9)))
        at = NOON - timedelta(days=day)
        post(inbox, *events, who=sender, at=at, environment=environment, batch=batch,
             dropped={"queue_full": tellings[batch]})  # fmt: skip
        sent[at.date(), sender] += len(events)
        if data.draw(st.booleans()):
            actions.compact(now=NOON)
        found = quality(TODAY - timedelta(days=3), TODAY, environment)
        assert all(map(adds_up, (found.numbers, *(day.numbers for day in found.days))))
        assert found.numbers.received == sum(sent.values())
    actions.compact(now=NOON)
    found = quality(TODAY - timedelta(days=3), TODAY, environment)
    assert found.numbers.dropped == sum(tellings.values())
    for day in found.days:
        assert day.numbers.received == sum(n for (on, _), n in sent.items() if on == day.day)
    for line in found.senders:
        assert line.numbers.received == sum(n for (_, who), n in sent.items() if who == line.sender)
    total = EventCounter.objects.get(environment_id=environment)
    assert (total.stored, total.late) == (found.numbers.accepted, found.numbers.late)
