"""A look at the table of exposures of an experiment that is assigned outside."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from equipoise_server.access.values import Permission
from equipoise_server.analysis import reads as analysis
from equipoise_server.dashboard.pages.exposures import (
    ExposuresPage,
    cost_words,
    outside_panel,
    value_lines,
)
from equipoise_server.dashboard.visits import Visit, frame_of, in_place, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation.refusals import Refusal


@require_safe
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """The table and how far it was read; with `look` its rows, for those who may edit metrics."""
    found = experiments.experiment_by_key(visit.project.id, key)
    iteration = found.iteration
    design = found.design if iteration is None else iteration.design
    page = ExposuresPage(
        key=found.key, name=found.name, is_draft=iteration is None,
        panel=outside_panel(design, None if iteration is None else analysis.last_reading(iteration)),
        may_look=visit.may(Permission.METRIC_EDIT),
    )  # fmt: skip
    if page.may_look and visit.request.GET.get("look"):
        page = _looked(visit, found, page)
    crumbs = (("Experiments", visit.href("experiments")), (found.name, visit.href("experiments", found.key)))
    frame = frame_of(visit, "Exposures", section="experiments", crumbs=crumbs)
    return show(visit, "experiment/exposures.html", page, frame=frame)


def _looked(visit: Visit, found: Experiment, page: ExposuresPage) -> ExposuresPage:
    try:
        look = experiments.look_at(found, now=visit.now)
    except Refusal as refusal:
        return replace(page, faults=refusal.problems)
    design = found.design if found.iteration is None else found.iteration.design
    return replace(page, look=look, lines=value_lines(look, design), cost=cost_words(look))
