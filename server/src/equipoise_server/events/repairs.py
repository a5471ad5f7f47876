"""Stated repairs of refused events, and their verdict by the rules of now.

Pure. A repair says where something is, never what it is worth: it renames, or names a missing unit type.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.events.segment import SEGMENT_FORM, translate
from equipoise_server.events.terms import Terms, needed_a_token
from equipoise_server.events.validation import Judged, judge_events
from equipoise_server.events.values import (
    MalformedBody,
    Repair,
    RepairKind,
    SegmentBody,
    Sender,
    Vocabulary,
)
from equipoise_server.foundation.exposure_tokens import TokenRing


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A refused event as it came, and what its batch said of it."""

    inbox: str
    place: int
    received_at: datetime
    sent_at: datetime
    is_trusted: bool
    sender: Sender
    form: str
    raw: bytes
    problems: tuple[str, ...] = ()


def judge_again(
    event: KeptEvent, repairs: Sequence[Repair], vocabulary: Vocabulary, ring: TokenRing | None = None
) -> Judged:
    """The verdict on one event after repairs; the clock of its batch stays what it was.

    ring: judges tokens, of those events that needed one when they came.
    """
    raw = repaired(event.raw, event.form, repairs)
    known = frozenset(vocabulary.unit_types) or None
    judge = ring if needed_a_token(event.problems) else None
    terms = Terms(known, judge, event.received_at.timestamp())
    if event.form != SEGMENT_FORM:
        return judge_events(event.sent_at, [raw], terms)
    body = SegmentBody("batch", b'{"batch":[' + raw + b"]}", vocabulary)
    try:
        return translate(body, received_at=event.received_at, terms=terms).judged
    except MalformedBody:
        return judge_events(event.sent_at, [raw], terms)


def repaired(raw: bytes, form: str, repairs: Sequence[Repair]) -> bytes:
    """The event with every repair in its turn; the very bytes where none applies."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    if not isinstance(event, dict):
        return raw
    before = json.dumps(event)
    for repair in repairs:
        _APPLY[repair.kind](event, repair, form == SEGMENT_FORM)
    after = json.dumps(event)
    return raw if after == before else after.encode()


def _rename_unit_type(event: dict[str, object], repair: Repair, is_message: bool) -> None:
    context = event.get("context")
    around = context if is_message and isinstance(context, dict) else event
    _rename(around.get("units"), repair)
    for member in ("unit_type", "cluster_type"):
        if event.get(member) == repair.old:
            event[member] = repair.new


def _rename_property(event: dict[str, object], repair: Repair, _is_message: bool) -> None:
    for member in ("properties", "attributes"):
        _rename(event.get(member), repair)


def _rename_member(event: dict[str, object], repair: Repair, _is_message: bool) -> None:
    _rename(event, repair)


def _set_unit_type(event: dict[str, object], repair: Repair, is_message: bool) -> None:
    """Name the type of a unit that came without one; what says its type is left alone."""
    if is_message:
        context = event.setdefault("context", {})
        unit = event.get("userId") or event.get("anonymousId")
        if isinstance(context, dict) and unit is not None:
            units = context.setdefault("units", {})
            if isinstance(units, dict):
                units.setdefault(repair.new, unit)
    elif event.get("kind") == "exposure":
        event.setdefault("unit_type", repair.new)
    elif not event.get("units") and "unit" in event:
        event["units"] = {repair.new: event.pop("unit")}


def _rename(members: object, repair: Repair) -> None:
    """Give a member its other name, unless something has that already."""
    if isinstance(members, dict) and repair.old in members and repair.new not in members:
        members[repair.new] = members.pop(repair.old)


_APPLY = {
    RepairKind.RENAME_UNIT_TYPE: _rename_unit_type,
    RepairKind.RENAME_PROPERTY: _rename_property,
    RepairKind.RENAME_MEMBER: _rename_member,
    RepairKind.SET_UNIT_TYPE: _set_unit_type,
}
