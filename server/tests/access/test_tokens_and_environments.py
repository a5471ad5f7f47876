"""Management tokens with a role, and environments added later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from calling import Caller, caller
from django.utils import timezone
from people import NOW, a_member
from scenes import Shop, a_button_flag, a_running_experiment, a_shop, environment_of, later, updated

from equipoise_server.access import reads
from equipoise_server.access.actions import (
    IssueSdkKey,
    IssueToken,
    issue_sdk_key,
    issue_token,
    revoke_sdk_key,
    revoke_token,
)
from equipoise_server.access.reads import actor_of_token, api_tokens, project, working_sdk_keys
from equipoise_server.access.values import KeyKind, Permission, Role
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    AddEnvironment,
    KillFlag,
    add_environment,
    kill_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import Override, Prerequisite, Rollout, Rule
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Forbidden, Invalid, NotFound
from equipoise_server.snapshots.reads import current

pytestmark = pytest.mark.django_db
MONTH = timedelta(days=30)


def a_token(shop: Shop, role: Role = Role.VIEWER) -> IssueToken:
    """A token for the pipeline."""
    return IssueToken(shop.project.id, "Pipeline", role, MONTH)


def test_a_token_has_its_role_in_its_project_and_nothing_elsewhere() -> None:
    shop, blog = a_shop(), a_shop("blog", "bea@example.com")
    issued = issue_token(shop.owner, a_token(shop, Role.EXPERIMENTER), now=NOW)
    actor = actor_of_token(issued.secret, now=later(1))
    assert actor is not None
    assert actor.may(Permission.FLAG_EDIT, shop.project.id)
    assert not actor.may(Permission.KEY_MANAGE, shop.project.id)
    assert not actor.may(Permission.PROJECT_READ, blog.project.id)
    assert not actor.may_create_projects
    assert actor.author == shop.owner.author
    assert actor_of_token(issued.secret, now=later(31)) is None


def test_a_token_never_exceeds_its_person_then_or_later() -> None:
    shop = a_shop()
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Invalid) as refusal:
        issue_token(viewer, replace(a_token(shop, Role.ENGINEER), name=" ", life=timedelta(days=91)), now=NOW)
    assert {problem.field for problem in refusal.value.problems} == {"name", "life", "role"}
    with pytest.raises(Forbidden):
        issue_token(a_shop("blog", "bea@example.com").owner, a_token(shop), now=NOW)
    with pytest.raises(Forbidden, match="Only people"):
        issue_token(reads.operator_actor(), a_token(shop), now=NOW)


def test_people_revoke_their_own_tokens_and_admins_all_of_the_project() -> None:
    shop = a_shop()
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    tokens = [issue_token(each, a_token(shop), now=NOW) for each in (viewer, engineer, shop.owner)]
    assert [token.owner for token in api_tokens(viewer, shop.project.id)] == ["Viewer-shop"]
    assert len(api_tokens(shop.owner, shop.project.id)) == 3
    assert api_tokens(reads.automation_actor("watch"), shop.project.id) == ()
    with pytest.raises(Forbidden):
        revoke_token(viewer, tokens[1].token.id, now=NOW)
    with pytest.raises(NotFound):
        revoke_token(a_shop("blog", "bea@example.com").owner, tokens[1].token.id, now=NOW)
    revoke_token(viewer, tokens[0].token.id, now=NOW)
    revoke_token(shop.owner, tokens[1].token.id, now=NOW)
    opened = [actor_of_token(issued.secret, now=NOW) is not None for issued in tokens]
    assert opened == [False, False, True]


def test_tokens_are_listed_and_revoked_over_the_api() -> None:
    shop = a_shop()
    issued = issue_token(shop.owner, a_token(shop, Role.ENGINEER), now=timezone.now())
    asking = Caller(issued.secret)
    listed = asking.get("/projects/shop/tokens")
    assert issued.secret not in listed.text
    assert asking.post(f"/projects/shop/tokens/{issued.token.id}/revoke", {}).status == 200
    assert asking.get("/projects/shop/tokens").status == 401
    foreign = issue_token(a_shop("blog", "bea@example.com").owner, a_token(a_shop_named("blog")), now=NOW)
    assert caller(shop.owner).post(f"/projects/shop/tokens/{foreign.token.id}/revoke", {}).status == 404


def a_shop_named(key: str) -> Shop:
    """A project that is there, with its owner."""
    owner = reads.operator_actor()
    return Shop(owner, reads.project_by_key(owner, key))


def test_a_new_key_works_and_a_revoked_one_stops_at_once(
    django_capture_on_commit_callbacks: pytest.FixtureRequest,
) -> None:
    shop, state = a_shop(), EdgeState()
    refresh(state)
    stop = revisions.subscribe(lambda: refresh(state))
    try:
        command = IssueSdkKey(environment_of(shop).id, KeyKind.SERVER, "web")
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # pytest-django's
            issued = issue_sdk_key(shop.owner, command, now=NOW)
        assert state.view is not None
        assert state.view.keys.keys() == {issued.key.prefix} == working_sdk_keys().keys()
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]  # pytest-django's
            revoke_sdk_key(shop.owner, issued.key.id, now=NOW)
        assert state.view.keys == {}
    finally:
        stop()


def test_an_added_environment_has_every_flag_off() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    green = replace(updated(flag, "production"), default="green", rules=(Rule("", serve="green"),))
    update_flag_settings(shop.owner, green, now=NOW)
    made = add_environment(shop.owner, AddEnvironment(shop.project.id, "staging", "Staging"), now=NOW)
    settings = flags.flag(flag.id).settings["staging"]
    assert (settings.off, settings.default, settings.rules) == ("grey", "grey", ())
    assert b'"checkout-button"' in current(made.id).body
    assert [each.key for each in project(shop.project.id).environments] == [
        "development", "staging", "production",
    ]  # fmt: skip


def test_a_copied_environment_serves_the_same_by_a_shuffle_of_its_own() -> None:
    shop = a_shop()
    flag, basket = a_running_experiment(shop), a_button_flag(shop, "basket")
    assert flag.key
    rollout = Rule("half", rollout=Rollout("green", "user", 500_000))
    filled = replace(
        updated(basket, "production"),
        rules=(rollout,),
        overrides=(Override("green", "user", ("u-1",)),),
        prerequisites=(Prerequisite("checkout-button", ("grey",)),),
    )
    update_flag_settings(shop.owner, filled, now=NOW)
    production = environment_of(shop).id
    kill_flag(shop.owner, KillFlag(basket.id, production), now=NOW)
    command = AddEnvironment(shop.project.id, "staging", "Staging", production)
    made = add_environment(shop.owner, command, now=NOW)
    here, there = (flags.flag(basket.id).settings[key] for key in ("staging", "production"))
    assert (here.overrides, here.prerequisites) == (there.overrides, there.prerequisites)
    assert here.rules[0].rollout is not None
    assert there.rules[0].rollout is not None
    assert here.rules[0].rollout.salt != there.rules[0].rollout.salt
    assert replace(here.rules[0].rollout, salt="") == replace(there.rules[0].rollout, salt="")
    assert here.killed_at is None
    assert flags.flag_by_key(shop.project.id, "checkout-button").settings["staging"].pins == ()
    assert b'"experiments":{}' in current(made.id).body


def test_only_admins_add_environments_and_every_fault_is_told() -> None:
    shop = a_shop()
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    with pytest.raises(Forbidden):
        add_environment(engineer, AddEnvironment(shop.project.id, "staging", "Staging"), now=NOW)
    asking = caller(shop.owner)
    path = "/projects/shop/environments"
    assert asking.post(path, {"key": "production", "name": " "}).fields == ["key", "name"]
    assert asking.post(path, {"key": "Staging", "name": "x"}).fields == ["key"]
    assert asking.post(path, {"key": "staging", "name": "x", "copy_from": "nowhere"}).status == 404
    assert asking.post(path, {"key": "staging", "name": "x", "copy_from": "production"}).status == 201
    for place in range(9):
        assert asking.post(path, {"key": f"e{place}", "name": "x"}).status == 201
    assert asking.post(path, {"key": "one-more", "name": "x"}).status == 422
    foreign = environment_of(a_shop("blog", "bea@example.com")).id
    with pytest.raises(Invalid, match="no such environment"):
        add_environment(shop.owner, AddEnvironment(shop.project.id, "more", "More", foreign), now=NOW)
