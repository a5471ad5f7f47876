"""Settings: SDK keys, members, and the switch for a whole environment."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access import actions
from equipoise_server.access import reads as access
from equipoise_server.access.actions import GrantRole, IssueSdkKey
from equipoise_server.access.values import KeyKind, Permission, Role
from equipoise_server.dashboard.forms import Form, choice, posted
from equipoise_server.dashboard.pages.places import SettingsPage, key_lines
from equipoise_server.dashboard.visits import Visit, done, frame_of, in_place, not_done, show
from equipoise_server.flags import actions as flag_actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import KillEnvironment
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal


@require_safe
@in_place
def page(visit: Visit) -> HttpResponse:
    """Keys, members and how to connect code."""
    return _page(visit)


def _page(
    visit: Visit, *, key_form: Form | None = None, member_form: Form | None = None, secret: str = "",
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    request = visit.request
    made = SettingsPage(
        project=visit.project,
        environment=visit.environment,
        address=f"{request.scheme}://{request.get_host()}",
        keys=key_lines(access.sdk_keys(visit.project.id), visit.project),
        members=access.members(visit.project.id),
        key_form=key_form or Form(),
        member_form=member_form or Form(),
        secret=secret,
        may_manage_keys=visit.may(Permission.KEY_MANAGE),
        may_grant=visit.may(Permission.MEMBER_GRANT),
        environment_killed_at=flags.environment_kill(visit.environment.id),
        may_kill=visit.may(Permission.FLAG_KILL),
        may_unkill=visit.may(Permission.FLAG_UNKILL),
    )
    frame = frame_of(visit, "Settings", section="settings")
    return show(visit, "settings/page.html", made, frame=frame, status=status)


@require_POST
@in_place
def issue_key(visit: Visit) -> HttpResponse:
    """Issue a key. Its secret is in this one answer and nowhere else, so there is no redirect."""
    form = posted(visit.request)
    kind = choice(KeyKind, form.text("kind"), KeyKind.SERVER)
    command = IssueSdkKey(visit.environment.id, kind, form.text("name"))
    try:
        issued = actions.issue_sdk_key(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, key_form=form.with_problems(refusal.problems), status=refusal.status)
    return _page(visit, secret=issued.secret)


@require_POST
@in_place
def revoke_key(visit: Visit) -> HttpResponse:
    """Refuse a key from now on."""
    wanted = posted(visit.request).text("key")
    key = next((each for each in access.sdk_keys(visit.project.id) if str(each.id) == wanted), None)
    if key is None:
        raise NotFound(Problem("key", "There is no such key in this project."))
    try:
        actions.revoke_sdk_key(visit.actor, UUID(wanted), now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    return done(visit, visit.href("settings"), said=f"The key of “{key.name}” is revoked.")


@require_POST
@in_place
def grant(visit: Visit) -> HttpResponse:
    """Give a person a role."""
    form = posted(visit.request)
    role = choice(Role, form.text("role"), Role.VIEWER)
    try:
        actions.grant_role(visit.actor, GrantRole(visit.project.id, form.text("email"), role), now=visit.now)
    except Refusal as refusal:
        return _page(visit, member_form=form.with_problems(refusal.problems), status=refusal.status)
    return done(visit, visit.href("settings"), said=f"{form.text('email')} is now {role}.")


@require_POST
@in_place
def kill(visit: Visit) -> HttpResponse:
    """Serve off variants everywhere in the environment."""
    command = KillEnvironment(visit.environment.id, posted(visit.request).text("reason"))
    try:
        flag_actions.kill_environment(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    return done(visit, visit.href("settings"), said=f"Everything in {visit.environment.name} is killed.")


@require_POST
@in_place
def unkill(visit: Visit) -> HttpResponse:
    """Let flags follow their rules again."""
    command = KillEnvironment(visit.environment.id, posted(visit.request).text("reason"))
    try:
        flag_actions.unkill_environment(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    return done(visit, visit.href("settings"), said=f"Everything in {visit.environment.name} is back on.")
