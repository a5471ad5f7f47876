"""The traffic filter of a project: add a rule, take one away. Each makes a new version."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from equipoise_server.access.values import Permission
from equipoise_server.analysis import actions, reads
from equipoise_server.analysis.actions import SetTrafficFilter
from equipoise_server.analysis.values import TrafficRule
from equipoise_server.dashboard.forms import Form, posted
from equipoise_server.dashboard.pages.traffic import rule_of, traffic_page
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.foundation.refusals import Problem, Refusal

SAID = "Saved as version {}. Experiments that start from now on leave these units out."


@require_http_methods(["GET", "POST"])
@in_place
def rules(visit: Visit) -> HttpResponse:
    """The rules, and one more."""
    if visit.request.method == "GET":
        return _page(visit, Form())
    form = posted(visit.request)
    rule, faults = rule_of(form)
    if faults:
        return _page(visit, form.with_problems(faults), status=422)
    command = _with(visit, form, (*_rules(visit), rule))
    try:
        made = actions.set_traffic_filter(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        problems = tuple(_as_typed(problem) for problem in refusal.problems)
        return _page(visit, form.with_problems(problems), status=refusal.status)
    return done(visit, visit.href("settings", "traffic"), said=SAID.format(made.version))


@require_POST
@in_place
def remove(visit: Visit) -> HttpResponse:
    """Take a rule away."""
    form = posted(visit.request)
    kept = tuple(rule for rule in _rules(visit) if rule.key != form.text("key"))
    try:
        made = actions.set_traffic_filter(visit.actor, _with(visit, form, kept), now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings", "traffic"), refusal)
    return done(visit, visit.href("settings", "traffic"), said=SAID.format(made.version))


def _page(visit: Visit, form: Form, status: int = 200) -> HttpResponse:
    held = reads.traffic_filter(visit.project.id)
    page = traffic_page(held, form, may_edit=visit.may(Permission.METRIC_EDIT))
    crumbs = (("Settings", visit.href("settings")),)
    frame = frame_of(visit, "Traffic filter", section="settings", crumbs=crumbs)
    return show(visit, "settings/traffic.html", page, frame=frame, status=status)


def _rules(visit: Visit) -> tuple[TrafficRule, ...]:
    held = reads.traffic_filter(visit.project.id)
    return () if held is None else held.rules


def _with(visit: Visit, form: Form, kept: tuple[TrafficRule, ...]) -> SetTrafficFilter:
    return SetTrafficFilter(visit.project.id, form.version(), kept, form.text("reason"))


def _as_typed(problem: Problem) -> Problem:
    """A fault of the new rule belongs to the field that was typed."""
    return replace(problem, field=problem.field.rpartition(".")[2])
