"""Exposures that lie elsewhere: a source's rows as a past experiment, which sources may measure as well."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.analysis.import_mapping import ImportMapping
from equipoise_server.analysis.importing import ImportPast
from equipoise_server.events.values import EARLIEST
from equipoise_server.foundation.refusals import Invalid, Problem
from equipoise_server.sources import reads as sources
from equipoise_server.sources.actions import Wanted, fetch_table
from equipoise_server.sources.values import Between


@dataclass(frozen=True, slots=True)
class ImportFromSource:
    """A source with a row per exposure, and how it is read. The unit's column is the source's own."""

    project_id: UUID
    environment_id: UUID
    mapping: ImportMapping
    source: str


def as_file(actor: Actor, command: ImportFromSource, directory: Path, *, now: datetime) -> ImportPast:
    """The source's rows up to now as a file, to be imported as any other."""
    actor.require(Permission.EXPERIMENT_IMPORT, command.project_id)
    source = sources.source_by_ref(command.project_id, command.source)
    unit_type = command.mapping.unit.type
    column = source.shape.units.get(unit_type)
    if column is None:
        known = ", ".join(source.shape.units)
        told = f"The source “{source.ref}” has no column for {unit_type}s but {known}; choose one of them."
        raise Invalid(Problem("unit.type", told))
    mapping = replace(command.mapping, unit=replace(command.mapping.unit, column=column))
    found = fetch_table(Wanted(source, unit_type, Between(EARLIEST, now), None), directory)
    return ImportPast(command.project_id, command.environment_id, mapping, found.path)
