"""Segments: conditions and lists of units, who is in them, and what uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, asked, filled, posted
from equipoise_server.dashboard.pages import segments as pages
from equipoise_server.dashboard.pages.clauses import clause_count, clause_texts, read_condition
from equipoise_server.dashboard.pages.segments import NewSegmentPage, SegmentPage
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.dashboard.words import counted
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateList,
    CreateSegment,
    DeleteSegment,
    UpdateSegment,
)
from equipoise_server.flags.values import How, Segment
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, Refusal

HOWS: dict[str, How] = {"replace": "replace", "append": "append", "remove": "remove"}


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """All segments."""
    page = pages.segments_page(flags.segments_of(visit.project.id), may_edit=visit.may(Permission.FLAG_EDIT))
    frame = frame_of(visit, "Segments", section="flags", crumbs=(("Flags", visit.href("flags")),))
    return show(visit, "segments/list.html", page, frame=frame)


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new condition, or a new list."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _new_page(visit, filled({"kind": "condition"}))
    form = posted(visit.request)
    if form.text("do", "save") != "save":
        return _new_page(visit, form)
    key = form.text("key").strip() or key_from_name(form.text("name"))
    try:
        made = _make_list(visit, form, key) if form.text("kind") != "condition" else _make(visit, form, key)
    except Refusal as refusal:
        return _new_page(visit, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("segments", made.key), said="Segment created.")


def _make(visit: Visit, form: Form, key: str) -> Segment:
    problems: list[Problem] = []
    condition = read_condition(form, problems)
    if condition is None and not problems:
        problems.append(Problem("eligibility", "Say who belongs to it: fill a line."))
    if condition is None:
        raise Invalid(*problems)
    command = CreateSegment(visit.project.id, key, form.text("name"), condition)
    return actions.create_segment(visit.actor, command, now=visit.now)


def _make_list(visit: Visit, form: Form, key: str) -> Segment:
    is_computed = form.text("kind") == "computed"
    command = CreateList(visit.project.id, key, form.text("name"), form.text("unit_type"), is_computed)
    return actions.create_list(visit.actor, command, now=visit.now)


def _new_page(visit: Visit, form: Form, *, status: int = 200) -> HttpResponse:
    options = tuple((unit_type, unit_type) for unit_type in visit.project.unit_types)
    page = NewSegmentPage(form, clause_count(form), flags.segments_of(visit.project.id), options)
    crumbs = (("Flags", visit.href("flags")), ("Segments", visit.href("segments")))
    frame = frame_of(visit, "New segment", section="flags", crumbs=crumbs)
    return show(visit, "segments/new.html", page, frame=frame, status=status)


@require_http_methods(["GET", "POST"])
@in_place
def one(visit: Visit, key: str) -> HttpResponse:
    """One segment; posting edits its name and condition."""
    segment = flags.segment_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        return _page(visit, segment, _stored(segment))
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    form = posted(visit.request)
    if form.text("do", "save") != "save":
        return _page(visit, segment, form)
    problems: list[Problem] = []
    condition = segment.condition if segment.members else read_condition(form, problems)
    if condition is None and not problems:
        problems.append(Problem("eligibility", "Say who belongs to it: fill a line."))
    try:
        if condition is None or problems:
            raise Invalid(*problems)
        command = UpdateSegment(
            segment.id, form.version(), form.text("name"), condition, form.text("reason"),
            bool(form.text("confirms_growth")),
        )  # fmt: skip
        actions.update_segment(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, segment, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("segments", key), said="Saved.")


def _stored(segment: Segment) -> Form:
    texts = {} if segment.members else clause_texts(segment.condition)
    return filled({"name": segment.name, **texts})


def _page(
    visit: Visit, segment: Segment, form: Form, *, members_form: Form | None = None, status: int = 200
) -> HttpResponse:
    unit = asked(visit.request).text("unit").strip()
    page = SegmentPage(
        segment=segment,
        who=pages.who_is_in(segment),
        members=pages.list_line(segment),
        uses=flags.segment_uses(segment.id),
        form=form,
        members_form=members_form or filled({"how": "append"}),
        clause_count=clause_count(form),
        segments=[other for other in flags.segments_of(visit.project.id) if other.key != segment.key],
        may_edit=visit.may(Permission.FLAG_EDIT),
        looked_up=unit,
        is_member=bool(unit) and segment.members is not None and flags.is_member(segment.id, unit),
    )
    crumbs = (("Flags", visit.href("flags")), ("Segments", visit.href("segments")))
    frame = frame_of(visit, segment.name, section="flags", crumbs=crumbs)
    return show(visit, "segments/page.html", page, frame=frame, status=status)


@require_POST
@in_place
def members(visit: Visit, key: str) -> HttpResponse:
    """Replace, add or take out members, typed or from a file."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    segment = flags.segment_by_key(visit.project.id, key)
    form = posted(visit.request)
    command = ChangeMembers(
        segment.id, HOWS.get(form.text("how"), "append"), form.text("reason"), confirms_growth=True
    )
    try:
        changed = actions.change_members(visit.actor, command, _units(visit, segment, form), now=visit.now)
    except Refusal as refusal:
        wrong = form.with_problems(refusal.problems)
        return _page(visit, segment, _stored(segment), members_form=wrong, status=refusal.status)
    assert changed.members is not None
    count = counted(changed.members.member_count, changed.members.unit_type)
    return done(visit, visit.href("segments", key), said=f"The list has {count} now.")


def _units(visit: Visit, segment: Segment, form: Form) -> Iterable[str]:
    if segment.members is None:
        raise Conflict(Problem("", f"The segment “{segment.key}” is a condition, not a list of units."))
    file = visit.request.FILES.get("file")
    typed = [part for part in re.split(r"[\s,]+", form.text("units")) if part]
    if isinstance(file, UploadedFile) and file.file is not None:
        sent = actions.UnitFile(file.file, file.name or "", file.size or 0)
        return actions.unit_ids(sent, segment.members.unit_type)
    if not typed and form.text("how") != "replace":
        raise Invalid(Problem("units", "Choose a file, or type some unit ids."))
    return typed


@require_POST
@in_place
def delete(visit: Visit, key: str) -> HttpResponse:
    """Delete a segment that nothing uses."""
    segment = flags.segment_by_key(visit.project.id, key)
    try:
        actions.delete_segment(visit.actor, DeleteSegment(segment.id), now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("segments", key), refusal)
    return done(visit, visit.href("segments"), said="The segment is gone.")
