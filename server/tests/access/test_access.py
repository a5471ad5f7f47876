"""People, roles, projects, keys and tokens."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from people import NOW, OPERATOR, a_member, a_person, a_project, an_admin, an_outsider
from scenes import a_shop

from equipoise_server.access import models, reads
from equipoise_server.access.actions import (
    CreateProject,
    CreateUser,
    GrantRole,
    IssueSdkKey,
    create_project,
    create_user,
    grant_role,
    issue_api_token,
    issue_sdk_key,
    revoke_sdk_key,
)
from equipoise_server.access.permissions import AUTOMATION_PERMISSIONS, ROLE_PERMISSIONS
from equipoise_server.access.values import KeyKind, Permission, Role
from equipoise_server.audit.models import AuditRecord
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_faulty_account_is_refused_with_every_fault() -> None:
    a_person("ada@example.com")
    for email, fields in (("ada", ["email", "password"]), ("ADA@example.com", ["password", "email"])):
        with pytest.raises(Invalid) as refused:
            create_user(OPERATOR, CreateUser(email, "Ada", "short"), now=NOW)
        assert [problem.field for problem in refused.value.problems] == fields


def test_only_an_organisation_admin_creates_projects() -> None:
    with pytest.raises(Forbidden):
        create_project(an_outsider(), CreateProject("shop", "Shop"), now=NOW)


def test_every_role_holds_what_the_lesser_ones_hold() -> None:
    ordered = [ROLE_PERMISSIONS[role] for role in (Role.VIEWER, Role.EXPERIMENTER, Role.ENGINEER, Role.ADMIN)]
    assert all(less < more for less, more in pairwise(ordered))
    assert ROLE_PERMISSIONS[Role.ADMIN] == frozenset(Permission)


def test_automation_may_hold_stop_and_kill_and_nothing_else() -> None:
    assert {
        Permission.PROJECT_READ, Permission.FLAG_KILL, Permission.EXPERIMENT_STOP,
    } == AUTOMATION_PERMISSIONS  # fmt: skip


def test_a_role_counts_in_its_project_alone() -> None:
    shop, bakery = a_shop(), a_shop("bakery", "bea@example.com")
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    assert engineer.may(Permission.FLAG_EDIT, shop.project.id)
    assert not engineer.may(Permission.PROJECT_READ, bakery.project.id)
    assert [p.key for p in reads.projects_of(engineer)] == ["shop"]
    with pytest.raises(NotFound):
        reads.project_by_key(engineer, "bakery")


def test_the_last_admin_cannot_be_made_less() -> None:
    shop = a_shop()
    command = GrantRole(shop.project.id, "ada@example.com", Role.VIEWER)
    with pytest.raises(Conflict):
        grant_role(shop.owner, command, now=NOW)
    a_member(shop.owner, shop.project, Role.ADMIN)
    grant_role(shop.owner, command, now=NOW)
    assert [m.role for m in reads.members(shop.project.id) if m.email == "ada@example.com"] == [Role.VIEWER]


def test_only_admins_give_roles() -> None:
    shop = a_shop()
    a_person("olga@example.com")
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    with pytest.raises(Forbidden):
        grant_role(engineer, GrantRole(shop.project.id, "olga@example.com", Role.VIEWER), now=NOW)


def test_a_key_is_stored_as_a_digest_and_recognised_by_its_secret_alone() -> None:
    shop = a_shop()
    production = shop.project.environments[1]
    issued = issue_sdk_key(shop.owner, IssueSdkKey(production.id, KeyKind.SERVER, "web"), now=NOW)
    (working,) = reads.working_sdk_keys().values()
    assert working.is_opened_by(issued.secret)
    assert not working.is_opened_by(issued.secret + "0")
    row = models.SdkKey.objects.get()
    assert issued.secret not in {row.prefix, row.secret_sha256, row.name}
    assert issued.secret not in str(list(AuditRecord.objects.values()))


def test_a_revoked_key_works_no_more_and_stays_revoked_at_its_first_time() -> None:
    shop = a_shop()
    command = IssueSdkKey(shop.project.environments[1].id, KeyKind.CLIENT, "web")
    key = issue_sdk_key(shop.owner, command, now=NOW).key
    revoke_sdk_key(shop.owner, key.id, now=NOW + HOUR)
    revoke_sdk_key(shop.owner, key.id, now=NOW + 2 * HOUR)
    assert reads.working_sdk_keys() == {}
    assert reads.sdk_key(key.id).revoked_at == NOW + HOUR


def test_a_token_does_what_its_person_can_do_now() -> None:
    shop = a_shop()
    member = a_member(shop.owner, shop.project, Role.ENGINEER)
    token = issue_api_token(UUID(member.author.id), "ci", life=HOUR, now=NOW)
    held = reads.actor_of_token(token, now=NOW)
    assert held is not None
    assert held.may(Permission.FLAG_EDIT, shop.project.id)
    grant_role(shop.owner, GrantRole(shop.project.id, "engineer-shop@example.com", Role.VIEWER), now=NOW)
    held = reads.actor_of_token(token, now=NOW)
    assert held is not None
    assert not held.may(Permission.FLAG_EDIT, shop.project.id)


def test_a_token_ends_with_its_life_and_with_its_person() -> None:
    member = a_person("ada@example.com")
    token = issue_api_token(UUID(member.author.id), "ci", life=HOUR, now=NOW)
    assert reads.actor_of_token(token, now=NOW + HOUR) is None
    assert reads.actor_of_token(token[:-1], now=NOW) is None
    models.User.objects.update(is_active=False)
    assert reads.actor_of_token(token, now=NOW) is None


@pytest.mark.parametrize(("name", "life"), [(" ", HOUR), ("ci", timedelta(0)), ("ci", timedelta(days=91))])
def test_a_token_has_a_name_and_ends_within_ninety_days(name: str, life: timedelta) -> None:
    with pytest.raises(Invalid):
        issue_api_token(UUID(a_person("ada@example.com").author.id), name, life=life, now=NOW)


def test_a_session_ends_when_the_password_changes_or_the_account_is_closed() -> None:
    actor = an_admin()
    user = models.User.objects.get()
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), "any"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    assert reads.actor_of_session(session) == actor
    models.User.objects.update(is_active=False)
    assert reads.actor_of_session(session) is None
    models.User.objects.update(is_active=True, password="another one")
    assert reads.actor_of_session(session) is None
    assert reads.actor_of_session(SessionStore()) is None


def test_a_project_has_its_own_key_and_usable_unit_types() -> None:
    owner, _ = a_project(an_admin())
    command = CreateProject("shop", "Shop", ("User",), "User")
    with pytest.raises(Invalid) as refused:
        create_project(owner, command, now=NOW)
    assert [problem.field for problem in refused.value.problems] == ["key", "unit_types"]
