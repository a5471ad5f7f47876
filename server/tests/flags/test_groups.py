"""Groups of flags: killed together, and never by accident."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW, a_member
from racing import just_before
from scenes import Shop, a_button_flag, a_running_experiment, a_shop, environment_of, later

from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.automation.actions import stop_after_kill
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import Status, StopCause
from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    ArchiveFlag,
    CreateGroup,
    DeleteGroup,
    KillGroup,
    UpdateGroup,
    archive_flag,
    create_group,
    delete_group,
    kill_group,
    unkill_group,
    update_group,
)
from equipoise_server.flags.values import Group
from equipoise_server.foundation import due_work, revisions
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.snapshots.reads import explain

pytestmark = pytest.mark.django_db


def a_group(shop: Shop, *flags: str, key: str = "checkout") -> Group:
    """A group of the shop, whose flags are made."""
    for flag in flags:
        a_button_flag(shop, flag)
    return create_group(shop.owner, CreateGroup(shop.project.id, key, key.title(), frozenset(flags)), now=NOW)


def served(shop: Shop, flag: str, environment: str = "production") -> tuple[str, object]:
    """The reason and kill level with which a flag is served."""
    decision, _ = explain(environment_of(shop, environment).id, flag, {})
    return str(decision.reason), decision.metadata.get("kill_level")


def test_killing_a_group_switches_its_flags_off_in_one_environment() -> None:
    shop = a_shop()
    group = a_group(shop, "pay", "basket")
    a_button_flag(shop, "other")
    production = environment_of(shop).id
    killed = kill_group(shop.owner, KillGroup(group.id, production, "errors"), now=NOW)
    assert killed.killed == {production: NOW}
    assert served(shop, "pay") == served(shop, "basket") == ("DISABLED", "group")
    assert served(shop, "other") == ("STATIC", None)
    assert served(shop, "pay", "development") == ("STATIC", None)
    unkill_group(shop.owner, KillGroup(group.id, production), now=NOW)
    assert served(shop, "pay") == ("STATIC", None)


def test_killing_a_group_stops_what_runs_on_its_flags() -> None:
    shop = a_shop()
    running = a_running_experiment(shop)
    group = create_group(
        shop.owner, CreateGroup(shop.project.id, "all", "All", frozenset(["checkout-button"])), now=NOW
    )
    production = environment_of(shop).id
    kill_group(shop.owner, KillGroup(group.id, production), now=later(1))
    unkill_group(shop.owner, KillGroup(group.id, production), now=later(1.5))
    work = due_work.claim("worker", now=later(2), kinds=frozenset(["flag.killed"]))
    assert work is not None
    flag = reads.flag_by_key(shop.project.id, "checkout-button")
    assert work.payload == {"flag_id": str(flag.id), "environment_id": str(production)}
    (stopped,) = stop_after_kill(flag.id, production, now=later(2))
    assert stopped.status is Status.STOPPED
    iteration = experiments.experiment(running.id).iteration
    assert iteration is not None
    assert (iteration.stop_cause, iteration.stopped_at) == (StopCause.KILL, later(1))


def test_a_second_kill_and_a_second_unkill_change_nothing() -> None:
    shop = a_shop()
    group, production = a_group(shop, "pay"), environment_of(shop).id
    unkill_group(shop.owner, KillGroup(group.id, production), now=NOW)
    kill_group(shop.owner, KillGroup(group.id, production), now=NOW)
    records, revision = len(of_subject("group", group.id)), revisions.current(production)
    kill_group(shop.owner, KillGroup(group.id, production), now=later(1))
    assert (len(of_subject("group", group.id)), revisions.current(production)) == (records, revision)


def test_off_is_allowed_to_more_people_than_on() -> None:
    shop = a_shop()
    group, production = a_group(shop, "pay"), environment_of(shop).id
    experimenter = a_member(shop.owner, shop.project, Role.EXPERIMENTER)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        kill_group(viewer, KillGroup(group.id, production), now=NOW)
    kill_group(experimenter, KillGroup(group.id, production), now=NOW)
    with pytest.raises(Forbidden):
        unkill_group(experimenter, KillGroup(group.id, production), now=NOW)


def test_a_killed_group_keeps_its_flags() -> None:
    shop = a_shop()
    group = a_group(shop, "pay", "basket")
    kill_group(shop.owner, KillGroup(group.id, environment_of(shop).id), now=NOW)
    edit = UpdateGroup(group.id, group.version, "Checkout", frozenset(["pay"]))
    with pytest.raises(Conflict, match="killed in Production"):
        update_group(shop.owner, edit, now=NOW)
    with pytest.raises(Conflict, match="killed in Production"):
        delete_group(shop.owner, DeleteGroup(group.id), now=NOW)
    renamed = replace(edit, name="The checkout", flags=frozenset(group.flags))
    assert update_group(shop.owner, renamed, now=NOW).name == "The checkout"


def test_a_group_killed_while_somebody_edits_or_deletes_it_keeps_its_flags() -> None:
    shop = a_shop()
    production = environment_of(shop).id
    edited, deleted = a_group(shop, "pay", "basket"), a_group(shop, "search", key="search")
    kills = {group.id: KillGroup(group.id, production, "errors") for group in (edited, deleted)}
    edit = UpdateGroup(edited.id, edited.version, "Checkout", frozenset(["pay"]))
    with (
        just_before("SAVEPOINT", lambda: kill_group(shop.owner, kills[edited.id], now=NOW)),
        pytest.raises(Conflict, match="killed in Production"),
    ):
        update_group(shop.owner, edit, now=NOW)
    with (
        just_before("SAVEPOINT", lambda: kill_group(shop.owner, kills[deleted.id], now=NOW)),
        pytest.raises(Conflict, match="killed in Production"),
    ):
        delete_group(shop.owner, DeleteGroup(deleted.id), now=NOW)
    for flag in ("pay", "basket", "search"):
        assert served(shop, flag) == ("DISABLED", "group")


def test_a_kill_of_a_group_that_is_deleted_meanwhile_is_told_that_it_is_gone() -> None:
    shop = a_shop()
    group = a_group(shop, "pay")
    with (
        just_before("SAVEPOINT", lambda: delete_group(shop.owner, DeleteGroup(group.id), now=NOW)),
        pytest.raises(NotFound),
    ):
        kill_group(shop.owner, KillGroup(group.id, environment_of(shop).id), now=NOW)


def test_a_group_is_edited_by_one_person_at_a_time_and_names_flags_that_exist() -> None:
    shop = a_shop()
    group = a_group(shop, "pay", "basket")
    edit = UpdateGroup(group.id, group.version, "Checkout", frozenset(["pay"]))
    assert update_group(shop.owner, edit, now=NOW).flags == ("pay",)
    with pytest.raises(Conflict, match="meanwhile"):
        update_group(shop.owner, edit, now=NOW)
    with pytest.raises(Invalid) as refusal:
        create_group(shop.owner, CreateGroup(shop.project.id, "checkout", "", frozenset(["no"])), now=NOW)
    assert {problem.field for problem in refusal.value.problems} == {"key", "name", "flags"}


def test_an_archived_flag_leaves_its_group_and_a_deleted_group_its_flags() -> None:
    shop = a_shop()
    group = a_group(shop, "pay", "basket")
    archive_flag(shop.owner, ArchiveFlag(reads.flag_by_key(shop.project.id, "pay").id), now=NOW)
    assert reads.group(group.id).flags == ("basket",)
    delete_group(shop.owner, DeleteGroup(group.id), now=NOW)
    assert reads.groups_of(shop.project.id) == ()
    assert reads.flag_by_key(shop.project.id, "basket").groups == ()
    assert reads.payload(environment_of(shop).id).groups == {}
