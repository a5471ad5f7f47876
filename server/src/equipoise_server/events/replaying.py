"""Replays: judge quarantined events again by the rules of now, and take what is good into the inbox.

A replay first marks its events in one transaction with its audit record. Its work is done later, at least
once, and counts once: an event keeps its id, and a batch of a replay its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from uuid import UUID, uuid4, uuid5

import msgspec
from django.db import IntegrityError

from equipoise_server.access import reads as access
from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.events import inbox as inboxes
from equipoise_server.events import places
from equipoise_server.events.inbox import Batch, Inbox
from equipoise_server.events.models import Replay, ReplayedEvent
from equipoise_server.events.quarantine import Quarantine, Sieve
from equipoise_server.events.repairs import KeptEvent, judge_again
from equipoise_server.events.rounds import compact
from equipoise_server.events.validation import Judged
from equipoise_server.events.values import (
    Repair,
    RepairKind,
    ReplayPreview,
    ReplayState,
    Sender,
    Told,
    Vocabulary,
)
from equipoise_server.foundation.due_work import schedule
from equipoise_server.foundation.exposure_tokens import TokenRing, TokenRule
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all

MOST_AT_ONCE = 10_000
MOST_REPAIRS = 10
REPLAY_KIND = "events.replay"
_AT_ONCE = 500
_MOST_REASONS = 10
_LONGEST_NAME = 200
_LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ReplayEvents:
    """Judge quarantined events of one reason again, or those that are named, after some repairs."""

    environment_id: UUID
    fault: str = ""
    events: tuple[str, ...] = ()
    repairs: tuple[Repair, ...] = ()
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    reason: str = ""


def preview_replay(actor: Actor, command: ReplayEvents) -> ReplayPreview:
    """What a replay would take, and why the rest would stay. Changes nothing. Raises Invalid or NotFound."""
    _check(actor, command)
    quarantine = quarantine_of(command.environment_id)
    chosen = _chosen(quarantine, command)
    accepted, kept = 0, 0
    reasons: Counter[str] = Counter()
    ring = _ring_of(command.environment_id)
    for event in quarantine.kept(chosen):
        kept += 1
        judged = judge_again(event, command.repairs, command.vocabulary, ring)
        accepted += judged.good_count
        reasons.update(problem for refused in judged.refused for problem in refused.verdict.problems)
    return ReplayPreview(len(chosen), kept, accepted, tuple(reasons.most_common(_MOST_REASONS)))


def replay(actor: Actor, command: ReplayEvents, *, now: datetime) -> ReplayState:
    """Mark the events and let a worker replay them. What is still refused then stays in quarantine."""
    _check(actor, command)
    chosen = _chosen(quarantine_of(command.environment_id), command)
    environment = access.environment(command.environment_id)
    subject = Subject("environment", environment.id, environment.key, environment.project_id, environment.id)
    with change(actor.author, "quarantine.replay", subject, now=now, reason=command.reason) as entry:
        row = Replay.objects.create(
            id=uuid4(), environment_id=environment.id, fault=command.fault,
            repairs=[asdict(repair) for repair in command.repairs],
            vocabulary=msgspec.to_builtins(command.vocabulary),
            author_name=actor.author.name, asked_at=now, chosen=len(chosen),
        )  # fmt: skip
        _mark(row, chosen)
        schedule(REPLAY_KIND, row.id.hex, due_at=now, payload={"replay_id": row.id.hex})
        entry.after = {
            "replay": row.id.hex, "events": len(chosen), "fault": command.fault, "repairs": row.repairs,
        }  # fmt: skip
    return _state(row)


def do_replay(replay_id: UUID, *, now: datetime) -> None:
    """Take the marked events that are good now; unmark the others. Doing it again changes nothing."""
    row = Replay.objects.filter(pk=replay_id, finished_at=None).first()
    if row is None:
        return
    compact(now=now)  # so that what is quarantined is counted before it is counted out
    quarantine = quarantine_of(row.environment_id)
    marked = list(row.events.order_by("inbox", "place").values_list("inbox", "place"))
    taken: list[tuple[str, int]] = []
    inbox = inboxes.claim(places.inbox_directory(), new_name=lambda: uuid4().hex)
    inbox.start()
    try:
        events = quarantine.kept(marked)
        while portion := list(islice(events, _AT_ONCE)):
            taken += _submit(inbox, row, portion)
    finally:
        inbox.close()
    _finish(row, taken, now)


def replays_of(environment_id: UUID, *, most: int = 20) -> tuple[ReplayState, ...]:
    """The newest replays of an environment."""
    rows = Replay.objects.filter(environment_id=environment_id).order_by("-asked_at")[:most]
    return tuple(_state(row) for row in rows)


def quarantine_of(environment_id: UUID) -> Quarantine:
    """An environment's refused events, without those that replays hold."""
    taken: dict[str, list[int]] = defaultdict(list)
    rows = ReplayedEvent.objects.filter(replay__environment_id=environment_id, is_cleared=False)
    for inbox, place in rows.values_list("inbox", "place"):
        taken[inbox].append(place)
    return Quarantine(places.inbox_directory(), environment_id, taken)


def clear_replayed(inbox: Inbox) -> None:
    """Let a file forget the events that replays have taken out of its quarantine."""
    rows = ReplayedEvent.objects.filter(inbox=inbox.name, is_cleared=False, replay__finished_at__isnull=False)
    cleared = list(rows.values_list("place", flat=True)[:MOST_AT_ONCE])
    if cleared:
        inbox.do(partial(_clear, cleared)).result(_LONGEST_WAIT_SECONDS)
        while cleared:
            portion, cleared = cleared[:_AT_ONCE], cleared[_AT_ONCE:]
            ReplayedEvent.objects.filter(inbox=inbox.name, place__in=portion).update(is_cleared=True)


def _clear(cleared: Sequence[int], database: sqlite3.Connection) -> int:
    found = database.execute(
        "DELETE FROM quarantine WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(cleared),)
    )
    return found.rowcount


def _check(actor: Actor, command: ReplayEvents) -> None:
    environment = access.environment(command.environment_id)
    actor.require(Permission.EVENT_REPLAY, environment.project_id)
    problems: list[Problem] = []
    if bool(command.fault) == bool(command.events):
        problems.append(Problem("events", "Name a reason (fault) or single events, not both."))
    if len(command.events) > MOST_AT_ONCE:
        problems.append(Problem("events", f"Name at most {MOST_AT_ONCE:,} events at once."))
    if len(command.repairs) > MOST_REPAIRS:
        problems.append(Problem("repairs", f"Make at most {MOST_REPAIRS} repairs at once."))
    types = access.project(environment.project_id).unit_types
    for index, repair in enumerate(command.repairs):
        problems += (
            Problem(f"repairs.{index}.{field}", told) for field, told in _repair_faults(repair, types)
        )
    refuse_all(Invalid, problems)


def _repair_faults(repair: Repair, unit_types: Sequence[str]) -> Iterator[tuple[str, str]]:
    is_about_units = repair.kind in (RepairKind.RENAME_UNIT_TYPE, RepairKind.SET_UNIT_TYPE)
    if is_about_units and repair.new not in unit_types:
        yield "new", f"Choose one of the project's unit types: {', '.join(unit_types)}."
    elif not 1 <= len(repair.new) <= _LONGEST_NAME:
        yield "new", f"Say in 1 to {_LONGEST_NAME} characters what it should be called."
    if repair.kind is not RepairKind.SET_UNIT_TYPE and not 1 <= len(repair.old) <= _LONGEST_NAME:
        yield "old", f"Say in 1 to {_LONGEST_NAME} characters what it is called in the events."
    elif repair.kind is not RepairKind.SET_UNIT_TYPE and repair.old == repair.new:
        yield "new", "It has this name already; give it another."


def _chosen(quarantine: Quarantine, command: ReplayEvents) -> tuple[tuple[str, int], ...]:
    if command.fault:
        chosen = quarantine.places(Sieve(fault=command.fault), most=MOST_AT_ONCE)
    else:
        chosen = tuple(_named(quarantine, command.events))
    if not chosen:
        told = "None of these events is in quarantine any more: each is replayed, being replayed, or gone."
        raise NotFound(Problem("fault" if command.fault else "events", told))
    return chosen


def _named(quarantine: Quarantine, keys: Iterable[str]) -> Iterator[tuple[str, int]]:
    for key in dict.fromkeys(keys):
        inbox, place = place_of(key)
        found = quarantine.one(inbox, place)
        if found is not None and not found.is_taken:
            yield inbox, place


def place_of(key: str) -> tuple[str, int]:
    """The inbox file and place that a quarantined event's key names. Raises NotFound."""
    inbox, _, place = key.rpartition(".")
    if not inbox or not (place.isascii() and place.isdigit()) or len(place) > 18:  # noqa: PLR2004  # SQLite's numbers
        raise NotFound(Problem("events", f"“{key[:80]}” is no quarantined event's key."))
    return inbox, int(place)


def _mark(row: Replay, chosen: Iterable[tuple[str, int]]) -> None:
    marks = [ReplayedEvent(replay=row, inbox=inbox, place=place) for inbox, place in chosen]
    try:
        ReplayedEvent.objects.bulk_create(marks, batch_size=_AT_ONCE)
    except IntegrityError as clash:
        told = "Another replay has just taken some of these events. Wait until it is done, then look again."
        raise Conflict(Problem("events", told)) from clash


def _submit(inbox: Inbox, row: Replay, portion: Sequence[KeptEvent]) -> list[tuple[str, int]]:
    """Make those of a portion durable that are good, each with the clock of its first batch."""
    repairs = [Repair(RepairKind(one["kind"]), one["new"], one["old"]) for one in row.repairs]
    vocabulary, ring = msgspec.convert(row.vocabulary, Vocabulary), _ring_of(row.environment_id)
    good: dict[tuple[datetime, datetime, bool, Sender], list[tuple[KeptEvent, Judged]]] = defaultdict(list)
    for event in portion:
        judged = judge_again(event, repairs, vocabulary, ring)
        if judged.good_count == 1:
            good[event.received_at, event.sent_at, event.is_trusted, event.sender].append((event, judged))
    for future in [inbox.submit(_batch(row, group)) for group in good.values()]:
        future.result(_LONGEST_WAIT_SECONDS)
    return [(event.inbox, event.place) for group in good.values() for event, _ in group]


def _ring_of(environment_id: UUID) -> TokenRing | None:
    """Who judges tokens, where exposures from client keys need one now."""
    environment = access.environment(environment_id)
    if environment.exposure_tokens is not TokenRule.REQUIRED:
        return None
    project = access.project(environment.project_id)
    return TokenRing(project.key, environment.key, True, access.token_keys(environment.id))


def _batch(row: Replay, group: Sequence[tuple[KeptEvent, Judged]]) -> Batch:
    first, _ = group[0]
    named = ",".join(f"{event.inbox}.{event.place}" for event, _ in group)
    told = Told(uuid5(row.id, named), {}, released=len(group))
    good = b"[" + b",".join(judged.good[1:-1] for _, judged in group) + b"]"
    return Batch(
        row.environment_id, first.received_at, first.sent_at, first.is_trusted, good, len(group), (),
        first.sender, told,
    )  # fmt: skip


def _finish(row: Replay, taken: Sequence[tuple[str, int]], now: datetime) -> None:
    held = set(taken)
    left = [mark.pk for mark in row.events.all() if (mark.inbox, mark.place) not in held]
    while left:
        portion, left = left[:_AT_ONCE], left[_AT_ONCE:]
        ReplayedEvent.objects.filter(pk__in=portion).delete()
    Replay.objects.filter(pk=row.pk).update(finished_at=now, accepted=len(taken))


def _state(row: Replay) -> ReplayState:
    repairs = tuple(Repair(RepairKind(one["kind"]), one["new"], one["old"]) for one in row.repairs)
    return ReplayState(
        row.id, row.fault, repairs, row.author_name, row.asked_at, row.chosen, row.accepted, row.finished_at
    )
