"""Pins: which running experiments hold a flag or a segment still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F

from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.flags import models
from equipoise_server.flags.needs import graph_of
from equipoise_server.flags.settings_json import segments_in, segments_named
from equipoise_server.flags.values import Condition
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem


@dataclass(frozen=True, slots=True)
class PinFlags:
    """Hold still what a starting experiment depends on, in one environment."""

    project_id: UUID
    environment_id: UUID
    experiment_id: UUID
    experiment_key: str
    flags: frozenset[str]
    """Keys of the flags it sets."""
    eligibility: Condition | None = None
    """Its condition; the segments it names are pinned too."""


@dataclass(frozen=True, slots=True)
class UnpinFlags:
    """Let go of what an experiment held, in one environment."""

    project_id: UUID
    environment_id: UUID
    experiment_id: UUID
    experiment_key: str


def pin_flags(author: Author, command: PinFlags, *, now: datetime) -> None:
    """Pin flags and segments. Called inside the change of an experiment's action, which checks permission."""
    flags = models.Flag.objects.filter(project_id=command.project_id, key__in=command.flags, archived_at=None)
    missing = command.flags - {flag.key for flag in flags}
    if missing:
        raise Invalid(
            *(Problem("arms", f"There is no flag “{key}” in this project.") for key in sorted(missing))
        )
    segments = _segments_within(command.project_id, segments_named(command.eligibility))
    with change(author, "flag.pin", _subject(command), now=now) as entry:
        for flag in flags:
            models.Pin.objects.create(
                flag=flag, environment_id=command.environment_id,
                experiment_id=command.experiment_id, experiment_key=command.experiment_key,
            )  # fmt: skip
        for segment in segments:
            models.SegmentPin.objects.create(
                segment=segment, environment_id=command.environment_id,
                experiment_id=command.experiment_id, experiment_key=command.experiment_key,
            )  # fmt: skip
        _bump(command)
        entry.after = {"flags": sorted(command.flags), "segments": sorted(s.key for s in segments)}


def unpin_flags(author: Author, command: UnpinFlags, *, now: datetime) -> None:
    """Remove an experiment's pins. Called inside the change of the experiment's own action."""
    held = {"environment_id": command.environment_id, "experiment_id": command.experiment_id}
    pins, segment_pins = models.Pin.objects.filter(**held), models.SegmentPin.objects.filter(**held)
    with change(author, "flag.unpin", _subject(command), now=now) as entry:
        entry.before = {
            "flags": sorted(pins.values_list("flag__key", flat=True)),
            "segments": sorted(segment_pins.values_list("segment__key", flat=True)),
        }
        _bump(command)
        pins.delete()
        segment_pins.delete()


def refuse_if_pinned(flag: models.Flag, environment_id: UUID | None, what: str) -> None:
    """Refuse while a running experiment sets the flag; None means in any environment."""
    pins = models.Pin.objects.filter(flag=flag)
    if environment_id is not None:
        pins = pins.filter(environment_id=environment_id)
    _refuse({pin.experiment_key for pin in pins}, f"{what} while “{flag.key}” is part of")


def refuse_if_needed_by_pinned(flag: models.Flag, environment_id: UUID, what: str) -> None:
    """Refuse while a flag that a running experiment sets needs this one, directly or not."""
    graph = graph_of(environment_id)
    pins = models.Pin.objects.filter(environment_id=environment_id, flag__project_id=flag.project_id)
    held = pins.exclude(flag=flag).values_list("flag__key", "experiment_key")
    holders = {(key, experiment) for key, experiment in held if flag.key in graph.closure(key)}
    needing = ", ".join(f"“{key}”" for key in sorted({key for key, _ in holders}))
    _refuse({experiment for _, experiment in holders}, f"{what} while {needing} needs “{flag.key}” in")


def pins_problem(flag: models.Flag, environment_id: UUID, what: str) -> Problem | None:
    """What the two refusals above would say first; None when nothing holds the flag."""
    try:
        refuse_if_pinned(flag, environment_id, what)
        refuse_if_needed_by_pinned(flag, environment_id, what)
    except Conflict as held:
        return held.problems[0]
    return None


def refuse_if_segment_pinned(segment: models.Segment) -> None:
    """Refuse while a running experiment's eligibility, or a flag that it depends on, uses the segment."""
    holders = experiments_using(segment)
    _refuse(holders, f"The segment “{segment.key}” cannot change while it decides for")


def experiments_using(segment: models.Segment) -> frozenset[str]:
    """The keys of the running experiments that a segment decides for."""
    holders = set(models.SegmentPin.objects.filter(segment=segment).values_list("experiment_key", flat=True))
    conditions = _conditions(segment.project_id)
    pins = models.Pin.objects.filter(flag__project_id=segment.project_id).select_related("flag")
    named = {
        environment_id: _segments_by_flag(environment_id)
        for environment_id in {pin.environment_id for pin in pins}
    }
    graphs = {environment_id: graph_of(environment_id) for environment_id in named}
    for pin in pins:
        flags = graphs[pin.environment_id].closure(pin.flag.key)
        within = frozenset().union(*(named[pin.environment_id].get(key, frozenset[str]()) for key in flags))
        if segment.key in _closure(within, conditions):
            holders.add(pin.experiment_key)
    return frozenset(holders)


def _refuse(holders: Iterable[str], what: str) -> None:
    names = ", ".join(f"“{key}”" for key in sorted(holders))
    if names:
        told = (
            f"{what} the running experiment {names}. Stop and decide the experiment first, or kill the flag."
        )
        raise Conflict(Problem("", told))


def _segments_by_flag(environment_id: UUID) -> Mapping[str, frozenset[str]]:
    """The segments that each flag's settings name in an environment."""
    rows = models.FlagSettings.objects.filter(environment_id=environment_id, flag__archived_at=None)
    named = rows.values_list("flag__key", "overrides", "rules")
    return {key: segments_in(overrides, rules) for key, overrides, rules in named}


def _segments_within(project_id: UUID, named: frozenset[str]) -> list[models.Segment]:
    """The segments named, and those that they name."""
    keys = _closure(named, _conditions(project_id))
    return list(models.Segment.objects.filter(project_id=project_id, key__in=keys))


def _conditions(project_id: UUID) -> Mapping[str, Condition]:
    rows = models.Segment.objects.filter(project_id=project_id)
    return dict(rows.values_list("key", "condition"))


def _closure(named: frozenset[str], conditions: Mapping[str, Condition]) -> frozenset[str]:
    reached, pending = set(named), list(named)
    while pending:
        fresh = segments_named(conditions.get(pending.pop())) - reached
        reached |= fresh
        pending += fresh
    return frozenset(reached)


def _bump(command: PinFlags | UnpinFlags) -> None:
    """Whoever looked at a flag before it was pinned must look again before editing it."""
    pins = models.Pin.objects.filter(
        environment_id=command.environment_id, experiment_id=command.experiment_id
    )
    flags = pins.values("flag_id")
    models.Flag.objects.filter(pk__in=flags).update(version=F("version") + 1)
    settings = models.FlagSettings.objects.filter(flag__in=flags, environment_id=command.environment_id)
    settings.update(version=F("version") + 1)
    segments = models.SegmentPin.objects.filter(
        environment_id=command.environment_id, experiment_id=command.experiment_id
    )
    models.Segment.objects.filter(pk__in=segments.values("segment_id")).update(version=F("version") + 1)


def _subject(command: PinFlags | UnpinFlags) -> Subject:
    return Subject(
        "experiment",
        command.experiment_id,
        command.experiment_key,
        command.project_id,
        command.environment_id,
    )
