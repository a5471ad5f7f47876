"""The metric catalogue: the list, one metric, a new one, a revision."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.audit import reads as audit
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form, Reader, posted
from equipoise_server.dashboard.pages import metrics as pages
from equipoise_server.dashboard.pages.activity import activity_lines
from equipoise_server.dashboard.pages.metric_forms import (
    MetricTexts,
    metric_form,
    new_metric_form,
    read_metric,
)
from equipoise_server.dashboard.pages.metrics import MetricFormPage, MetricPage
from equipoise_server.dashboard.views.home import environment_names
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.experiments import reads as experiments
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, Refusal
from equipoise_server.metrics import actions
from equipoise_server.metrics import reads as metrics
from equipoise_server.metrics.actions import CreateMetric, ReviseMetric
from equipoise_server.metrics.values import Metric
from equipoise_server.sources import reads as sources


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The catalogue as searched."""
    search = visit.request.GET.get("search", "")
    rules = metrics.rules_of(visit.project.id)
    page = pages.metrics_page(
        metrics.metrics_of(visit.project.id),
        search=search,
        requires_certified_oec=rules.requires_certified_oec,
    )
    return show(visit, "metrics/list.html", page, frame=frame_of(visit, "Metrics", section="metrics"))


@require_safe
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """One metric."""
    metric = metrics.metric_by_key(visit.project.id, key)
    page = MetricPage(
        metric=metric,
        meaning=pages.meaning(metric.definition),
        window=words.span(metric.definition.window),
        margin=pages.margin_words(metric.default_margin, metric.display),
        uses=pages.uses_of(metric, experiments.experiments_of(visit.project.id)),
        versions=tuple(pages.metric_row(version) for version in metrics.versions_of(metric.id)),
        history=activity_lines(audit.of_subject("metric", metric.id, limit=20), environment_names(visit)),
        may_edit=visit.may(Permission.METRIC_EDIT),
        why_not_certify=pages.why_not_certify(
            metric,
            author_id=visit.actor.author.id,
            may_certify=visit.may(Permission.METRIC_CERTIFY),
        ),
    )
    frame = frame_of(visit, metric.name, section="metrics", crumbs=(("Metrics", visit.href("metrics")),))
    return show(visit, "metrics/page.html", page, frame=frame)


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new metric."""
    visit.actor.require(Permission.METRIC_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _form_page(visit, new_metric_form(visit.actor.author.name), None)
    form = posted(visit.request)
    reader = Reader(form)
    texts = _as_arguments(read_metric(reader))
    key = form.text("key").strip() or key_from_name(form.text("name"))
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        command = CreateMetric(project_id=visit.project.id, key=key, **texts)
        made = actions.create_metric(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, form.with_problems(refusal.problems), None, status=refusal.status)
    return done(visit, visit.href("metrics", made.key), said="Metric created.")


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str) -> HttpResponse:
    """A revision; a changed definition makes a new version."""
    visit.actor.require(Permission.METRIC_EDIT, visit.project.id)
    metric = metrics.metric_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        return _form_page(visit, metric_form(metric), metric)
    form = posted(visit.request)
    reader = Reader(form)
    texts = _as_arguments(read_metric(reader, metric.default_margin))
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        edition = form.version("edition")
        command = ReviseMetric(metric_id=metric.id, expected_version=edition, **texts)
        actions.revise_metric(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, form.with_problems(refusal.problems), metric, status=refusal.status)
    return done(visit, visit.href("metrics", key), said="Metric saved.")


def _as_arguments(texts: MetricTexts) -> dict[str, Any]:  # two commands share these arguments
    return {field.name: getattr(texts, field.name) for field in fields(texts)}


def _form_page(visit: Visit, form: Form, metric: Metric | None, *, status: int = 200) -> HttpResponse:
    crumbs = [("Metrics", visit.href("metrics"))]
    if metric is not None:
        crumbs.append((metric.name, visit.href("metrics", metric.key)))
    title = "Revise" if metric else "New metric"
    frame = frame_of(visit, title, section="metrics", crumbs=crumbs)
    options = pages.source_options(sources.sources_of(visit.project.id), metric)
    page = MetricFormPage(form, metric, options)
    return show(visit, "metrics/form.html", page, frame=frame, status=status)
