"""Groups of flags: the list with its switches, and the form of one group."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from equipoise_server.access.values import Permission
from equipoise_server.dashboard.forms import Form, filled, posted
from equipoise_server.dashboard.pages.groups import GroupPage, groups_page
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import CreateGroup, DeleteGroup, KillGroup, UpdateGroup
from equipoise_server.flags.values import Group
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import Refusal


@require_safe
@in_place
def listing(visit: Visit) -> HttpResponse:
    """The groups, and which of them are killed here."""
    page = groups_page(
        flags.groups_of(visit.project.id), visit.environment.id, may_edit=visit.may(Permission.FLAG_EDIT),
        may_kill=visit.may(Permission.FLAG_KILL), may_unkill=visit.may(Permission.FLAG_UNKILL),
    )  # fmt: skip
    frame = frame_of(visit, "Flag groups", section="flags", crumbs=(("Flags", visit.href("flags")),))
    return show(visit, "groups/list.html", page, frame=frame)


@require_http_methods(["GET", "POST"])
@in_place
def new(visit: Visit) -> HttpResponse:
    """A new group."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    if visit.request.method == "GET":
        return _form_page(visit, None, Form())
    form = posted(visit.request)
    command = CreateGroup(
        visit.project.id, form.text("key").strip() or key_from_name(form.text("name")), form.text("name"),
        frozenset(form.all("flags")), form.text("description"),
    )  # fmt: skip
    try:
        actions.create_group(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, None, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("groups"), said="Group created.")


@require_http_methods(["GET", "POST"])
@in_place
def edit(visit: Visit, key: str) -> HttpResponse:
    """A group's words and flags."""
    visit.actor.require(Permission.FLAG_EDIT, visit.project.id)
    group = flags.group_by_key(visit.project.id, key)
    if visit.request.method == "GET":
        stored = filled({"name": group.name, "description": group.description, "flags": group.flags})
        return _form_page(visit, group, stored)
    form = posted(visit.request)
    command = UpdateGroup(
        group.id, form.version(), form.text("name"), frozenset(form.all("flags")),
        form.text("description"), form.text("reason"),
    )  # fmt: skip
    try:
        actions.update_group(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _form_page(visit, group, form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("groups"), said="Saved.")


def _form_page(visit: Visit, group: Group | None, form: Form, *, status: int = 200) -> HttpResponse:
    page = GroupPage(group, form, flags.flags_of(visit.project.id))
    crumbs = (("Flags", visit.href("flags")), ("Groups", visit.href("groups")))
    title = "New group" if group is None else group.name
    frame = frame_of(visit, title, section="flags", crumbs=crumbs)
    return show(visit, "groups/form.html", page, frame=frame, status=status)


def _changed(visit: Visit, key: str, change: Callable[[Group, Form], str]) -> HttpResponse:
    """Change a group and go back to the list, saying what happened or why not."""
    group = flags.group_by_key(visit.project.id, key)
    try:
        return done(visit, visit.href("groups"), said=change(group, posted(visit.request)))
    except Refusal as refusal:
        return not_done(visit, visit.href("groups"), refusal)


@require_POST
@in_place
def kill(visit: Visit, key: str) -> HttpResponse:
    """Serve the off variants of a group's flags."""

    def change(group: Group, form: Form) -> str:
        command = KillGroup(group.id, visit.environment.id, form.text("reason"))
        actions.kill_group(visit.actor, command, now=visit.now)
        return f"“{group.name}” is killed in {visit.environment.name}."

    return _changed(visit, key, change)


@require_POST
@in_place
def unkill(visit: Visit, key: str) -> HttpResponse:
    """Let a group's flags follow their rules again."""

    def change(group: Group, form: Form) -> str:
        command = KillGroup(group.id, visit.environment.id, form.text("reason"))
        actions.unkill_group(visit.actor, command, now=visit.now)
        return f"“{group.name}” is back on in {visit.environment.name}."

    return _changed(visit, key, change)


@require_POST
@in_place
def delete(visit: Visit, key: str) -> HttpResponse:
    """Undo a group; its flags stay."""

    def change(group: Group, form: Form) -> str:
        actions.delete_group(visit.actor, DeleteGroup(group.id, form.text("reason")), now=visit.now)
        return "The group is gone; its flags are as they were."

    return _changed(visit, key, change)
