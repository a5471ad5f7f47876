"""Importing a past experiment: a file, and the mapping of its columns."""

from __future__ import annotations

import tempfile
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from equipoise_server.access.values import Permission
from equipoise_server.analysis.actions import (
    FILE_SUFFIXES,
    ImportFromSource,
    ImportPast,
    import_exposures,
    import_past_experiment,
    mapping_from_text,
)
from equipoise_server.dashboard.forms import Form, posted
from equipoise_server.dashboard.pages.places import ImportPage
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation.refusals import Invalid, Problem, Refusal, refuse_all
from equipoise_server.sources import reads as sources


@require_http_methods(["GET", "POST"])
@in_place
def past(visit: Visit) -> HttpResponse:
    """Enter an experiment that was run elsewhere."""
    visit.actor.require(Permission.EXPERIMENT_IMPORT, visit.project.id)
    if visit.request.method == "GET":
        return _page(visit, Form())
    form = posted(visit.request)
    try:
        imported = _imported(visit, form, visit.request.FILES.get("file"))
    except Refusal as refusal:
        return _page(visit, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("experiments", imported.key), said="Imported. Here is its report.")


def _imported(visit: Visit, form: Form, file: UploadedFile | None) -> Experiment:
    problems = []
    name = Path(file.name or "").name if file is not None else ""
    suffix = next((each for each in FILE_SUFFIXES if name.endswith(each)), None)
    source = form.text("source")
    if source and file is not None:
        problems.append(Problem("source", "Choose either a file or a source, not both."))
    if suffix is None and not source:
        problems.append(Problem("file", f"Choose a file that ends in one of {', '.join(FILE_SUFFIXES)}."))
    if not form.text("mapping").strip():
        problems.append(Problem("mapping", "Say what the columns mean: copy the example and change it."))
    refuse_all(Invalid, problems)
    mapping = mapping_from_text(form.text("mapping"))
    if source:
        wanted = ImportFromSource(visit.project.id, visit.environment.id, mapping, source)
        return import_exposures(visit.actor, wanted, now=visit.now)
    assert file is not None, "refused above"
    with tempfile.TemporaryDirectory() as directory:
        # A name of our own: what a browser calls a file decides nothing here but its kind.
        path = Path(directory) / f"past{suffix}"
        with path.open("wb") as kept:
            for chunk in file.chunks():
                kept.write(chunk)
        command = ImportPast(visit.project.id, visit.environment.id, mapping, path)
        return import_past_experiment(visit.actor, command, now=visit.now)


def _page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    crumbs = (("Experiments", visit.href("experiments")),)
    frame = frame_of(visit, "Import a past experiment", section="experiments", crumbs=crumbs)
    known = tuple((one.key, one.name) for one in sources.sources_of(visit.project.id))
    page = ImportPage(form, FILE_SUFFIXES, known)
    return show(visit, "experiment/import.html", page, frame=frame, status=status)
