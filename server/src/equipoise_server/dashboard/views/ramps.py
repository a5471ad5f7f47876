"""Schedules of rollouts: planned on a page of their own, paused, resumed and ended on the flag's."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, Reader, asked, posted
from equipoise_server.dashboard.pages.rollout_lines import RampPage, percent_text, read_steps, usual_steps
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import ChangeRamp, ScheduleRamp
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.refusals import Invalid, NotFound, Problem, Refusal


@require_http_methods(["GET", "POST"])
@in_place
def plan(visit: Visit, key: str) -> HttpResponse:
    """A schedule for the share of one rollout."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    flag = flags.flag_by_key(visit.project.id, key)
    place = asked(visit.request)
    share = _share(visit, flag, place.text("rule"), place.text("ring"))
    if visit.request.method == "GET":
        return _page(visit, flag, share, usual_steps(share, visit.now))
    form = posted(visit.request)
    reader = Reader(form)
    steps = read_steps(reader)
    command = ScheduleRamp(
        flag.id, visit.environment.id, place.text("rule"), steps, place.text("ring"), form.text("reason")
    )
    try:
        if reader.problems:
            raise Invalid(*reader.problems)
        actions.schedule_ramp(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, flag, share, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("flags", key), said="Scheduled. It can be paused at any time.")


def _share(visit: Visit, flag: Flag, rule_id: str, ring_id: str) -> int:
    """The share now, or NotFound."""
    settings = flag.settings.get(visit.environment.key)
    rules = () if settings is None else settings.rules
    rollout = next((rule.rollout for rule in rules if rule.id == rule_id), None)
    if rollout is not None and not rollout.rings and not ring_id:
        return rollout.parts_per_million
    rings = () if rollout is None else rollout.rings
    ring = next((ring for ring in rings if ring.id == ring_id), None)
    if ring is None:
        raise NotFound(Problem("rule", "The flag has no such rollout here; look at its rules again."))
    return ring.parts_per_million


def _page(visit: Visit, flag: Flag, share: int, form: Form, *, status: int = 200) -> HttpResponse:
    place = asked(visit.request)
    page = RampPage(flag, place.text("rule"), place.text("ring"), percent_text(share), form)
    crumbs = (("Flags", visit.href("flags")), (flag.name, visit.href("flags", flag.key)))
    frame = frame_of(visit, "Schedule", section="flags", crumbs=crumbs)
    return show(visit, "flags/ramp.html", page, frame=frame, status=status)


@require_POST
@in_place
def change(visit: Visit, key: str) -> HttpResponse:
    """Pause a schedule, resume it, or end it."""
    flag = flags.flag_by_key(visit.project.id, key)
    form, href = posted(visit.request), visit.href("flags", key)
    ramp = next(
        (one for one in flags.ramps_of(flag.id, visit.environment.id) if str(one.id) == form.text("ramp")),
        None,
    )
    if ramp is None:
        raise NotFound(Problem("ramp", "The flag has no such schedule here."))
    try:
        said = _changed(visit, ramp.id, form)
    except Refusal as refusal:
        return not_done(visit, href, refusal)
    return done(visit, href, said=said)


def _changed(visit: Visit, ramp_id: UUID, form: Form) -> str:
    command = ChangeRamp(ramp_id, form.text("reason"))
    match form.text("do"):
        case "pause":
            actions.pause_ramp(visit.actor, command, now=visit.now)
            return "Paused: no further step is taken."
        case "resume":
            actions.resume_ramp(visit.actor, command, now=visit.now)
            return "Resumed; the steps to come are later by the length of the pause."
        case "end":
            actions.end_ramp(visit.actor, command, now=visit.now)
            return "The schedule is over; the share stays where it is."
        case _:
            raise Invalid(Problem("do", "Pause, resume or end it."))
