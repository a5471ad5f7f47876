"""Data quality: what became of an environment's events, why some are set aside, and replaying those."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Query, Router, Schema, Status

from equipoise_server.access.values import Environment
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import MOST_ITEMS, Page, Strict, environment_of, project_of
from equipoise_server.events import actions
from equipoise_server.events import reads as events
from equipoise_server.events.values import (
    EventQuality,
    Fault,
    QuarantinedDetail,
    Repair,
    RepairKind,
    ReplayPreview,
    ReplayState,
    Sender,
    SenderOfEvents,
)
from equipoise_server.snapshots import reads as snapshots

router = Router(tags=["data quality"])
PLACE = "/projects/{project}/environments/{environment}"
MOST_DAYS = 90


class QualityQuery(Schema):
    """How far back."""

    days: int = Field(7, ge=1, le=MOST_DAYS, description="Today and the UTC days before it.")


class FaultQuery(Schema):
    """Of whom; leave both out for everybody."""

    sender_key: str | None = Field(None, description="The name of an SDK key.")
    program: str | None = Field(None, description="What the sender calls itself.")


class EventsQuery(FaultQuery):
    """Which events, the newest first."""

    fault: str | None = Field(None, description="The key of a reason.")
    limit: int = Field(50, ge=1, le=MOST_ITEMS)


class NumbersShape(Schema):
    """received = accepted + duplicates + quarantined + waiting + erased; the others do not add to it."""

    received: int
    accepted: int
    duplicates: int
    quarantined: int = Field(description="Refused, or in conflict; less what was replayed.")
    waiting: int = Field(description="Durable, not yet in the store.")
    erased: int = Field(description="About nobody but erased units, so not stored.")
    late: int = Field(description="Of the accepted: over 7 days old on arrival.")
    early: int = Field(description="Of the accepted: over an hour in the future on arrival.")
    corrected: int = Field(
        description="Sent by a clock that was over a minute off; their time was put right."
    )
    dropped: int = Field(description="Lost by senders before they arrived, as far as they tell.")


class DayShape(Schema):
    """What arrived on one UTC day."""

    day: date
    numbers: NumbersShape


class SenderShape(Schema):
    """One sender: the name of its SDK key and what the program calls itself; empty where unknown."""

    sender_key: str
    program: str
    numbers: NumbersShape
    losses: dict[str, int] = Field(description="What it says it lost, by reason.")
    last_received_at: datetime | None
    clock_ahead_seconds: float = Field(description="The most by which its clock was ahead.")
    clock_behind_seconds: float = Field(
        description="The most by which its clock was behind, or a batch late."
    )


class DataQualityShape(Schema):
    """What became of the events that arrived on some days, at one instant."""

    since: date
    until: date
    numbers: NumbersShape
    losses: dict[str, int]
    last_received_at: datetime | None
    newest_event_at: datetime | None
    waiting_since: datetime | None = Field(description="When the oldest event came that waits for the store.")
    waits_for: str = Field(description="Why events wait and the way out, when the project's key is missing.")
    days: list[DayShape]
    senders: list[SenderShape]


class SenderName(Schema):
    """Who sent."""

    sender_key: str
    program: str


class FaultShape(Schema):
    """Events in quarantine with just the same faults."""

    key: str
    problems: list[str]
    events: int
    kept: int = Field(description="How many of them can be judged again.")
    first_at: datetime
    last_at: datetime
    senders: list[SenderName]
    example: str = Field(description="One of them, its values redacted.")


class QuarantinedShape(Schema):
    """One event in quarantine."""

    key: str
    received_at: datetime
    sent_at: datetime | None
    sender_key: str
    program: str
    problems: list[str]
    event: str = Field(description="Its shape and names; its values are redacted.")
    is_kept: bool = Field(description="Whether it can be judged again.")
    is_taken: bool = Field(description="Whether a replay holds it.")


class RepairShape(Strict):
    """What to put right before an event is judged again."""

    kind: Literal["rename_unit_type", "rename_property", "rename_member", "set_unit_type"]
    old: str = Field("", description="What it is called in the events; empty for set_unit_type.")
    new: str = Field(description="What it should be called; for units, a unit type of the project.")


class NewReplay(Strict):
    """All events of one reason, or single ones; at most 10,000 at once."""

    fault: str = Field("", description="The key of a reason.")
    events: list[str] = Field([], description="Keys of events, in place of a reason.")
    repairs: list[RepairShape] = []
    reason: str = ""


class PreviewShape(Schema):
    """Of `chosen` events `kept` can be judged again, and `accepted` would be good."""

    chosen: int
    kept: int
    accepted: int
    reasons: dict[str, int] = Field(description="Why others would stay, with how many.")


class ReplayShape(Schema):
    """A replay; unfinished, it waits for a worker."""

    id: UUID
    fault: str
    repairs: list[RepairShape]
    author: str
    asked_at: datetime
    chosen: int
    accepted: int
    finished_at: datetime | None


@router.get(PLACE + "/data-quality", response=DataQualityShape)
def get_data_quality(
    request: HttpRequest, project: str, environment: str, query: Query[QualityQuery]
) -> dict[str, object]:
    """Six numbers that add up, by day and by sender."""
    now = timezone.now()
    place = _place(request, project, environment)
    since = now.date() - timedelta(days=query.days - 1)
    found = _quality(events.quality_of(place.id, since=since, until=now.date(), now=now))
    return {**found, "waits_for": events.waiting_for_key(place.id)}


@router.get(PLACE + "/quarantine", response=Page[FaultShape])
def list_quarantine_faults(
    request: HttpRequest, project: str, environment: str, query: Query[FaultQuery]
) -> dict[str, object]:
    """Why events are in quarantine: 200 reasons, the most frequent first."""
    place = _place(request, project, environment)
    found = events.quarantine_faults(place.id, sender=_sender(query))
    return _whole([_fault(one) for one in found[:MOST_ITEMS]])


@router.get(PLACE + "/quarantine/events", response=Page[QuarantinedShape])
def list_quarantined_events(
    request: HttpRequest, project: str, environment: str, query: Query[EventsQuery]
) -> dict[str, object]:
    """Events in quarantine, the newest first."""
    place = _place(request, project, environment)
    found = events.quarantined_events(place.id, fault=query.fault, sender=_sender(query), most=query.limit)
    return _whole([_event(one) for one in found])


@router.get(PLACE + "/quarantine/events/{event}", response=QuarantinedShape)
def get_quarantined_event(
    request: HttpRequest, project: str, environment: str, event: str
) -> dict[str, object]:
    """One event in quarantine."""
    return _event(events.quarantined_event(_place(request, project, environment).id, event))


@router.post(PLACE + "/quarantine/preview", response=PreviewShape)
def preview_replay(
    request: HttpRequest, project: str, environment: str, body: NewReplay
) -> dict[str, object]:
    """What a replay would accept, and why the rest would stay. Changes nothing."""
    command = _command(_place(request, project, environment), body)
    return _preview(actions.preview_replay(actor_of(request), command))


@router.post(PLACE + "/quarantine/replays", response={202: ReplayShape})
def replay_events(
    request: HttpRequest, project: str, environment: str, body: NewReplay
) -> Status[dict[str, object]]:
    """Judge events of the quarantine again; the worker takes what is good, and the rest stays."""
    command = _command(_place(request, project, environment), body)
    return Status(202, _replay(actions.replay(actor_of(request), command, now=timezone.now())))


@router.get(PLACE + "/quarantine/replays", response=Page[ReplayShape])
def list_replays(request: HttpRequest, project: str, environment: str) -> dict[str, object]:
    """The newest 20 replays, the newest first."""
    found = events.replays_of(_place(request, project, environment).id)
    return _whole([_replay(one) for one in found])


def _whole(items: list[dict[str, object]]) -> dict[str, object]:
    """A list in an order of its own, without a next page: what comes first is what matters."""
    return {"items": items, "next_cursor": None}


def _place(request: HttpRequest, project: str, environment: str) -> Environment:
    return environment_of(project_of(request, project), environment)


def _sender(query: FaultQuery) -> Sender | None:
    if query.sender_key is None and query.program is None:
        return None
    return Sender(query.sender_key or "", query.program or "")


def _command(place: Environment, body: NewReplay) -> actions.ReplayEvents:
    repairs = tuple(Repair(RepairKind(one.kind), one.new, one.old) for one in body.repairs)
    return actions.ReplayEvents(
        place.id, body.fault, tuple(body.events), repairs, snapshots.vocabulary(place.id), body.reason
    )


def _quality(found: EventQuality) -> dict[str, object]:
    return {
        "since": found.since, "until": found.until, "numbers": found.numbers, "losses": found.losses,
        "last_received_at": found.freshness.last_received_at,
        "newest_event_at": found.freshness.newest_event_at,
        "waiting_since": found.freshness.waiting_since,
        "days": found.days, "senders": [_sender_line(line) for line in found.senders],
    }  # fmt: skip


def _sender_line(line: SenderOfEvents) -> dict[str, object]:
    return {
        "sender_key": line.sender.key, "program": line.sender.program, "numbers": line.numbers,
        "losses": line.losses, "last_received_at": line.last_received_at,
        "clock_ahead_seconds": line.furthest_ahead.total_seconds(),
        "clock_behind_seconds": line.furthest_behind.total_seconds(),
    }  # fmt: skip


def _fault(fault: Fault) -> dict[str, object]:
    return {
        "key": fault.key, "problems": fault.problems, "events": fault.events, "kept": fault.kept,
        "first_at": fault.first_at, "last_at": fault.last_at, "example": fault.example,
        "senders": [{"sender_key": one.key, "program": one.program} for one in fault.senders],
    }  # fmt: skip


def _event(event: QuarantinedDetail) -> dict[str, object]:
    return {
        "key": event.key, "received_at": event.received_at, "sent_at": event.sent_at,
        "sender_key": event.sender.key, "program": event.sender.program, "problems": event.problems,
        "event": event.event, "is_kept": event.is_kept, "is_taken": event.is_taken,
    }  # fmt: skip


def _preview(preview: ReplayPreview) -> dict[str, object]:
    return {
        "chosen": preview.chosen, "kept": preview.kept, "accepted": preview.accepted,
        "reasons": dict(preview.reasons),
    }  # fmt: skip


def _replay(state: ReplayState) -> dict[str, object]:
    repairs = [{"kind": one.kind, "old": one.old, "new": one.new} for one in state.repairs]
    return {
        "id": state.id, "fault": state.fault, "repairs": repairs, "author": state.author,
        "asked_at": state.asked_at, "chosen": state.chosen, "accepted": state.accepted,
        "finished_at": state.finished_at,
    }  # fmt: skip
