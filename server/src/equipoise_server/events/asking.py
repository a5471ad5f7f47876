"""Asking for units to be erased. The request has rows of its own until it is done; the audit names no id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.access import reads as access
from equipoise_server.access.actions import make_project_key
from equipoise_server.access.values import Actor, Permission, Project, ProjectKey
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.events import models
from equipoise_server.events.values import LONGEST_UNIT_BYTES, MOST_ERASED_UNITS, Erasure, ErasureStep
from equipoise_server.foundation.due_work import schedule
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all

MOST_TOLD = 10
WORK = "events.erase"


@dataclass(frozen=True, slots=True)
class EraseUnits:
    """Units of one type that are to be forgotten, in every environment of the project."""

    project_id: UUID
    unit_type: str
    units: tuple[str, ...]
    reason: str = ""


def ask_erasure(actor: Actor, command: EraseUnits, *, now: datetime) -> Erasure:
    """Keep the request and make it due; the worker does it. The reason must name nobody either."""
    actor.require(Permission.UNIT_ERASE, command.project_id)
    project = access.project(command.project_id)
    refuse_all(Invalid, list(_problems(command, project)))
    units = sorted(set(command.units))
    erasure_id, author = new_id(), actor.author
    subject = Subject("erasure", erasure_id, str(erasure_id)[:8], project.id)
    with change(author, "erasure.ask", subject, now=now, reason=command.reason) as entry:
        fingerprint = _key(project).fingerprint(command.unit_type, *units)
        row = models.Erasure.objects.create(
            id=erasure_id, project_id=project.id, unit_type=command.unit_type, asked=len(units),
            request_sha256=fingerprint, author_kind=author.kind, author_id=author.id, author_name=author.name,
            asked_at=now, step=ErasureStep.BURY, step_since=now,
        )  # fmt: skip
        models.ErasureUnit.objects.bulk_create(
            [models.ErasureUnit(erasure=row, unit=unit) for unit in units], batch_size=1_000
        )
        schedule(WORK, "periodic", due_at=now)
        entry.after = {"unit_type": command.unit_type, "units": len(units), "fingerprint": fingerprint}
    return erasure_value(row)


def erasures_of(project_id: UUID) -> tuple[Erasure, ...]:
    """A project's erasures, newest first."""
    rows = models.Erasure.objects.filter(project_id=project_id).order_by("-asked_at", "pk")
    return tuple(map(erasure_value, rows))


def erasure_value(row: models.Erasure) -> Erasure:
    """What other rooms see of an erasure."""
    return Erasure(
        row.pk, row.project_id, row.unit_type, row.asked, row.request_sha256, row.author_name, row.asked_at,
        ErasureStep(row.step), row.removed, row.waits_for, row.finished_at,
    )  # fmt: skip


def _key(project: Project) -> ProjectKey:
    """The project's key, made with its first erasure; a key that was lost is not replaced by another one."""
    environments = [environment.id for environment in project.environments]
    is_first = not models.Tombstone.objects.filter(environment_id__in=environments).exists()
    return (
        make_project_key(project.id)
        if is_first and not project.is_pseudonymised
        else access.project_key(project.id)
    )


def _problems(command: EraseUnits, project: Project) -> Iterator[Problem]:
    if command.unit_type not in project.unit_types:
        told = f"The project has no unit type “{command.unit_type}”; it has: {', '.join(project.unit_types)}."
        yield Problem("unit_type", told)
    if not command.units:
        yield Problem("units", "Name at least one unit id.")
    if len(set(command.units)) > MOST_ERASED_UNITS:
        told = f"One erasure takes at most {MOST_ERASED_UNITS:,} units. Send them in parts."
        yield Problem("units", told)
    bad = [place for place, unit in enumerate(command.units) if not is_unit_id(unit)]
    for place in bad[:MOST_TOLD]:
        yield Problem(
            f"units.{place}", f"A unit id is a text of 1 to {LONGEST_UNIT_BYTES} bytes without NUL."
        )
    if len(bad) > MOST_TOLD:
        yield Problem("units", f"{len(bad) - MOST_TOLD:,} more are no unit ids.")


def is_unit_id(unit: str) -> bool:
    """Whether this can be a unit's id."""
    try:
        return 0 < len(unit.encode()) <= LONGEST_UNIT_BYTES and "\x00" not in unit
    except UnicodeEncodeError:
        return False


def first_units(units: Iterable[str]) -> tuple[str, ...]:
    """As many as one erasure takes, and one more if there are more: no file is read to its end in vain."""
    found: dict[str, None] = {}
    for unit in units:
        found[unit] = None
        if len(found) > MOST_ERASED_UNITS:
            break
    return tuple(found)
