"""Privacy: erase units of the project, and say how long the environment keeps events."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.dashboard import words
from equipoise_server.dashboard.forms import Form, Reader, posted
from equipoise_server.dashboard.pages.privacy import (
    PrivacyPage,
    erasure_lines,
    most_units,
    retention_form,
    unit_type_options,
)
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, show
from equipoise_server.events import actions
from equipoise_server.events import reads as events
from equipoise_server.events.actions import EraseUnits, SetRetention
from equipoise_server.flags import actions as flags
from equipoise_server.foundation.refusals import Invalid, Problem, Refusal, refuse_all


@dataclass(frozen=True, slots=True)
class _Typed:
    """What was typed into which form; None where nothing was."""

    erase: Form = field(default_factory=Form)
    retention: Form | None = None
    status: int = 200


@require_safe
@in_place
def page(visit: Visit) -> HttpResponse:
    """What is kept, and what was erased."""
    return _page(visit, _Typed())


@require_POST
@in_place
def erase(visit: Visit) -> HttpResponse:
    """Ask for an erasure. What was typed is shown again only if it was refused."""
    visit.actor.require(Permission.UNIT_ERASE, visit.project.id)
    form = posted(visit.request)
    try:
        units = _units(visit, form)
        if not form.all("sure"):
            raise Invalid(Problem("sure", "Say that they are to be erased for good."))
        command = EraseUnits(visit.project.id, form.text("unit_type"), units, form.text("reason"))
        asked = actions.ask_erasure(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        problems = tuple(Problem(p.field.partition(".")[0], p.message) for p in refusal.problems)
        return _page(visit, _Typed(erase=form.with_problems(problems), status=refusal.status))
    said = f"{words.counted(asked.asked, asked.unit_type)} are being erased; it takes about 15 minutes."
    return done(visit, visit.href("settings", "privacy"), said=said)


@require_POST
@in_place
def retain(visit: Visit) -> HttpResponse:
    """Set how long the environment keeps events."""
    form = posted(visit.request)
    reader = Reader(form)
    event_days = reader.whole("event_days", "The days")
    quarantine_days = reader.whole("quarantine_days", "The days")
    try:
        refuse_all(Invalid, reader.problems)
        command = SetRetention(
            visit.environment.id, form.version(), event_days, quarantine_days or 0, form.text("reason")
        )
        actions.set_retention(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        wrong = form.with_problems(refusal.problems)
        return _page(visit, _Typed(retention=wrong, status=refusal.status))
    return done(
        visit, visit.href("settings", "privacy"), said="Saved. The next night drops what is past its time."
    )


def _page(visit: Visit, typed: _Typed) -> HttpResponse:
    held = events.retention_of(visit.environment.id)
    made = PrivacyPage(
        is_pseudonymised=visit.project.is_pseudonymised,
        unit_types=unit_type_options(visit.project),
        most_units=most_units(),
        erasures=erasure_lines(events.erasures_of(visit.project.id)),
        erase_form=typed.erase,
        may_erase=visit.may(Permission.UNIT_ERASE),
        retention=held,
        retention_form=typed.retention or retention_form(held),
        may_set_retention=visit.may(Permission.RETENTION_EDIT),
    )
    crumbs = (("Settings", visit.href("settings")),)
    frame = frame_of(visit, "Privacy", section="settings", crumbs=crumbs)
    return show(visit, "settings/privacy.html", made, frame=frame, status=typed.status)


def _units(visit: Visit, form: Form) -> tuple[str, ...]:
    file = visit.request.FILES.get("file")
    if isinstance(file, UploadedFile) and file.file is not None:
        sent = flags.UnitFile(file.file, file.name or "", file.size or 0)
        return actions.first_units(flags.unit_ids(sent, form.text("unit_type")))
    typed = tuple(part for part in re.split(r"[\s,]+", form.text("units")) if part)
    if not typed:
        raise Invalid(Problem("units", "Choose a file, or type some unit ids."))
    return typed
