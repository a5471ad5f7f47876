"""How many units a day a plan would reach, read from whom experiments and holdouts met lately."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import duckdb

from equipoise_engine import SnapshotError, compile_snapshot
from equipoise_server.events import reads as events
from equipoise_server.events.values import EventKind
from equipoise_server.flags.values import Condition

LOOK_BACK = timedelta(days=14)
MOST_KINDS = 50_000
"""Of attributes: beyond this nobody waits for an estimate."""
_SEEN = """
SELECT seen.properties, COUNT(*), MIN(seen.first_at), MAX(seen.last_at) FROM (
  SELECT exposure.unit, ARG_MIN(exposure.properties, exposure.derived_at) AS properties,
    MIN(exposure.derived_at) AS first_at, MAX(exposure.derived_at) AS last_at
  FROM read_parquet($paths, union_by_name = true) AS exposure
  WHERE exposure.unit_type = $unit_type AND exposure.derived_at >= $since AND exposure.derived_at < $until
  GROUP BY exposure.unit
) AS seen GROUP BY seen.properties LIMIT $most
"""


@dataclass(frozen=True, slots=True)
class AudienceSize:
    """Units of one type that were exposed lately, and how many of them a condition lets in.

    units_per_day is None when it is not known, and then `reason` says why.
    """

    units_per_day: float | None = None
    units: int = 0
    eligible: int = 0
    days: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Units that came with the same attributes."""

    attributes: Mapping[str, object]
    units: int
    first_at: datetime
    last_at: datetime


def audience_size(
    environment_id: UUID,
    unit_type: str,
    eligibility: Condition | None,
    *,
    segments: Mapping[str, Condition],
    now: datetime,
) -> AudienceSize:
    """The size of an audience by the exposures of the last 14 days, as far as attributes tell."""
    since = now - LOOK_BACK
    files = events.pinned_files(environment_id, EventKind.EXPOSURE, since=since, until=now)
    seen = tuple(_seen(files.paths, unit_type, since, now)) if files.paths else ()
    if not seen:
        return AudienceSize(reason=f"no {unit_type} was exposed to anything in the last 14 days")
    if len(seen) == MOST_KINDS:
        return AudienceSize(reason="exposures carry too many different attributes to look at")
    return _size(seen, eligibility, segments)


def _size(
    seen: Sequence[_Seen], eligibility: Condition | None, segments: Mapping[str, Condition]
) -> AudienceSize:
    known = {name for one in seen for name in one.attributes}
    unknown = sorted(_attributes_of(eligibility, segments) - known)
    if unknown:
        names = ", ".join(f"“{name}”" for name in unknown)
        return AudienceSize(reason=f"no exposure of the last 14 days carries the attribute {names}")
    if _asks_for_members(eligibility, segments):
        return AudienceSize(reason="lists of units are not looked up for an estimate")
    is_eligible = _judge(eligibility, segments)
    if is_eligible is None:
        return AudienceSize(reason="the condition cannot be evaluated")
    units = sum(one.units for one in seen)
    eligible = sum(one.units for one in seen if is_eligible(one.attributes))
    span = max(one.last_at for one in seen) - min(one.first_at for one in seen)
    days = max(1.0, span / timedelta(days=1))
    return AudienceSize(round(eligible / days, 1), units, eligible, round(days, 1))


def _seen(paths: Sequence[Path], unit_type: str, since: datetime, until: datetime) -> Iterator[_Seen]:
    database = duckdb.connect(":memory:", config={"threads": 1})
    try:
        given = {
            "paths": [str(path) for path in paths], "unit_type": unit_type, "most": MOST_KINDS,
            "since": since.replace(tzinfo=None), "until": until.replace(tzinfo=None),
        }  # fmt: skip
        for properties, units, first_at, last_at in database.execute(_SEEN, given).fetchall():
            yield _Seen({} if properties is None else json.loads(properties), units, first_at, last_at)
    finally:
        database.close()


class _Judge:
    """Asks the engine that SDKs run."""

    def __init__(self, document: Mapping[str, object]) -> None:
        self._snapshot = compile_snapshot(document)

    def __call__(self, attributes: Mapping[str, object]) -> bool:
        return self._snapshot.evaluate("probe", {"attributes": dict(attributes)}, None).variant == "in"

    def is_sound(self) -> bool:
        return not self._snapshot.faults


def _judge(eligibility: Condition | None, segments: Mapping[str, Condition]) -> _Judge | None:
    rule = {"id": "probe", "eligibility": eligibility, "serve": "in"}
    flag = {"type": "string", "variants": {"in": "in", "out": "out"}, "off": "out", "default": "out"}
    try:
        judge = _Judge(
            {
                "format": 1, "project": "probe", "environment": "probe", "epoch": 1, "revision": 1,
                "default_unit_type": "unit", "unit_types": ["unit"], "segments": dict(segments),
                "flags": {"probe": {**flag, "rules": [rule]}},
            }
        )  # fmt: skip
    except SnapshotError:
        return None
    return judge if judge.is_sound() else None


def _attributes_of(condition: object, segments: Mapping[str, Condition], depth: int = 0) -> frozenset[str]:
    """The attributes that a condition asks for, in the segments it names too."""
    found = [_attributes_of(part, segments, depth + 1) for part in _parts(condition, segments, depth)]
    own = condition.get("attribute") if isinstance(condition, Mapping) else None
    return frozenset([own] if isinstance(own, str) else ()).union(*found)


def _asks_for_members(condition: object, segments: Mapping[str, Condition], depth: int = 0) -> bool:
    if isinstance(condition, Mapping) and "members" in condition:
        return True
    return any(_asks_for_members(part, segments, depth + 1) for part in _parts(condition, segments, depth))


def _parts(condition: object, segments: Mapping[str, Condition], depth: int) -> list[object]:
    if isinstance(condition, list):
        return condition
    if not isinstance(condition, Mapping) or depth > 64:  # noqa: PLR2004  # segments that name each other
        return []
    named = segments.get(str(condition.get("segment")))
    return [one for one in (condition.get("all"), condition.get("any"), condition.get("not"), named) if one]
