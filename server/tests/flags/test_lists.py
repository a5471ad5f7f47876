"""Segments that are lists of units: short ones by name, long ones as hashes, from files of any size."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import NOW
from scenes import (
    Shop,
    a_button_flag,
    a_design,
    a_running_experiment,
    a_shop,
    environment_of,
    later,
    updated,
)

from equipoise_engine import Members, members_blob
from equipoise_server.flags import member_hashes, reads
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateList,
    DeleteSegment,
    UnitFile,
    UpdateSegment,
    change_members,
    create_list,
    delete_segment,
    unit_ids,
    update_flag_settings,
    update_segment,
)
from equipoise_server.flags.member_hashes import EMPTY, Membership, changed, holds, to_bytes
from equipoise_server.flags.values import How, Override, Rule, Segment
from equipoise_server.foundation import due_work
from equipoise_server.foundation.refusals import Conflict, Invalid
from equipoise_server.snapshots import reads as snapshots

SALT = "listsalt"


def a_list(shop: Shop, *units: str, key: str = "testers", is_computed: bool = False) -> Segment:
    """A list of users of the shop."""
    made = create_list(
        shop.owner, CreateList(shop.project.id, key, key.title(), "user", is_computed), now=NOW
    )
    return change(shop, made, "append", units) if units else made


def change(shop: Shop, segment: Segment, how: How, units: Iterable[str], *, day: float = 1) -> Segment:
    """The list after a change."""
    command = ChangeMembers(segment.id, how, confirms_growth=True)
    return change_members(shop.owner, command, units, now=later(day))


def many(count: int) -> Iterator[str]:
    """So many users."""
    return (f"u-{place}" for place in range(count))


def for_testers(shop: Shop) -> None:
    """A flag that is green for the testers alone."""
    rule = Rule("", {"segment": "testers"}, serve="green")
    command = replace(updated(a_button_flag(shop), "production"), rules=(rule,))
    update_flag_settings(shop.owner, command, now=NOW)


def served(shop: Shop, unit: str) -> str | None:
    """What a user gets of the flag."""
    context = {"units": {"user": unit}}
    return snapshots.explain(environment_of(shop).id, "checkout-button", context)[0].variant


@pytest.mark.django_db
def test_a_short_list_is_kept_by_name_and_decides() -> None:
    shop = a_shop()
    testers = a_list(shop, "u-1", "u-2", "u-1")
    for_testers(shop)
    assert testers.condition == {"members": {"unit_type": "user", "units": ["u-1", "u-2"]}}
    assert testers.members is not None
    assert (testers.members.member_count, testers.members.address) == (2, "")
    assert (served(shop, "u-1"), served(shop, "u-3")) == ("green", "grey")
    assert reads.is_member(testers.id, "u-2")
    assert not reads.is_member(testers.id, "u-3")


@pytest.mark.django_db
def test_a_long_list_is_hashed_beside_the_snapshot_and_decides_the_same() -> None:
    shop = a_shop()
    testers = a_list(shop, "u-1")
    for_testers(shop)
    testers = change(shop, testers, "append", many(1_500))
    assert testers.members is not None
    address, production = testers.members.address, environment_of(shop).id
    assert testers.members.member_count == 1_500
    content = snapshots.blob(production, address)
    assert content is not None
    assert hashlib.sha256(content).hexdigest() == address == Members(content).address
    assert address.encode() in snapshots.current(production).body
    assert b"u-1499" not in snapshots.current(production).body
    assert (served(shop, "u-1499"), served(shop, "u-1500")) == ("green", "grey")
    assert reads.is_member(testers.id, "u-1499")
    assert not reads.is_member(testers.id, "u-1500")
    shorter = change(shop, testers, "remove", ["u-1499"])
    assert served(shop, "u-1499") == "grey"
    assert shorter.members is not None
    assert shorter.members.member_count == 1_499
    assert snapshots.blob(production, address) == content, "replays still find it"
    assert change(shop, shorter, "replace", ["u-7"]).condition["members"] == {
        "unit_type": "user",
        "units": ["u-7"],
    }


@pytest.mark.django_db
def test_hashes_are_kept_for_replays_until_no_list_has_had_them_for_long() -> None:
    shop = a_shop()
    testers = change(shop, a_list(shop), "replace", many(1_001))
    assert testers.members is not None
    first, production = testers.members.address, environment_of(shop).id
    work_until(40)
    assert snapshots.blob(production, first) is not None, "it is the list of now"
    testers = change(shop, testers, "append", ["one-more"])
    work_until(35)
    assert snapshots.blob(production, first) is not None
    change(shop, testers, "remove", ["one-more"])
    work_until(37)
    assert snapshots.blob(production, first) is not None, "the list has them again"
    assert testers.members is not None
    assert snapshots.blob(production, testers.members.address) is None
    delete_segment(shop.owner, DeleteSegment(testers.id), now=later(38))
    work_until(73)
    assert snapshots.blob(production, first) is None


@pytest.mark.django_db
def test_hashes_that_came_back_are_kept_from_when_they_left_last() -> None:
    shop = a_shop()
    testers = change(shop, a_list(shop), "replace", many(1_001))
    assert testers.members is not None
    first, production = testers.members.address, environment_of(shop).id
    change(shop, testers, "append", ["one-more"], day=1)
    change(shop, testers, "remove", ["one-more"], day=10)
    change(shop, testers, "append", ["another"], day=20)
    work_until(54)
    assert snapshots.blob(production, first) is not None, "it was served until day 20"
    work_until(55)
    assert snapshots.blob(production, first) is None


def work_until(days: float) -> None:
    """Do what is due."""
    kinds = frozenset(["flag.forget_list"])
    while (work := due_work.claim("worker", now=later(days), kinds=kinds)) is not None:
        due_work.run(work, now=later(days))
        due_work.finish(work, now=later(days))


@pytest.mark.django_db
def test_a_list_belongs_to_its_project() -> None:
    shop, bank = a_shop(), a_shop("bank", "bob@example.com")
    testers = change(shop, a_list(shop), "replace", many(1_001))
    assert testers.members is not None
    assert snapshots.blob(environment_of(bank).id, testers.members.address) is None
    assert snapshots.blob(environment_of(shop).id, "0" * 64) is None


@pytest.mark.django_db
def test_a_long_list_that_became_empty_is_empty_by_name() -> None:
    for shop in (a_shop(), a_shop("bakery", "eve@example.com")):
        emptied = change(shop, change(shop, a_list(shop), "append", many(1_001)), "remove", many(1_001))
        assert emptied.condition == {"members": {"unit_type": "user", "units": []}}


@pytest.mark.django_db
def test_a_list_that_a_running_experiment_uses_holds_still_unless_it_is_computed() -> None:
    shop = a_shop()
    frozen, computed = a_list(shop, "u-1"), a_list(shop, "u-1", key="buyers", is_computed=True)
    everybody = {"any": [{"segment": "testers"}, {"segment": "buyers"}]}
    a_running_experiment(shop, design=a_design(eligibility=everybody))
    with pytest.raises(Conflict, match="running experiment “checkout-button”"):
        change(shop, frozen, "append", ["u-2"])
    moved = change(shop, computed, "append", ["u-2"])
    assert moved.members is not None
    assert moved.members.member_count == 2
    uses = reads.segment_uses(frozen.id)
    assert (uses.experiments, uses.flags) == (("checkout-button",), ())


@pytest.mark.django_db
def test_a_list_has_no_condition_to_edit_and_a_name_that_can_be() -> None:
    shop = a_shop()
    testers = a_list(shop, "u-1")
    edit = UpdateSegment(testers.id, testers.version, "The testers", testers.condition)
    assert update_segment(shop.owner, edit, now=NOW).name == "The testers"
    other = replace(edit, expected_version=testers.version + 1, condition={"all": []})
    with pytest.raises(Invalid, match="change its members"):
        update_segment(shop.owner, other, now=NOW)


@pytest.mark.django_db
def test_a_segment_in_use_cannot_be_deleted_and_every_use_is_named() -> None:
    shop = a_shop()
    testers, idle = a_list(shop, "u-1"), a_list(shop, key="idle")
    for_testers(shop)
    flag = reads.flag_by_key(shop.project.id, "checkout-button")
    override = replace(updated(flag, "development"), overrides=(Override("green", segment="testers"),))
    update_flag_settings(shop.owner, override, now=NOW)
    with pytest.raises(Conflict, match="in development, the flag “checkout-button” in production"):
        delete_segment(shop.owner, DeleteSegment(testers.id), now=NOW)
    delete_segment(shop.owner, DeleteSegment(idle.id), now=NOW)
    assert [segment.key for segment in reads.segments_of(shop.project.id)] == ["testers"]


@pytest.mark.django_db
def test_lists_name_a_unit_type_and_a_free_key() -> None:
    shop = a_shop()
    a_list(shop)
    with pytest.raises(Invalid) as refusal:
        create_list(shop.owner, CreateList(shop.project.id, "testers", "", "planet"), now=NOW)
    assert {problem.field for problem in refusal.value.problems} == {"name", "unit_type", "key"}


@pytest.mark.django_db
def test_bad_ids_are_named_together_and_change_nothing() -> None:
    shop = a_shop()
    testers = a_list(shop, "u-1")
    with pytest.raises(Invalid, match=r"the 2\. \('x+'…\), the 3\. \(''\)"):
        change(shop, testers, "append", ["u-2", "x" * 257, ""])
    assert not reads.is_member(testers.id, "u-2")


def test_a_list_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_hashes, "MOST_MEMBERS", 1_200)
    assert changed(EMPTY, "replace", many(1_200), SALT).count == 1_200
    with pytest.raises(Invalid, match="at most 1,200"):
        changed(EMPTY, "replace", many(1_201), SALT)
    monkeypatch.setattr(member_hashes, "_CHUNK", 500)
    assert changed(EMPTY, "replace", [*many(1_200)] * 4, SALT).count == 1_200


units = st.lists(st.text("abc", min_size=1, max_size=3), max_size=12)
steps = st.lists(st.tuples(st.sampled_from(["replace", "append", "remove"]), units), max_size=6)


@settings(deadline=None)
@given(steps)
def test_hashed_or_by_name_a_list_holds_the_same(steps: list[tuple[How, list[str]]]) -> None:
    expected: set[str] = set()
    named, hashed = EMPTY, Membership(None, member_hashes.from_bytes(b""))
    for how, given_units in steps:
        named = changed(named, how, given_units, SALT)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(member_hashes, "MOST_NAMED", -1)
            hashed = changed(hashed, how, given_units, SALT)
        if how == "replace":
            expected = set(given_units)
        else:
            expected = expected | set(given_units) if how == "append" else expected - set(given_units)
    assert named.names == expected
    assert hashed == EMPTY or hashed.hashes is not None, "only an empty list is named again"
    hashes = member_hashes.from_bytes(b"") if hashed.hashes is None else hashed.hashes
    assert to_bytes(hashes) == members_blob(SALT, expected)
    assert all(holds(hashes, SALT, unit) == (unit in expected) for unit in ["a", "ab", "abc", ""])


def read(content: bytes, *, is_csv: bool = False) -> list[str]:
    """The ids in a file of users."""
    name = "users.CSV" if is_csv else "users.txt"
    return list(unit_ids(UnitFile(io.BytesIO(content), name, len(content)), "user"))


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(Invalid, match="send it in parts"):
        unit_ids(UnitFile(io.BytesIO(), "users.txt", 2**29 + 1), "user")


def test_a_text_file_has_an_id_a_line() -> None:
    assert read(b"\xef\xbb\xbfuser_id\r\nu-1\r\n\r\n u,2 \nu-3") == ["u-1", "u,2", "u-3"]
    assert read(b"u-1\nuser\n") == ["u-1", "user"]


def test_a_csv_file_has_ids_in_its_first_column() -> None:
    assert read(b'id,plan\n"u-1",free\n"u,2",paid\n\nu-3\n', is_csv=True) == ["u-1", "u,2", "u-3"]


@pytest.mark.parametrize(
    ("content", "is_csv", "told"),
    [(b"u-\xff", False, "UTF-8"), (b"x" * 20_000, False, "one unit id a line"), (b'"u', True, "no CSV")],
)
def test_a_file_of_something_else_is_refused(content: bytes, is_csv: bool, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        read(content, is_csv=is_csv)
