"""Imports of past experiments: a file and the mapping of its columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.http import HttpRequest
from django.utils import timezone
from ninja import File, Form, Router, Schema, Status
from ninja.files import UploadedFile

from equipoise_server.access.values import Permission
from equipoise_server.analysis.actions import (
    FILE_SUFFIXES,
    ImportFromSource,
    ImportPast,
    import_exposures,
    import_past_experiment,
    mapping_from_text,
)
from equipoise_server.analysis.reads import report_of
from equipoise_server.api.authentication import actor_of
from equipoise_server.api.reading import environment_of, project_of
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation.refusals import Invalid, Problem, refuse_all

router = Router(tags=["imports"])
LARGEST_FILE = 512 * 1024 * 1024


class ImportedShape(Schema):
    """The imported experiment and what its report says."""

    experiment: str
    verdict: str
    sentence: str


@router.post("/projects/{project}/imports", response={201: ImportedShape})
def import_experiment(
    request: HttpRequest,
    project: str,
    *,
    environment: Form[str] = "",
    mapping: Form[str] = "",
    source: Form[str] = "",
    file: File[UploadedFile | None] = None,
) -> Status[ImportedShape]:
    """Import a past experiment: `file` is CSV, CSV.gz or Parquet, or `source` has its exposures.

    `mapping` is JSON or TOML.
    """
    actor, place = actor_of(request), project_of(request, project)
    actor.require(Permission.EXPERIMENT_IMPORT, place.id)
    refuse_all(Invalid, _problems(file, mapping, environment, source))
    found = environment_of(place, environment)
    if source:
        wanted = ImportFromSource(place.id, found.id, mapping_from_text(mapping), source)
        return Status(201, _shape(import_exposures(actor, wanted, now=timezone.now())))
    assert file is not None, "refused above"
    with tempfile.TemporaryDirectory() as directory:
        path = _kept(file, Path(directory))
        command = ImportPast(place.id, found.id, mapping_from_text(mapping), path)
        experiment = import_past_experiment(actor, command, now=timezone.now())
    return Status(201, _shape(experiment))


def _problems(file: UploadedFile | None, mapping: str, environment: str, source: str) -> list[Problem]:
    problems = []
    if source and file is not None:
        problems.append(Problem("source", "Send either a file or the key of a source, not both."))
    if file is None and not source:
        problems.append(Problem("file", "Send the experiment's data as the form's “file”."))
    elif file is not None and _suffix(file) is None:
        problems.append(Problem("file", f"The file's name must end in one of {', '.join(FILE_SUFFIXES)}."))
    elif file is not None and (file.size or 0) > LARGEST_FILE:
        problems.append(Problem("file", f"The file may have {LARGEST_FILE:,} bytes."))
    if not mapping.strip():
        problems.append(Problem("mapping", "Send how its columns are read as the form's “mapping”."))
    if not environment:
        problems.append(Problem("environment", "Say which environment the experiment belongs to."))
    return problems


def _suffix(file: UploadedFile) -> str | None:
    name = (file.name or "").lower()
    return next((suffix for suffix in FILE_SUFFIXES if name.endswith(suffix)), None)


def _kept(file: UploadedFile, directory: Path) -> Path:
    """The upload as a file of our own; of its name only the kind is used."""
    path = directory / f"upload{_suffix(file)}"
    with path.open("wb") as kept:
        for chunk in file.chunks():
            kept.write(chunk)
    return path


def _shape(experiment: Experiment) -> ImportedShape:
    assert experiment.iteration is not None, "an import is an iteration"
    report = report_of(experiment.iteration.id)
    assert report is not None, "an import makes its report"
    return ImportedShape(experiment=experiment.key, verdict=report.verdict, sentence=report.sentence)
