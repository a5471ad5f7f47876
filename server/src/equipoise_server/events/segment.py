"""Reads messages of Segment's tracking API as events, with a verdict for each.

Pure. Knows that format (docs/reference/segment.md) and what runs in an environment by its snapshot; refuses
to know who sent it or where it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid5

import msgspec

from equipoise_server.events.terms import NO_TERMS, Terms
from equipoise_server.events.validation import MOST_EVENTS, Judged, Refused, judge_events, kept, redacted
from equipoise_server.events.values import (
    EARLIEST,
    LATEST,
    SEGMENT_CALLS,
    MalformedBody,
    QuarantinedEvent,
    SegmentBody,
    Vocabulary,
)

VIEWED = "Experiment Viewed"
SEGMENT_FORM = "segment"
"""How a refused message is kept: as the library sent it."""
_NAMES = {"page": "Page Viewed", "screen": "Screen Viewed"}
_NOT_KEPT = frozenset({"identify", "group", "alias"})
_UNIT_TYPES = {
    "userId": ("user",),
    "anonymousId": ("anonymous", "visitor", "device"),
    "groupId": ("account", "group", "company"),
}
# Any constant will do, but it must stay: ids made with it tell which events were sent before.
_IDENTITIES = UUID("5a0f5d0c-6f2b-4d7e-9a35-1d6f0a6a7c10")
_LONGEST_ID = 64


@dataclass(frozen=True, slots=True)
class Translated:
    """The messages as events, judged, and how many were of calls that are not kept."""

    judged: Judged
    ignored: int


@dataclass(frozen=True, slots=True)
class _Context:
    """What a message is read in."""

    vocabulary: Vocabulary
    received_at: datetime
    call: str | None
    """What the address says that each message is; None where the messages say it."""
    terms: Terms = NO_TERMS


class _Faulty(ValueError):
    """A message that cannot become an event, and every reason."""

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


def translate(body: SegmentBody, *, received_at: datetime, terms: Terms = NO_TERMS) -> Translated:
    """Read a body and give each message its verdict. Raises MalformedBody when there is nothing to judge."""
    sent = _read(body.content)
    is_batch = body.call == "batch"
    messages = _messages(sent) if is_batch else [sent]
    if len(messages) > MOST_EVENTS:
        raise MalformedBody(f"The batch has {len(messages)} messages; send at most {MOST_EVENTS} at once.")
    context = _Context(body.vocabulary, received_at, None if is_batch else body.call, terms)
    events: list[bytes] = []
    places: list[int] = []
    refused: list[Refused] = []
    for index, message in enumerate(messages):
        try:
            event = _event(message, context)
        except _Faulty as fault:
            problems = (*fault.problems, *_unvouched(message, context))
            refused.append(_refused(index, message, problems, context.call))
            continue
        if event is not None:
            events.append(event)
            places.append(index)
    judged = judge_events(_sent_at(sent, messages, received_at), events, terms)
    refused += [_placed(found, places, messages) for found in judged.refused]
    refused.sort(key=lambda found: found.verdict.index)
    ignored = len(messages) - len(refused) - judged.good_count
    return Translated(replace(judged, refused=tuple(refused)), ignored)


def _read(body: bytes) -> dict[str, object]:
    try:
        sent = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as fault:
        raise MalformedBody("The body is not valid JSON. See docs/reference/segment.md.") from fault
    if not isinstance(sent, dict):
        raise MalformedBody("The body is not a JSON object. See docs/reference/segment.md.")
    return sent


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _messages(sent: Mapping[str, object]) -> list[object]:
    batch = sent.get("batch")
    if not isinstance(batch, list):
        raise MalformedBody("The body is not {batch: […]}. See docs/reference/segment.md.")
    return batch


def _sent_at(sent: Mapping[str, object], messages: Sequence[object], received_at: datetime) -> datetime:
    """When the sender sent it by its own clock; on arrival, where nobody says or the times were corrected."""
    known = [message for message in messages if isinstance(message, dict)]
    if any({"timestamp", "originalTimestamp"} <= message.keys() for message in known):
        return received_at
    for message in (sent, *known):
        found = _instant(message.get("sentAt"))
        if found is not None and EARLIEST <= found < LATEST:
            return found
    return received_at


def _instant(text: object) -> datetime | None:
    """An ISO 8601 time with zone, in UTC; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _event(message: object, context: _Context) -> bytes | None:
    """The event as bytes of the wire; None for a call that is not kept."""
    if not isinstance(message, dict):
        raise _Faulty("the message is not a JSON object")
    call = context.call or message.get("type")
    if call in _NOT_KEPT:
        return None
    if call not in SEGMENT_CALLS:
        raise _Faulty(f"type: send one of {', '.join(SEGMENT_CALLS)}")
    problems: list[str] = []
    event: dict[str, object] = {"at": _at(message, context, problems), "id": _id(message, context, problems)}
    units = _units(message, context.vocabulary, problems)
    if call == "track" and message.get("event") == VIEWED:
        event |= _exposure(message, units, context.vocabulary, problems)
    else:
        event |= _track(message, str(call), units, context.vocabulary, problems)
    if problems:
        raise _Faulty(*problems)
    return _encoded(event)


def _unvouched(message: object, context: _Context) -> Iterator[str]:
    """So that no message becomes an exposure without a token by being repaired first."""
    named = message if isinstance(message, dict) else {}
    is_outcome = isinstance(named.get("event"), str) and named["event"] != VIEWED
    if not is_outcome and (context.call or named.get("type")) not in _NAMES:
        yield from context.terms.problems_of_unreadable(b"{}")


def _encoded(event: object) -> bytes:
    try:
        return msgspec.json.encode(event)
    except (ValueError, OverflowError, RecursionError) as fault:
        raise _Faulty("the message has text that is not Unicode, or is nested too deeply") from fault


def _at(message: Mapping[str, object], context: _Context, problems: list[str]) -> str:
    given = [name for name in ("timestamp", "originalTimestamp", "sentAt") if message.get(name) is not None]
    if not given:
        return context.received_at.isoformat()
    found = _instant(message[given[0]])
    if found is None:
        problems.append(f"{given[0]}: send ISO 8601 with a zone, as in 2026-03-02T12:00:00.000Z")
        return ""
    return found.isoformat()


def _id(message: Mapping[str, object], context: _Context, problems: list[str]) -> str:
    """The messageId, or a UUID that is always the same for it; without one, for what the message says."""
    given = message.get("messageId")
    if given is not None and (not isinstance(given, str) or not given):
        problems.append("messageId: send text, or leave it out")
        return ""
    try:
        return str(UUID(given))
    except (TypeError, ValueError):
        pass
    if given is None:
        said = {name: value for name, value in message.items() if name != "sentAt"}
        given = _canonical([_at(message, context, []), said])
    return str(uuid5(_IDENTITIES, given.encode("utf-8", "backslashreplace").decode()))


def _canonical(said: object) -> str:
    try:
        return json.dumps(said, sort_keys=True)
    except RecursionError as fault:
        raise _Faulty("the message is nested too deeply") from fault


def _units(
    message: Mapping[str, object], vocabulary: Vocabulary, problems: list[str]
) -> dict[str, str | int]:
    """The ids that the message carries, by unit types of the project."""
    around = message.get("context")
    context = around if isinstance(around, dict) else {}
    units: dict[str, str | int] = {}
    for name, unit_types in _UNIT_TYPES.items():
        given = next((held[name] for held in (message, context) if held.get(name) not in (None, "")), None)
        known = [unit_type for unit_type in unit_types if unit_type in vocabulary.unit_types]
        if given is not None and known:
            _add_unit(units, known[0], given, (name, problems))
    named = context.get("units")
    for unit_type, given in named.items() if isinstance(named, dict) else ():
        if unit_type in vocabulary.unit_types:
            _add_unit(units, unit_type, given, (f"context.units.{unit_type}", problems))
        else:
            problems.append(f"context.units.{unit_type}: the project has no such unit type")
    return units


def _add_unit(
    units: dict[str, str | int], unit_type: str, given: object, told: tuple[str, list[str]]
) -> None:
    field, problems = told
    if isinstance(given, str | int) and not isinstance(given, bool):
        units[unit_type] = given
    else:
        problems.append(f"{field}: send text or an integer")


def _track(
    message: Mapping[str, object],
    call: str,
    units: dict[str, str | int],
    vocabulary: Vocabulary,
    problems: list[str],
) -> dict[str, object]:
    name = _NAMES.get(call) or message.get("event")
    if not isinstance(name, str) or not name:
        problems.append("event: say what happened, in 1 to 200 characters")
    if not units and not problems:
        wanted = ", ".join(vocabulary.unit_types)
        problems.append(
            f"userId: no id of the project's unit types ({wanted}); send one in context.units by its type"
        )
    properties = _properties(message, problems)
    if call != "track":
        shown = {key: message[key] for key in ("name", "category") if message.get(key) is not None}
        properties = shown | properties
    event = {"kind": "track", "name": name, "units": units, "properties": properties}
    value = _value(properties)
    return event if value is None else event | {"value": value}


def _properties(message: Mapping[str, object], problems: list[str]) -> dict[str, object]:
    given = message.get("properties")
    if given is None or isinstance(given, dict):
        return given or {}
    problems.append("properties: send an object")
    return {}


def _value(properties: Mapping[str, object]) -> float | None:
    """What it was worth: Segment's `revenue`, else its `value`, where that is a number."""
    for name in ("revenue", "value"):
        given = properties.get(name)
        if isinstance(given, int | float) and not isinstance(given, bool):
            return given
    return None


def _exposure(
    message: Mapping[str, object],
    units: Mapping[str, str | int],
    vocabulary: Vocabulary,
    problems: list[str],
) -> dict[str, object]:
    properties = _properties(message, problems)
    key = _first(properties, ("experiment_id", "experimentId", "experiment_name", "experimentName"))
    running = vocabulary.experiments.get(key)
    if running is None or running.state != "running":
        problems.append(
            f"properties.experiment_id: no experiment “{key[:200]}” is running in this environment"
        )
        return {}
    variant = _first(properties, ("variation_id", "variationId", "variation_name", "variationName"))
    flags = {arm.key: next(iter(arm.values), "") for arm in running.variants}
    if variant not in flags:
        problems.append(f"properties.variation_id: “{variant[:200]}” is none of {', '.join(flags)}")
    problems += [
        f"userId: the experiment needs the id of a {unit_type}; send it in context.units.{unit_type}"
        for unit_type in (running.unit_type, running.cluster_type)
        if unit_type is not None and unit_type not in units
    ]
    exposure = {
        "kind": "exposure", "experiment": key, "iteration": running.iteration, "flag": flags.get(variant),
        "variant": variant, "unit_type": running.unit_type, "unit": units.get(running.unit_type),
    }  # fmt: skip
    if isinstance(token := properties.get("exposure_token"), str):
        exposure["token"] = token
    if running.cluster_type is not None:
        exposure |= {"cluster_type": running.cluster_type, "cluster": units.get(running.cluster_type)}
    return exposure


def _first(properties: Mapping[str, object], names: Sequence[str]) -> str:
    """The first of these properties that is a text; "" when none is, which is nobody's key."""
    return next((found for name in names if isinstance(found := properties.get(name), str)), "")


def _placed(found: Refused, places: Sequence[int], messages: Sequence[object]) -> Refused:
    """A verdict on an event as one on the message that it was."""
    index = places[found.verdict.index]
    return replace(found, verdict=replace(found.verdict, index=index, id=_readable_id(messages[index])))


def _refused(index: int, message: object, problems: tuple[str, ...], call: str | None) -> Refused:
    """What is kept of a message says its call itself, so that it can be judged again."""
    raw: bytes | None = None
    try:
        named = {**message, "type": call} if call is not None and isinstance(message, dict) else message
        encoded = msgspec.json.encode(named)
        shown, raw = redacted(encoded), kept(encoded)
    except (ValueError, OverflowError, RecursionError):
        shown = "(not Unicode)"
    return Refused(QuarantinedEvent(index, _readable_id(message), problems), shown, raw, SEGMENT_FORM)


def _readable_id(message: object) -> str | None:
    found = message.get("messageId") if isinstance(message, dict) else None
    if not isinstance(found, str):
        return None
    return found[:_LONGEST_ID].encode("utf-8", "backslashreplace").decode()
