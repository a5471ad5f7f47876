"""Quarantine: reasons, single events, and replays that take what is good now, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from people import a_member, an_outsider
from scenes import Shop, a_shop, environment_of
from wire import NOON, a_body, a_track, an_exposure

from equipoise_server.access.values import Role
from equipoise_server.audit.models import AuditRecord
from equipoise_server.events import actions, reads, replaying
from equipoise_server.events import inbox as inboxes
from equipoise_server.events.actions import ReplayEvents
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import Replay
from equipoise_server.events.repairs import repaired
from equipoise_server.events.values import (
    EventKind,
    EventNumbers,
    Fault,
    Repair,
    RepairKind,
    SegmentBody,
    Sender,
    Vocabulary,
)
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.django_db
WEB = Sender("web", "browser")
TO_USER = Repair(RepairKind.SET_UNIT_TYPE, "user")
LATER = NOON + timedelta(days=2)


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(inbox: Inbox, shop: Shop, *events: object, sent_at: datetime = NOON) -> None:
    body, environment = a_body(*events, sent_at=sent_at), environment_of(shop)
    actions.accept(inbox, environment.id, body, received_at=NOON, sender=WEB)[1].result(5)


def without(event: dict[str, object], member: str) -> dict[str, object]:
    return {name: value for name, value in event.items() if name != member}


def the_fault(shop: Shop) -> Fault:
    (fault,) = reads.quarantine_faults(environment_of(shop).id)
    return fault


def numbers(shop: Shop) -> EventNumbers:
    day = NOON.date()
    return reads.quality_of(environment_of(shop).id, since=day, until=day, now=NOON).numbers


def command(shop: Shop, *repairs: Repair, **given: object) -> ReplayEvents:
    return ReplayEvents(environment_of(shop).id, repairs=repairs, reason="the app is fixed", **given)  # type: ignore[arg-type]  # names of fields


def replay(shop: Shop, *repairs: Repair, **given: object) -> Replay:
    """Ask for a replay and do its work."""
    state = actions.replay(shop.owner, command(shop, *repairs, **given), now=LATER)
    replaying.do_replay(state.id, now=LATER)
    return Replay.objects.get(pk=state.id)


def stored(shop: Shop, kind: EventKind, columns: str) -> list[tuple[object, ...]]:
    actions.compact(now=LATER)
    files = reads.arrived_files(environment_of(shop).id, kind).files
    paths = [str(file.path) for file in files]
    if not paths:
        return []
    return duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?) ORDER BY ALL", [paths]).fetchall()


def test_reasons_are_grouped_with_their_senders_and_an_example_without_values(
    inbox: Inbox, shop: Shop
) -> None:
    post(inbox, shop, a_track(units={}), without(an_exposure("secret"), "unit_type"), a_track(units={}))
    first, second = reads.quarantine_faults(environment_of(shop).id)
    assert (first.events, first.kept, first.senders) == (2, 2, (WEB,))
    assert "length >= 1" in first.problems[0]
    assert (second.events, second.first_at, second.last_at) == (1, NOON, NOON)
    assert "secret" not in second.example
    assert "unit" in second.example
    listed = reads.quarantined_events(environment_of(shop).id, fault=first.key)
    assert len(listed) == 2
    assert reads.quarantined_event(environment_of(shop).id, listed[0].key) == listed[0]
    assert reads.quarantined_events(environment_of(shop).id, sender=Sender("other", "")) == ()


def test_a_repaired_event_is_taken_with_the_clock_and_the_day_it_came_with(inbox: Inbox, shop: Shop) -> None:
    slow = timedelta(hours=2)
    exposure = without(an_exposure("u9"), "unit_type")
    post(inbox, shop, {**exposure, "at": (NOON - slow).isoformat()}, sent_at=NOON - slow)
    done = replay(shop, TO_USER, fault=the_fault(shop).key)
    assert (done.chosen, done.accepted) == (1, 1)
    happened = NOON.replace(tzinfo=None)
    assert stored(shop, EventKind.EXPOSURE, "unit_type, unit, derived_at, is_late") == [
        ("user", "u9", happened, False)
    ]
    assert numbers(shop) == EventNumbers(1, 1, 0, 0, 0, 0, 0, 0, 1, 0)
    assert reads.quarantine_faults(environment_of(shop).id) == ()


def test_what_is_still_refused_stays_in_quarantine(inbox: Inbox, shop: Shop) -> None:
    bad = [without(an_exposure(f"u{n}"), "unit_type") for n in range(3)]
    post(inbox, shop, *bad, without({**an_exposure("", "x")}, "unit_type"))
    fault = the_fault(shop)
    asked = command(shop, TO_USER, fault=fault.key)
    preview = actions.preview_replay(shop.owner, asked)
    assert (preview.chosen, preview.kept, preview.accepted) == (4, 4, 3)
    assert preview.reasons == (("unit: must not be empty", 1),)
    assert numbers(shop).quarantined == 4, "a preview changes nothing"
    done = replay(shop, TO_USER, fault=fault.key)
    assert (done.chosen, done.accepted) == (4, 3)
    actions.compact(now=LATER)
    assert (numbers(shop).received, numbers(shop).accepted, numbers(shop).quarantined) == (4, 3, 1)
    assert the_fault(shop).events == 1


def test_a_replay_that_is_done_twice_counts_once(
    inbox: Inbox, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(inbox, shop, *[without(an_exposure(f"u{n}"), "unit_type") for n in range(3)])
    state = actions.replay(shop.owner, command(shop, TO_USER, fault=the_fault(shop).key), now=LATER)

    def killed(*_: object) -> None:
        raise RuntimeError("killed before the end was noted")

    with monkeypatch.context() as broken:
        broken.setattr(replaying, "_finish", killed)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                replaying.do_replay(state.id, now=LATER)
    for _ in range(2):
        replaying.do_replay(state.id, now=LATER)
    actions.compact(now=LATER)
    found = numbers(shop)
    assert (found.accepted, found.quarantined) == (3, 0)
    assert found.received == found.accepted + found.duplicates
    assert len(stored(shop, EventKind.EXPOSURE, "id")) == 3


def test_an_event_that_arrived_by_itself_meanwhile_is_a_duplicate(inbox: Inbox, shop: Shop) -> None:
    exposure = an_exposure("u1")
    post(inbox, shop, without(exposure, "unit_type"), exposure)
    replay(shop, TO_USER, fault=the_fault(shop).key)
    actions.compact(now=LATER)
    assert numbers(shop) == EventNumbers(2, 1, 1, 0, 0, 0, 0, 0, 0, 0)


def test_two_replays_never_hold_one_event(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, without(an_exposure(), "unit_type"))
    fault = the_fault(shop)
    actions.replay(shop.owner, command(shop, TO_USER, fault=fault.key), now=LATER)
    with pytest.raises(NotFound):
        actions.replay(shop.owner, command(shop, TO_USER, fault=fault.key), now=LATER)
    row = Replay.objects.get()
    with pytest.raises(Conflict):
        replaying._mark(row, [(inbox.name, 1)])


def test_single_events_may_be_chosen(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, *[without(an_exposure(f"u{n}"), "unit_type") for n in range(3)])
    chosen, *_ = reads.quarantined_events(environment_of(shop).id)
    assert replay(shop, TO_USER, events=(chosen.key, chosen.key)).accepted == 1
    actions.compact(now=LATER)
    assert (numbers(shop).accepted, numbers(shop).quarantined) == (1, 2)


def test_an_unknown_or_foreign_event_is_not_found(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, without(an_exposure(), "unit_type"))
    (event,) = reads.quarantined_events(environment_of(shop).id)
    development = environment_of(shop, "development").id
    with pytest.raises(NotFound):
        reads.quarantined_event(development, event.key)
    for key in ("nonsense", "a.b", ".1", f"{inbox.name}.99", f"{inbox.name}.{'9' * 30}", "conflict.7"):
        with pytest.raises(NotFound):
            reads.quarantined_event(environment_of(shop).id, key)
    with pytest.raises(NotFound):
        actions.replay(shop.owner, ReplayEvents(development, events=(event.key,)), now=LATER)


def test_a_replay_needs_the_permission_and_leaves_an_audit_record_without_values(
    inbox: Inbox, shop: Shop
) -> None:
    post(inbox, shop, without(an_exposure("secret"), "unit_type"))
    asked = command(shop, TO_USER, fault=the_fault(shop).key)
    for stranger in (a_member(shop.owner, shop.project, Role.VIEWER), an_outsider()):
        for refused in (actions.preview_replay, lambda actor, what: actions.replay(actor, what, now=LATER)):
            with pytest.raises(Forbidden):
                refused(stranger, asked)
    engineer = a_member(shop.owner, shop.project, Role.EXPERIMENTER)
    actions.replay(engineer, asked, now=LATER)
    record = AuditRecord.objects.order_by("-pk")[0]
    assert (record.action, record.reason) == ("quarantine.replay", "the app is fixed")
    assert "secret" not in json.dumps(record.changes)


@pytest.mark.parametrize(
    ("given", "repairs", "fields"),
    [
        ({}, (), {"events"}),
        ({"fault": "x", "events": ("y",)}, (), {"events"}),
        ({"fault": "x"}, (Repair(RepairKind.SET_UNIT_TYPE, "robot"),), {"repairs.0.new"}),
        ({"fault": "x"}, (Repair(RepairKind.RENAME_UNIT_TYPE, "user"),), {"repairs.0.old"}),
        ({"fault": "x"}, (Repair(RepairKind.RENAME_PROPERTY, "", ""),), {"repairs.0.old", "repairs.0.new"}),
        ({"fault": "x"}, (Repair(RepairKind.RENAME_MEMBER, "at", "at"),), {"repairs.0.new"}),
        ({"fault": "x"}, (TO_USER,) * 11, {"repairs"}),
        ({"events": tuple(map(str, range(10_001)))}, (), {"events"}),
    ],
)
def test_every_fault_of_a_command_is_told(
    shop: Shop, given: dict[str, object], repairs: tuple[Repair, ...], fields: set[str]
) -> None:
    with pytest.raises(Invalid) as refused:
        actions.preview_replay(shop.owner, command(shop, *repairs, **given))
    assert {problem.field for problem in refused.value.problems} == fields


def test_an_event_too_large_to_be_kept_is_counted_and_cannot_be_replayed(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, without(an_exposure(attributes={"text": "x" * 65_000}), "unit_type"))
    fault = the_fault(shop)
    assert (fault.events, fault.kept) == (1, 0)
    assert replay(shop, TO_USER, fault=fault.key).accepted == 0
    assert the_fault(shop).events == 1


def test_a_conflict_is_listed_and_cannot_be_replayed(inbox: Inbox, shop: Shop) -> None:
    track = a_track()
    post(inbox, shop, track, {**track, "value": 2.0})
    actions.compact(now=NOON)
    fault = the_fault(shop)
    assert (fault.events, fault.kept, fault.senders) == (1, 0, (WEB,))
    (event,) = reads.quarantined_events(environment_of(shop).id)
    assert reads.quarantined_event(environment_of(shop).id, event.key) == event
    with pytest.raises(NotFound):
        actions.preview_replay(shop.owner, command(shop, fault=fault.key))


def test_messages_of_segments_libraries_are_judged_again_by_what_runs_now(inbox: Inbox, shop: Shop) -> None:
    message = {
        "event": "Order Completed", "messageId": "m1", "anonymousId": "a1", "timestamp": NOON.isoformat(),
    }  # fmt: skip
    vocabulary = Vocabulary(["user", "account"])
    body = SegmentBody("track", json.dumps(message).encode(), vocabulary)
    actions.accept_messages(inbox, environment_of(shop).id, body, received_at=NOON)[1].result(5)
    assert "userId" in the_fault(shop).problems[0]
    assert replay(shop, fault=the_fault(shop).key, vocabulary=vocabulary).accepted == 0
    assert replay(shop, TO_USER, fault=the_fault(shop).key, vocabulary=vocabulary).accepted == 1
    assert stored(shop, EventKind.TRACK, "name, unit_type, unit") == [("Order Completed", "user", "a1")]


def test_an_inbox_forgets_what_was_replayed_and_nothing_else(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, without(an_exposure(), "unit_type"), a_track(units={}))
    first, second = reads.quarantined_events(environment_of(shop).id)
    chosen = first if "unit_type" in first.problems[0] else second
    replay(shop, TO_USER, events=(chosen.key,))
    for _ in range(2):
        actions.forget_stored(inbox, now=LATER)
    assert the_fault(shop).events == 1
    with pytest.raises(NotFound):
        reads.quarantined_event(environment_of(shop).id, chosen.key)


def test_too_many_refused_events_push_the_oldest_out(own_disk: Path, shop: Shop) -> None:
    claimed = inboxes.claim(own_disk / "inbox", new_name=lambda: "small")
    small = Inbox(claimed.path, claimed._lock_file, largest_quarantine_bytes=100_000)
    small.start()
    for number in range(30):
        post(small, shop, {"kind": "click", "n": number, "text": "x" * 9_000})
    small._untrimmed = inboxes.TRIM_AFTER_BYTES
    post(small, shop, {"kind": "click", "n": 30, "text": "x" * 9_000})
    small.close()
    assert 5 <= the_fault(shop).events <= 12
    actions.compact(now=NOON)
    assert numbers(shop).quarantined == 31, "what is counted stays counted"


@pytest.mark.parametrize(
    ("event", "repair", "expected"),
    [
        (
            {"units": {"usr": "1"}},
            Repair(RepairKind.RENAME_UNIT_TYPE, "user", "usr"),
            {"units": {"user": "1"}},
        ),
        ({"unit_type": "usr"}, Repair(RepairKind.RENAME_UNIT_TYPE, "user", "usr"), {"unit_type": "user"}),
        ({"properties": {"a": 1}}, Repair(RepairKind.RENAME_PROPERTY, "b", "a"), {"properties": {"b": 1}}),
        ({"properties": {"a": 1, "b": 2}}, Repair(RepairKind.RENAME_PROPERTY, "b", "a"), None),
        ({"time": "x"}, Repair(RepairKind.RENAME_MEMBER, "at", "time"), {"at": "x"}),
        ({"kind": "track", "unit": "1"}, TO_USER, {"kind": "track", "units": {"user": "1"}}),
        ({"kind": "track", "units": {"user": "1"}}, TO_USER, None),
        ({"kind": "exposure", "unit_type": "account"}, TO_USER, None),
        ({"units": 7}, Repair(RepairKind.RENAME_UNIT_TYPE, "user", "usr"), None),
    ],
)
def test_a_repair_changes_what_it_says_and_nothing_else(
    event: dict[str, object], repair: Repair, expected: dict[str, object] | None
) -> None:
    raw = json.dumps(event).encode()
    after = repaired(raw, "event", [repair])
    assert after == raw if expected is None else json.loads(after) == expected


@pytest.mark.parametrize("raw", [b"7", b"[]", b"{", b"\xff"])
def test_what_is_no_object_cannot_be_repaired(raw: bytes) -> None:
    assert repaired(raw, "event", [TO_USER]) == raw
