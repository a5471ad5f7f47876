"""What is done with a metric besides defining it: looking at what it reads, and vouching for it."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.analysis.reads import FactPreview, followed_touches, preview_definition
from equipoise_server.dashboard.forms import posted
from equipoise_server.dashboard.pages import metrics as pages
from equipoise_server.dashboard.pages.metrics import MetricPreviewPage
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.foundation.refusals import Refusal
from equipoise_server.metrics import actions
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import CertifyMetric, SetCatalogueRules, WithdrawCertification


@require_safe
@in_place
def preview(visit: Visit, key: str) -> HttpResponse:
    """A look at what each fact of a metric reads, for those who may edit metrics."""
    visit.actor.require(Permission.METRIC_EDIT, visit.project.id)
    metric = metrics.metric_by_key(visit.project.id, key)
    facts: tuple[FactPreview, ...] = ()
    try:
        facts = preview_definition(visit.project.id, visit.environment.id, metric.definition, now=visit.now)
        follows = followed_touches(visit.environment.id, metric.definition, now=visit.now)
        page = MetricPreviewPage(
            metric, pages.meaning(metric.definition), facts, (), pages.followed_lines(follows)
        )
    except Refusal as fault:
        page = MetricPreviewPage(metric, pages.meaning(metric.definition), (), fault.problems)
    crumbs = (("Metrics", visit.href("metrics")), (metric.name, visit.href("metrics", key)))
    frame = frame_of(visit, "Preview", section="metrics", crumbs=crumbs)
    return show(visit, "metrics/preview.html", page, frame=frame)


@require_POST
@in_place
def certify(visit: Visit, key: str) -> HttpResponse:
    """Vouch for the newest version."""
    metric, form = metrics.metric_by_key(visit.project.id, key), posted(visit.request)
    command = CertifyMetric(metric.id, form.version("edition"), form.text("note"))
    try:
        actions.certify_metric(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("metrics", key), refusal)
    return done(visit, visit.href("metrics", key), said="The metric is certified.")


@require_POST
@in_place
def withdraw(visit: Visit, key: str) -> HttpResponse:
    """Make the newest version a draft again."""
    metric, form = metrics.metric_by_key(visit.project.id, key), posted(visit.request)
    command = WithdrawCertification(metric.id, form.text("reason"))
    try:
        actions.withdraw_certification(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("metrics", key), refusal)
    return done(visit, visit.href("metrics", key), said="The metric is a draft again.")


@require_POST
@in_place
def rules(visit: Visit) -> HttpResponse:
    """Whether experiments may start with an OEC that nobody has certified."""
    asked = posted(visit.request).text("requires_certified_oec") == "yes"
    command = SetCatalogueRules(visit.project.id, asked)
    try:
        actions.set_catalogue_rules(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("metrics"), refusal)
    said = "Experiments now need a certified OEC." if asked else "Any metric may decide now."
    return done(visit, visit.href("metrics"), said=said)
