"""One more metric for a running experiment, on a page of its own: it explains, and never decides."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, posted
from equipoise_server.dashboard.pages.late_metric import late_metric_page
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.experiments import actions
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import AddMetric
from equipoise_server.experiments.values import Experiment, Status
from equipoise_server.foundation.refusals import Conflict, Problem, Refusal
from equipoise_server.metrics import reads as metrics


@require_http_methods(["GET", "POST"])
@in_place
def add(visit: Visit, key: str) -> HttpResponse:
    """Choose the metric, and say why."""
    visit.actor.require(Permission.EXPERIMENT_EDIT, visit.project.id)
    found = experiments.experiment_by_key(visit.project.id, key)
    if found.status is not Status.RUNNING:
        told = "only what runs takes another metric. A draft's metrics are in its design."
        raise Conflict(Problem("", f"“{found.name}” is {found.status}; {told}"))
    if visit.request.method == "GET":
        return _page(visit, found, Form())
    form = posted(visit.request)
    command = AddMetric(found.id, form.version(), form.text("metric"), form.text("reason"))
    try:
        actions.add_metric(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        again = experiments.experiment(found.id)
        return _page(visit, again, form.with_problems(refusal.problems), status=refusal.status)
    said = "Added. The next look shows its whole history among the diagnostics."
    return done(visit, visit.href("experiments", key, "design"), said=said)


def _page(visit: Visit, found: Experiment, form: Form, *, status: int = 200) -> HttpResponse:
    page = late_metric_page(found, metrics.metrics_of(visit.project.id), form, now=visit.now)
    crumbs = (("Experiments", visit.href("experiments")), (found.name, visit.href("experiments", found.key)))
    frame = frame_of(visit, "Add a metric", section="experiments", crumbs=crumbs)
    return show(visit, "experiment/add_metric.html", page, frame=frame, status=status)
