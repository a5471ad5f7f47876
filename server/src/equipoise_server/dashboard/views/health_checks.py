"""Health checks of a flag: a new one, one with its last looks, a trial that leaves no trace, a deletion."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, Reader, posted
from equipoise_server.dashboard.pages import health_checks as pages
from equipoise_server.dashboard.pages.health_checks import CheckLine, CheckPage, LookLine
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import reads as flags
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Invalid, Refusal
from equipoise_server.health import actions
from equipoise_server.health import reads as health
from equipoise_server.health.actions import CreateCheck, DeleteCheck, ReviseCheck
from equipoise_server.health.values import HealthCheck, Plan
from equipoise_server.sources import reads as sources


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit, key: str) -> HttpResponse:
    """A new check, or a trial of what is typed."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    flag = flags.flag_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        options = pages.prometheus_options(sources.connections_of(visit.project.id))
        return _page(visit, flag, None, pages.new_check_form(flag, options))
    form = posted(visit.request)
    reader = Reader(form)
    plan = pages.read_plan(reader)
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        if form.text("do") == "test":
            return _page(visit, flag, None, form, tried=_tried(visit, flag, plan))
        check_key = form.text("key").strip() or key_from_name(form.text("name"))
        command = CreateCheck(flag.id, visit.environment.id, check_key, form.text("name"), plan)
        made = actions.create_check(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, flag, None, _shown(form, refusal), status=refusal.status)
    said = f"“{made.name}” is asked about from now on. Ramps wait until it passes."
    return done(visit, visit.href("flags", key, "checks", made.key), said=said)


@require_http_methods(["GET", "POST"])
@in_place
def one(visit: Visit, key: str, check: str) -> HttpResponse:
    """One check with its last looks; posted, a revision or a trial of what is typed."""
    flag = flags.flag_by_key(visit.project.id, key)
    found = health.check_by_key(flag.id, visit.environment.id, check)
    if visit.request.method == "GET":
        return _page(visit, flag, found, pages.check_form(found))
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    form = posted(visit.request)
    reader = Reader(form)
    plan = pages.read_plan(reader)
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        if form.text("do") == "test":
            return _page(visit, flag, found, form, tried=_tried(visit, flag, plan))
        command = ReviseCheck(found.id, form.version("edition"), form.text("name"), plan)
        actions.revise_check(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, flag, found, _shown(form, refusal), status=refusal.status)
    return done(visit, visit.href("flags", key, "checks", check), said="Saved.")


@require_POST
@in_place
def delete(visit: Visit, key: str, check: str) -> HttpResponse:
    """Watch no more."""
    flag = flags.flag_by_key(visit.project.id, key)
    found = health.check_by_key(flag.id, visit.environment.id, check)
    href = visit.href("flags", key)
    try:
        command = DeleteCheck(found.id, posted(visit.request).text("reason"))
        actions.delete_check(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said=f"“{found.name}” is deleted; nothing waits for it any more.")


def lines_of(flag: Flag, environment_id: UUID, *, now: datetime) -> tuple[CheckLine, ...]:
    """The checks of a flag in an environment."""
    return tuple(_line(one, now) for one in health.checks_of(flag.id, environment_id))


def _line(check: HealthCheck, now: datetime) -> CheckLine:
    last = next(iter(health.results_of(check.id, limit=1)), None)
    return pages.check_line(check, last, now)


def _tried(visit: Visit, flag: Flag, plan: Plan) -> LookLine:
    return pages.look_line(actions.try_plan(visit.actor, flag, plan, now=visit.now))


def _shown(form: Form, refusal: Refusal) -> Form:
    return form.with_problems(pages.shown_problems(refusal.problems))


def _page(
    visit: Visit,
    flag: Flag,
    check: HealthCheck | None,
    form: Form,
    *,
    tried: LookLine | None = None,
    status: int = 200,
) -> HttpResponse:
    results = () if check is None else health.results_of(check.id)
    page = CheckPage(
        flag=flag,
        check=check,
        line=None if check is None else _line(check, visit.now),
        form=form,
        connections=pages.prometheus_options(sources.connections_of(visit.project.id)),
        controls=tuple((one.key, one.key) for one in flag.variants),
        tried=tried,
        looks=tuple(pages.look_line(result.finding, result.at) for result in results),
    )
    crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", flag.key)))
    title = "New health check" if check is None else check.name
    frame = frame_of(visit, title, section="flags", crumbs=crumbs)
    return show(visit, "flags/check.html", page, frame=frame, status=status)
