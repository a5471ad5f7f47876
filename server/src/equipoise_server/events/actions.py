"""What takes events in and keeps them: accept, compact, forget, delete."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice
from uuid import UUID, uuid4

import msgspec

from equipoise_server.access import reads as access
from equipoise_server.events import inbox as inboxes
from equipoise_server.events import places
from equipoise_server.events.asking import EraseUnits, ask_erasure, first_units
from equipoise_server.events.compaction import watermarks
from equipoise_server.events.forgetting import Gone, When, forgets
from equipoise_server.events.holding import held
from equipoise_server.events.inbox import Batch, Inbox
from equipoise_server.events.leavings import delete_retired
from equipoise_server.events.pseudonyms import TakesBatches, hiding
from equipoise_server.events.quarantine_life import forget_quarantine, quarantine_lives
from equipoise_server.events.replaying import ReplayEvents, clear_replayed, preview_replay, replay
from equipoise_server.events.retention import Need, SetRetention, fill_retention_port, set_retention
from equipoise_server.events.rounds import compact
from equipoise_server.events.scrubbing import LONGEST_SECONDS, forget_others
from equipoise_server.events.segment import translate
from equipoise_server.events.terms import NO_TERMS, Terms
from equipoise_server.events.unit_scrubs import scrub_wanted
from equipoise_server.events.validation import MOST_EVENTS, Judged, judge
from equipoise_server.events.values import NOBODY, Acceptance, Event, SegmentBody, Sender

__all__ = [
    "NO_TERMS", "EraseUnits", "Gone", "Inbox", "Need", "ReplayEvents", "SetRetention", "TakesBatches",
    "Terms", "When", "accept",
    "accept_messages", "ask_erasure", "compact", "delete_retired", "fill_retention_port", "first_units",
    "forget_stored", "forgets", "hiding", "open_inbox", "preview_replay", "record", "replay",
    "set_retention",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a batch belongs, when it came, and from whom."""

    environment_id: UUID
    received_at: datetime
    sender: Sender = NOBODY
    is_trusted: bool = False


LOADED = Sender("", "import")
"""Whoever loads past events into this server from inside."""


def open_inbox() -> Inbox:
    """Claim this process's inbox file and start its writer."""
    inbox = inboxes.claim(places.inbox_directory(), new_name=lambda: uuid4().hex)
    inbox.start()
    return inbox


def accept(
    inbox: TakesBatches,
    environment_id: UUID,
    body: bytes,
    *,
    received_at: datetime,
    is_trusted: bool = False,
    sender: Sender = NOBODY,
    terms: Terms = NO_TERMS,
) -> tuple[Acceptance, Future[None]]:
    """Judge a batch and hand it to the writer; the verdicts hold once the future is done.

    Raises MalformedBody, InboxFull or InboxClosed; the future raises StorageFailed.
    """
    arrival = Arrival(environment_id, received_at, sender, is_trusted)
    return _keep(inbox, arrival, judge(body, terms))


def accept_messages(
    inbox: TakesBatches,
    environment_id: UUID,
    body: SegmentBody,
    *,
    received_at: datetime,
    sender: Sender = NOBODY,
    terms: Terms = NO_TERMS,
) -> tuple[Acceptance, Future[None]]:
    """As `accept`, for messages of Segment's tracking API."""
    translated = translate(body, received_at=received_at, terms=terms)
    acceptance, written = _keep(inbox, Arrival(environment_id, received_at, sender), translated.judged)
    return replace(acceptance, ignored=translated.ignored), written


def _keep(inbox: TakesBatches, arrival: Arrival, judged: Judged) -> tuple[Acceptance, Future[None]]:
    telling = judged.telling
    sender = replace(arrival.sender, program=telling.program or arrival.sender.program)
    batch = Batch(
        arrival.environment_id, arrival.received_at, judged.sent_at, arrival.is_trusted, judged.good,
        judged.good_count, judged.refused, sender, telling.told,
    )  # fmt: skip
    written = inbox.submit(batch)
    verdicts = tuple(refused.verdict for refused in judged.refused)
    return Acceptance(judged.good_count, verdicts, problems=telling.problems), written


def record(environment_id: UUID, events: Iterable[Event], *, now: datetime) -> None:
    """Put events of a trusted source, whose `at` is taken as given, durably into an inbox."""
    opened = open_inbox()
    try:
        inbox = hiding(opened, access.pseudonymised_by(environment_id))
        remaining = iter(events)
        while group := list(islice(remaining, MOST_EVENTS)):
            good = msgspec.json.encode(group)
            inbox.submit(Batch(environment_id, now, now, True, good, len(group), (), LOADED)).result()
    finally:
        opened.close()


def forget_stored(inbox: Inbox, *, now: datetime) -> None:
    """Let an inbox delete what the store holds, refused events past their life, and what erasures want."""
    through, waiting = watermarks().get(inbox.name, 0), held().get(inbox.name, ())
    lives = quarantine_lives()
    longest = max([inboxes.QUARANTINE_LIFE, *lives.values()])
    inbox.forget(through=0 if waiting else through, quarantine_before=now - longest)
    if waiting:
        inbox.do(partial(forget_others, through=through, waiting=waiting)).result(LONGEST_SECONDS)
    if lives:
        inbox.do(partial(forget_quarantine, lives=lives, now=now)).result(LONGEST_SECONDS)
    scrub_wanted(inbox, through, waiting, now=now)
    clear_replayed(inbox)
