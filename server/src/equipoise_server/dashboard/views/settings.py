"""Settings: SDK keys, members, and the switch for a whole environment."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from equipoise_server.access import actions
from equipoise_server.access import reads as access
from equipoise_server.access.actions import GrantRole, IssueSdkKey, IssueToken
from equipoise_server.access.values import KeyKind, Permission, Role
from equipoise_server.dashboard.forms import Form, choice, posted, small_number
from equipoise_server.dashboard.pages.places import SettingsPage, key_lines
from equipoise_server.dashboard.visits import (
    Visit,
    done,
    frame_of,
    in_place,
    not_done,
    place_href,
    show,
)
from equipoise_server.flags import actions as flag_actions
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import AddEnvironment, KillEnvironment
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.foundation.ids import key_from_name
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal


@require_safe
@in_place
def page(visit: Visit) -> HttpResponse:
    """Keys, members and how to connect code."""
    return _page(visit)


def _page(
    visit: Visit, *, key_form: Form | None = None, member_form: Form | None = None,
    token_form: Form | None = None, environment_form: Form | None = None, secret: str = "",
    issued_what: str = "key", status: int = 200,
) -> HttpResponse:  # fmt: skip
    request = visit.request
    tokens = access.api_tokens(visit.actor, visit.project.id)
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
        tokens=tokens,
        token_form=token_form or Form(),
        roles=_roles_of(visit),
        may_revoke_tokens=frozenset(token.id for token in tokens if token.revoked_at is None),
        environment_form=environment_form or Form(),
        may_add_environments=visit.may(Permission.PROJECT_EDIT),
        token_rule_form=Form({"rule": [visit.environment.exposure_tokens]}),
        may_set_tokens=visit.may(Permission.PROJECT_EDIT),
        may_rotate_tokens=visit.may(Permission.KEY_MANAGE)
        and visit.environment.exposure_tokens is not TokenRule.OFF,
        issued_what=issued_what,
        may_create_projects=visit.actor.may_create_projects,
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


def _roles_of(visit: Visit) -> tuple[tuple[str, str], ...]:
    """The roles that the person has, or exceeds, here: what a token of theirs may have."""
    words = {
        Role.VIEWER: "viewer: sees everything",
        Role.EXPERIMENTER: "experimenter: runs experiments, edits flags",
        Role.ENGINEER: "engineer: also keys and turning back on",
        Role.ADMIN: "admin: everything in this project",
    }
    held = access.roles_within(visit.actor, visit.project.id)
    return tuple((str(role), words[role]) for role in held)


@require_POST
@in_place
def issue_token(visit: Visit) -> HttpResponse:
    """Make a management token. Its secret is in this one answer and nowhere else."""
    form = posted(visit.request)
    role = choice(Role, form.text("role"), Role.VIEWER)
    life = timedelta(days=small_number(form.text("days")) or 0)
    command = IssueToken(visit.project.id, form.text("name"), role, life)
    try:
        issued = actions.issue_token(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, token_form=form.with_problems(refusal.problems), status=refusal.status)
    return _page(visit, secret=issued.secret, issued_what="token")


@require_POST
@in_place
def revoke_token(visit: Visit) -> HttpResponse:
    """Refuse a management token from now on."""
    wanted = posted(visit.request).text("token")
    tokens = access.api_tokens(visit.actor, visit.project.id)
    token = next((each for each in tokens if str(each.id) == wanted), None)
    if token is None:
        raise NotFound(Problem("token", "There is no such token in this project."))
    try:
        actions.revoke_token(visit.actor, token.id, now=visit.now)
    except Refusal as refusal:
        return not_done(visit, visit.href("settings"), refusal)
    return done(visit, visit.href("settings"), said=f"The token “{token.name}” is revoked.")


@require_POST
@in_place
def add_environment(visit: Visit) -> HttpResponse:
    """Add an environment, filled from another or with every flag off."""
    form = posted(visit.request)
    source = visit.project.environment(form.text("copy_from"))
    command = AddEnvironment(
        visit.project.id, form.text("key").strip() or key_from_name(form.text("name")), form.text("name"),
        None if source is None else source.id,
    )  # fmt: skip
    try:
        made = flag_actions.add_environment(visit.actor, command, now=visit.now)
    except Refusal as refusal:
        return _page(visit, environment_form=form.with_problems(refusal.problems), status=refusal.status)
    href = place_href(visit.project.key, made.key, "settings")
    return done(visit, href, said=f"{made.name} is there. Issue a key for it.")
