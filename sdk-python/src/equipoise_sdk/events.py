"""Writes exposures and tracks as JSON (spec/schemas/event.schema.json); refuses what is not one."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from equipoise_engine import Enrolment, Scalar, canonical_unit

LONGEST_NAME = 200
LARGEST_EVENT_BYTES = 100_000


def aware(at: object) -> datetime:
    """Return a time in UTC.

    Raises:
        ValueError: for a time without a zone, beyond the calendar, or what is not a time.
    """
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ValueError("at must be a datetime with a time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as cause:
        raise ValueError("at must lie in the years 1 to 9999 in UTC") from cause


def rfc_3339(at: object) -> str:
    """Write an aware time in UTC, to the millisecond; refuses what `aware` refuses."""
    return aware(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def exposure(
    enrolment: Enrolment,
    *,
    flag: str,
    revision: object,
    differs: bool | None,
    attributes: Mapping[str, Scalar],
) -> dict[str, object]:
    """Return an exposure without "id" and "at"."""
    event: dict[str, object] = {
        "kind": "exposure",
        "experiment": enrolment.experiment,
        "iteration": enrolment.iteration,
        "flag": flag,
        "variant": enrolment.arm,
        "unit_type": enrolment.unit_type,
        "unit": enrolment.unit,
        "revision": revision,
    }
    if enrolment.cluster is not None:
        event |= {"cluster_type": enrolment.cluster_type, "cluster": enrolment.cluster}
    if differs is not None:
        event["differs"] = differs
    return event | ({"attributes": dict(attributes)} if attributes else {})


def track(name: object, context: object, *, value: object, properties: object) -> dict[str, object]:
    """Return a track without "id" and "at".

    Raises:
        ValueError: lists everything that is wrong with the arguments.
    """
    units = usable_units(context)
    problems = []
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        problems.append(f"the event name must be text of 1 to {LONGEST_NAME} characters")
    if not units:
        problems.append("the context must have at least one usable unit")
    if value is not None and not _is_number(value):
        problems.append("value must be a finite number")
    if properties is not None and not isinstance(properties, Mapping):
        problems.append("properties must be a mapping")
    if problems:
        raise ValueError("; ".join(problems))
    event: dict[str, object] = {"kind": "track", "name": name, "units": units}
    event |= {} if value is None else {"value": value}
    return event | ({"properties": dict(properties)} if properties else {})


def usable_units(context: object) -> dict[str, str]:
    """Return the units of a context that can be randomised or counted, canonically written."""
    units = context.get("units") if isinstance(context, Mapping) else None
    pairs = units.items() if isinstance(units, Mapping) else ()
    usable = {unit_type: canonical_unit(unit) for unit_type, unit in pairs if isinstance(unit_type, str)}
    return {unit_type: unit for unit_type, unit in usable.items() if unit is not None}


def chosen_attributes(source: object, names: tuple[str, ...]) -> dict[str, Scalar]:
    """Return the attributes that may leave the application: those named, and only scalars."""
    if not names or not isinstance(source, Mapping):
        return {}
    chosen = {name: source.get(name) for name in names}
    return {
        name: value
        for name, value in chosen.items()
        if isinstance(value, bool | str) or (isinstance(value, int | float) and _is_number(value))
    }


def stamped(event: Mapping[str, object], new_id: str, at: datetime) -> bytes:
    """Return the event as JSON, with its id and time.

    Raises:
        ValueError: when something in it has no JSON form, or when it is too large.
    """
    whole = {"kind": event["kind"], "id": new_id, "at": rfc_3339(at), **event}
    try:
        written = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, RecursionError) as cause:
        raise ValueError(f"the event has no JSON form: {cause}") from cause
    if len(written) > LARGEST_EVENT_BYTES:
        raise ValueError(f"the event has more than {LARGEST_EVENT_BYTES:,} bytes")
    return written


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
