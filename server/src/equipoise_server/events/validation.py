"""Which events are good: decoding, limits and a verdict per event.

Pure. Knows the wire format (docs/reference/events.md) and the terms that it is given; refuses to know who
sent it or where it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from equipoise_server.events.fault_words import fault_in_words
from equipoise_server.events.telling import NOTHING_TOLD, Telling, read_telling
from equipoise_server.events.terms import NO_TERMS, Terms
from equipoise_server.events.values import (
    EARLIEST,
    LARGEST_BODY,
    LARGEST_VALUE,
    LATEST,
    LONGEST_UNIT_BYTES,
    Event,
    Exposure,
    Instant,
    MalformedBody,
    QuarantinedEvent,
    Unit,
)

MOST_EVENTS = 1_000
DEEPEST = 32
LARGEST_KEPT = 64_000
"""Bytes of a refused event that are kept as they came."""
EVENT_FORM = "event"
_LONGEST_REDACTED = 2_000


class _Envelope(msgspec.Struct):
    sent_at: Instant
    events: msgspec.Raw
    batch: msgspec.Raw = msgspec.Raw(b"null")
    dropped: msgspec.Raw = msgspec.Raw(b"null")
    sender: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused event, its faults, and what may be kept of it."""

    verdict: QuarantinedEvent
    redacted: str
    raw: bytes | None = None
    """The event as it came, to be judged again; None where it may not be kept, or is too large."""
    form: str = EVENT_FORM


@dataclass(frozen=True, slots=True)
class Judged:
    """A body read: the good events as one JSON array of the bytes received, and the refused ones."""

    sent_at: datetime
    good: bytes
    good_count: int
    refused: tuple[Refused, ...]
    telling: Telling = NOTHING_TOLD


_envelope = msgspec.json.Decoder(_Envelope)
_events = msgspec.json.Decoder(list[Event])
_raw_events = msgspec.json.Decoder(list[msgspec.Raw])
_event = msgspec.json.Decoder(Event)
# json.JSONDecodeError is a ValueError, as are msgspec's errors and UnicodeDecodeError.
_UNREADABLE = (ValueError, RecursionError)


def judge(body: bytes, terms: Terms = NO_TERMS) -> Judged:
    """Read a body and give each event its verdict. Raises MalformedBody when there is nothing to judge."""
    if len(body) > LARGEST_BODY:
        raise MalformedBody(f"The body has {len(body)} bytes; send at most {LARGEST_BODY} at once.")
    try:
        envelope = _read(body)
        raws = _raw_events.decode(envelope.events)
    except _UNREADABLE as fault:
        raise MalformedBody(
            f"The body is not {{sent_at, events: […]}}: {_sentence(fault)}. See docs/reference/events.md."
        ) from fault
    if len(raws) > MOST_EVENTS:
        raise MalformedBody(f"The body has {len(raws)} events; send at most {MOST_EVENTS} at once.")
    if not EARLIEST <= envelope.sent_at < LATEST:
        raise MalformedBody("sent_at must lie between the years 2000 and 2100.")
    telling = read_telling(envelope.batch, envelope.dropped, envelope.sender)
    if _all_good(envelope.events, terms):
        return Judged(envelope.sent_at, bytes(envelope.events), len(raws), (), telling)
    return replace(_judge_each(envelope.sent_at, raws, terms), telling=telling)


def judge_events(sent_at: datetime, events: Sequence[bytes], terms: Terms = NO_TERMS) -> Judged:
    """Give each event its verdict, where something else than the body of an SDK was read."""
    return _judge_each(sent_at, [msgspec.Raw(event) for event in events], terms)


def decode_good(body: bytes) -> list[Event]:
    """The events of a body that was judged good."""
    return _events.decode(body)


def canonical_unit(unit: Unit) -> str:
    """A unit id as it is kept: integers become their decimals."""
    return unit if isinstance(unit, str) else str(unit)


def faults(event: Event) -> Iterator[str]:
    """What the type alone cannot say about an event, one sentence each."""
    if not EARLIEST <= event.at < LATEST:
        yield "at: must lie between the years 2000 and 2100"
    if isinstance(event, Exposure):
        if fault := _unit_fault(event.unit):
            yield f"unit: {fault}"
        if fault := _cluster_fault(event):
            yield f"cluster: {fault}"
        if _is_too_deep(event.attributes):
            yield f"attributes: nested deeper than {DEEPEST} levels"
        return
    for unit_type, unit in event.units.items():
        if fault := _unit_fault(unit):
            yield f"units.{unit_type}: {fault}"
    if event.value is not None and abs(event.value) > LARGEST_VALUE:
        yield f"value: must lie within ±{LARGEST_VALUE:g}"
    if _is_too_deep(event.properties):
        yield f"properties: nested deeper than {DEEPEST} levels"


def redacted(raw: bytes) -> str:
    """What may be kept of a refused event: its shape and names, no value of a unit or property."""
    try:
        shape = _redacted(msgspec.json.decode(raw), depth=0)
    except _UNREADABLE:
        return "(not JSON)"
    return json.dumps(shape)[:_LONGEST_REDACTED]


def kept(raw: bytes) -> bytes | None:
    """The event as it came, unless it is too large to be kept."""
    return raw if len(raw) <= LARGEST_KEPT else None


def _read(body: bytes) -> _Envelope:
    """Decode the envelope; text that is no Unicode (a lone surrogate) spoils its own event only."""
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        lenient = json.loads(body, parse_constant=_refuse_constant)
        if not isinstance(lenient, dict) or not isinstance(lenient.get("events"), list):
            raise
        texts = [json.dumps(event, ensure_ascii=False) for event in lenient["events"]]
        readable = [text if _is_unicode(text) else '"(not Unicode)"' for text in texts]
        around = json.dumps({name: lenient.get(name) for name in ("sent_at", "batch", "dropped", "sender")})
        return _envelope.decode(f'{around[:-1]},"events":[{",".join(readable)}]}}'.encode())


def _refuse_constant(name: str) -> object:
    raise msgspec.DecodeError(f"{name} is not JSON")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _all_good(raw: msgspec.Raw, terms: Terms) -> bool:
    try:
        events = _events.decode(raw)
    except _UNREADABLE:
        return False
    return all(next(faults(event), None) is None for event in events) and terms.hold_for(events)


def _judge_each(sent_at: datetime, raws: list[msgspec.Raw], terms: Terms) -> Judged:
    good: list[bytes] = []
    refused: list[Refused] = []
    for index, raw in enumerate(raws):
        problems = _problems(raw, terms)
        if not problems:
            good.append(bytes(raw))
            continue
        verdict = QuarantinedEvent(index, _readable_id(raw), problems)
        refused.append(Refused(verdict, redacted(bytes(raw)), kept(bytes(raw))))
    return Judged(sent_at, b"[" + b",".join(good) + b"]", len(good), tuple(refused))


def _problems(raw: msgspec.Raw, terms: Terms) -> tuple[str, ...]:
    try:
        event = _event.decode(raw)
    except _UNREADABLE as fault:
        return (_sentence(fault), *terms.problems_of_unreadable(bytes(raw)))
    return (*faults(event), *terms.problems(event))


def _sentence(fault: Exception) -> str:
    if isinstance(fault, msgspec.ValidationError):
        return fault_in_words(str(fault))
    return "nested too deeply" if isinstance(fault, RecursionError) else "not valid JSON"


def _readable_id(raw: msgspec.Raw) -> str | None:
    try:
        found = msgspec.json.decode(raw, type=dict[str, object]).get("id")
    except _UNREADABLE:
        return None
    return found[:64] if isinstance(found, str) else None


def _unit_fault(unit: Unit) -> str:
    """What is wrong with a unit id; "" when nothing is. Called for each event, so no generator."""
    text = canonical_unit(unit)
    if not text:
        return "must not be empty"
    if len(text) * 4 > LONGEST_UNIT_BYTES and len(text.encode()) > LONGEST_UNIT_BYTES:
        return f"has more than {LONGEST_UNIT_BYTES} bytes"
    return ""


def _cluster_fault(exposure: Exposure) -> str:
    if (exposure.cluster_type is None) != (exposure.cluster is None):
        return "comes with cluster_type, or not at all"
    return "" if exposure.cluster is None else _unit_fault(exposure.cluster)


def _is_too_deep(properties: dict[str, object] | None) -> bool:
    return properties is not None and _is_deeper(properties, DEEPEST - 2)


def _is_deeper(value: dict[str, object] | list[object], levels: int) -> bool:
    if levels == 0:
        return True
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list) and _is_deeper(inner, levels - 1):
            return True
    return False


_KEPT = frozenset(
    {"kind", "id", "at", "experiment", "iteration", "flag", "variant", "unit_type", "cluster_type", "name"}
)


def _redacted(value: object, *, depth: int) -> object:
    if isinstance(value, dict) and depth < 2:  # noqa: PLR2004 - the event and one level of its members
        return {
            key[:64]: inner if depth == 0 and key in _KEPT and not isinstance(inner, dict | list)
            else _redacted(inner, depth=depth + 1)
            for key, inner in value.items()
        }  # fmt: skip
    return f"({type(value).__name__})"
