"""Data quality: where events went, why some are set aside, and replaying those."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, asked, posted, small_number
from equipoise_server.dashboard.pages.data_quality import (
    PERIODS,
    FaultPage,
    QuarantinedPage,
    ReplayPart,
    data_quality_page,
    fault_line,
    indented,
    sender_name,
)
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.dashboard.words import counted
from equipoise_server.events import actions
from equipoise_server.events import reads as events
from equipoise_server.events.actions import ReplayEvents
from equipoise_server.events.values import Repair, RepairKind, Sender
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal
from equipoise_server.snapshots import reads as snapshots

SECTION = "data-quality"


@require_safe
@in_place
def page(visit: Visit) -> HttpResponse:
    """The six numbers, by day and by sender, and the reasons of the quarantine."""
    wanted = small_number(visit.request.GET.get("days", "")) or 0
    days = wanted if wanted in dict(PERIODS) else 7
    environment, today = visit.environment.id, visit.now.date()
    since = today - timedelta(days=days - 1)
    only = _only(visit)
    shown = data_quality_page(
        events.quality_of(environment, since=since, until=today, now=visit.now),
        events.quarantine_faults(environment, sender=only), events.replays_of(environment, most=5),
        days=days, only=only, waits_for=events.waiting_for_key(environment),
    )  # fmt: skip
    return show(
        visit, "data_quality/page.html", shown, frame=frame_of(visit, "Data quality", section=SECTION)
    )


@require_safe
@in_place
def fault(visit: Visit, fault: str) -> HttpResponse:
    """One reason: its events, and what a replay would bring back."""
    found = next((one for one in events.quarantine_faults(visit.environment.id) if one.key == fault), None)
    if found is None:
        raise NotFound(Problem("fault", "No event is in quarantine for this reason any more."))
    form = asked(visit.request)
    shown = FaultPage(
        fault_line(found), indented(found.example),
        events.quarantined_events(visit.environment.id, fault=fault, most=20),
        _replay_part(visit, form, fault=fault),
    )  # fmt: skip
    frame = frame_of(visit, "One reason", section=SECTION, crumbs=_crumbs(visit))
    return show(visit, "data_quality/fault.html", shown, frame=frame)


@require_safe
@in_place
def event(visit: Visit, event: str) -> HttpResponse:
    """One event in quarantine."""
    found = events.quarantined_event(visit.environment.id, event)
    of_reason = [
        one for one in events.quarantine_faults(visit.environment.id) if one.problems == found.problems
    ]
    shown = QuarantinedPage(
        found, sender_name(found.sender), indented(found.event), of_reason[0].key if of_reason else "",
        _replay_part(visit, asked(visit.request), event=event),
    )  # fmt: skip
    frame = frame_of(visit, "One event", section=SECTION, crumbs=_crumbs(visit))
    return show(visit, "data_quality/event.html", shown, frame=frame)


@require_POST
@in_place
def replay(visit: Visit) -> HttpResponse:
    """Judge events again and take the good ones."""
    form = posted(visit.request)
    command = _command(visit, form, form.text("fault"), form.text("event"))
    back = visit.href(SECTION)
    try:
        state = actions.replay(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, back, refusal)
    told = (
        f"{counted(state.chosen, 'event')} will be judged again within seconds; this page shows the outcome."
    )
    return done(visit, back, said=told)


def _only(visit: Visit) -> Sender | None:
    """The sender whose reasons are asked for; None: everybody's."""
    asked_for = visit.request.GET
    if "key" not in asked_for and "program" not in asked_for:
        return None
    return Sender(asked_for.get("key", ""), asked_for.get("program", ""))


def _replay_part(visit: Visit, form: Form, *, fault: str = "", event: str = "") -> ReplayPart:
    """The form, and the preview once it was asked for."""
    may = visit.may(Permission.EVENT_REPLAY)
    preview = None
    if may and "repair" in form.values:
        try:
            preview = actions.preview_replay(visit.actor, _command(visit, form, fault, event))
        except Refusal as refusal:
            names = {"repairs.0.old": "old", "repairs.0.new": "new"}
            form = form.with_problems(
                [Problem(names.get(one.field, one.field), one.message) for one in refusal.problems]
            )
    return ReplayPart(form, visit.project.unit_types, preview, may)


def _command(visit: Visit, form: Form, fault: str, event: str) -> ReplayEvents:
    environment = visit.environment.id
    kinds = [kind for kind in RepairKind if kind == form.text("repair")]
    repairs = tuple(Repair(kind, form.text("new").strip(), form.text("old").strip()) for kind in kinds)
    return ReplayEvents(
        environment, fault, (event,) if event else (), repairs,
        snapshots.vocabulary(environment), form.text("reason"),
    )  # fmt: skip


def _crumbs(visit: Visit) -> tuple[tuple[str, str], ...]:
    return (("Data quality", visit.href(SECTION)),)
