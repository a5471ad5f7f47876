"""Off is always allowed; turning back on needs its own permission."""

from __future__ import annotations

from datetime import timedelta

import pytest
from people import NOW, a_member
from scenes import a_button_flag, a_shop, settings_of

from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    KillEnvironment,
    KillFlag,
    kill_environment,
    kill_flag,
    unkill_environment,
    unkill_flag,
)
from equipoise_server.foundation import due_work, revisions
from equipoise_server.foundation.refusals import Forbidden, NotFound

pytestmark = pytest.mark.django_db


def test_a_kill_makes_a_revision_and_asks_automation_to_stop_what_ran() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    production = settings_of(flag).environment_id
    before = revisions.current(production)
    killed = kill_flag(shop.owner, KillFlag(flag.id, production, "errors"), now=NOW)
    assert settings_of(killed).killed_at == NOW
    assert revisions.current(production) != before
    assert reads.payload(production).flags[flag.key]["killed"] is True
    work = due_work.claim("worker", now=NOW, kinds=frozenset(["flag.killed"]))
    assert work is not None
    assert work.payload == {"flag_id": str(flag.id), "environment_id": str(production)}


def test_a_second_kill_changes_nothing() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = KillFlag(flag.id, settings_of(flag).environment_id)
    kill_flag(shop.owner, command, now=NOW)
    records = len(of_subject("flag", flag.id))
    again = kill_flag(shop.owner, command, now=NOW + timedelta(hours=1))
    assert settings_of(again).killed_at == NOW
    assert len(of_subject("flag", flag.id)) == records


def test_an_experimenter_may_kill_but_not_turn_back_on() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = KillFlag(flag.id, settings_of(flag).environment_id)
    experimenter = a_member(shop.owner, shop.project, Role.EXPERIMENTER)
    kill_flag(experimenter, command, now=NOW)
    with pytest.raises(Forbidden):
        unkill_flag(experimenter, command, now=NOW)
    assert not settings_of(unkill_flag(shop.owner, command, now=NOW)).is_killed


def test_a_viewer_may_not_kill() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        kill_flag(viewer, KillFlag(flag.id, settings_of(flag).environment_id), now=NOW)
    with pytest.raises(Forbidden):
        kill_environment(viewer, KillEnvironment(settings_of(flag).environment_id), now=NOW)


def test_a_kill_in_an_environment_of_another_project_is_not_found() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    with pytest.raises(NotFound):
        kill_flag(shop.owner, KillFlag(flag.id, shop.project.id), now=NOW)


def test_a_killed_environment_is_killed_as_a_whole_until_it_is_turned_on_again() -> None:
    shop = a_shop()
    a_button_flag(shop)
    development = shop.project.environments[0].id
    kill_environment(shop.owner, KillEnvironment(development, "outage"), now=NOW)
    kill_environment(shop.owner, KillEnvironment(development, "outage"), now=NOW + timedelta(hours=1))
    assert reads.environment_kill(development) == NOW
    assert reads.payload(development).killed
    assert not reads.payload(shop.project.environments[1].id).killed
    unkill_environment(shop.owner, KillEnvironment(development), now=NOW)
    assert reads.environment_kill(development) is None
