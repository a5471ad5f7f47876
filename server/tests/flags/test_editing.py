"""Creating, editing and archiving flags."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW, a_member, a_project, an_admin
from scenes import a_button_flag, a_shop, settings_of, updated

from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    ArchiveFlag,
    CreateFlag,
    CreateSegment,
    UpdateFlag,
    archive_flag,
    create_flag,
    create_segment,
    update_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import FlagType, FlagVariant, Override, Rollout, Rule
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db

GERMANS = {"attribute": "country", "operator": "in", "values": ["DE"]}


def fields(refused: pytest.ExceptionInfo[Invalid]) -> list[str]:
    """Which fields a refusal names."""
    return [problem.field for problem in refused.value.problems]


def test_a_new_flag_serves_its_default_in_every_environment() -> None:
    flag = a_button_flag(a_shop())
    assert list(flag.settings) == ["development", "production"]
    assert {(s.off, s.default, s.version) for s in flag.settings.values()} == {("grey", "grey", 1)}


def test_a_new_flag_makes_a_revision_of_every_environment() -> None:
    shop = a_shop()
    before = {e.id: revisions.current(e.id) for e in shop.project.environments}
    a_button_flag(shop)
    assert all(revisions.current(e.id) != before[e.id] for e in shop.project.environments)


def test_a_faulty_flag_is_refused_with_every_fault_at_once() -> None:
    shop = a_shop()
    variants = (FlagVariant("Grey!", "grey"), FlagVariant("on", True), FlagVariant("on", 3))
    command = CreateFlag(shop.project.id, "No key", " ", FlagType.STRING, variants, "off", "nowhere")
    with pytest.raises(Invalid) as refused:
        create_flag(shop.owner, command, now=NOW)
    assert fields(refused) == [
        "key", "name", "variants.0.key", "variants.1.value", "variants.2.key", "variants.2.value", "off",
        "default",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flag_type", "value"),
    [
        (FlagType.BOOLEAN, 1),
        (FlagType.STRING, True),
        (FlagType.NUMBER, True),
        (FlagType.NUMBER, "1"),
        (FlagType.NUMBER, float("nan")),
        (FlagType.NUMBER, 2**53 + 1),
        (FlagType.OBJECT, "{}"),
        (FlagType.OBJECT, {"deep": [float("inf")]}),
        (FlagType.STRING, "a\x00b"),
        (FlagType.STRING, "\ud800"),
    ],
)
def test_a_value_of_another_type_or_without_one_meaning_is_refused(
    flag_type: FlagType, value: object
) -> None:
    shop = a_shop()
    variants = (FlagVariant("on", value),)  # type: ignore[arg-type]  # what a door may let through
    with pytest.raises(Invalid) as refused:
        create_flag(
            shop.owner, CreateFlag(shop.project.id, "f", "F", flag_type, variants, "on", "on"), now=NOW
        )
    assert fields(refused) == ["variants.0.value"]


def test_a_text_with_a_backslash_u0000_is_a_text_like_any_other() -> None:
    shop = a_shop()
    variants = (FlagVariant("on", "\\u0000"),)
    command = CreateFlag(shop.project.id, "f", "F", FlagType.STRING, variants, "on", "on")
    assert create_flag(shop.owner, command, now=NOW).variants == variants


def test_the_key_of_an_archived_flag_is_never_used_again() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    archive_flag(shop.owner, ArchiveFlag(flag.id, "done"), now=NOW)
    assert reads.flags_of(shop.project.id) == ()
    assert [f.key for f in reads.archived_flags_of(shop.project.id)] == ["checkout-button"]
    with pytest.raises(Invalid) as refused:
        a_button_flag(shop)
    assert fields(refused) == ["key"]


def test_settings_list_every_fault_with_its_place() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = replace(
        updated(flag, "production"),
        off="none",
        overrides=(
            Override("red", "user", ("u1",)),
            Override("green", "planet", ()),
            Override("green", segment="nobody"),
        ),
        rules=(
            Rule("", serve="green", rollout=Rollout("green", "user", 1)),
            Rule("", rollout=Rollout("red", "planet", 1_000_001)),
            Rule("", {"attribute": "country", "operator": "like", "value": "D"}, serve="green"),
            Rule("", {"segment": "nobody"}, serve="green"),
        ),
    )
    with pytest.raises(Invalid) as refused:
        update_flag_settings(shop.owner, command, now=NOW)
    assert fields(refused) == [
        "off", "overrides.0.variant", "overrides.1.unit_type", "overrides.1.units", "overrides.2.segment",
        "rules.0", "rules.1.rollout.variant", "rules.1.rollout.unit_type",
        "rules.1.rollout.parts_per_million",
        "rules.2.eligibility.operator", "rules.3.eligibility.segment",
    ]  # fmt: skip


def test_a_growing_rollout_keeps_its_salt_and_a_new_one_gets_its_own() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    first = replace(updated(flag, "production"), rules=(Rule("", rollout=Rollout("green", "user", 10_000)),))
    flag = update_flag_settings(shop.owner, first, now=NOW)
    (made,) = settings_of(flag).rules
    assert made.rollout is not None
    assert len(made.rollout.salt) == 8
    wider = replace(made, rollout=replace(made.rollout, parts_per_million=500_000, salt=""))
    other = Rule("other", rollout=Rollout("green", "account", 5, "chosen-by-a-client"))
    flag = update_flag_settings(
        shop.owner, replace(updated(flag, "production"), rules=(wider, other)), now=NOW
    )
    kept, fresh = settings_of(flag).rules
    assert kept.rollout == replace(made.rollout, parts_per_million=500_000)
    assert fresh.rollout is not None
    assert fresh.rollout.salt not in {made.rollout.salt, "chosen-by-a-client"}


def test_two_people_editing_at_once_do_not_overwrite_each_other() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = replace(updated(flag, "production"), default="green")
    update_flag_settings(shop.owner, command, now=NOW)
    with pytest.raises(Conflict) as refused:
        update_flag_settings(shop.owner, replace(command, default="grey"), now=NOW)
    assert refused.value.problems[0].field == "expected_version"
    assert settings_of(reads.flag(flag.id)).default == "green"


def test_an_edit_changes_one_environment_and_says_what_it_changed() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    flag = update_flag_settings(shop.owner, replace(updated(flag, "production"), default="green"), now=NOW)
    assert (flag.settings["development"].default, settings_of(flag).default) == ("grey", "green")
    newest = of_subject("flag", flag.id)[0].changes[0]
    assert (newest.before, newest.after) == ({"default": "grey"}, {"default": "green"})


def test_a_variant_in_use_cannot_be_removed_but_a_new_one_can_be_added() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    blue, green = FlagVariant("blue", "blue"), FlagVariant("green", "green")
    with pytest.raises(Invalid) as refused:
        update_flag(shop.owner, UpdateFlag(flag.id, flag.version, "Button", (blue, green)), now=NOW)
    assert [p.message.split()[0] for p in refused.value.problems] == ["development", "production"]
    more = UpdateFlag(flag.id, flag.version, "Button", (*flag.variants, blue))
    assert [v.key for v in update_flag(shop.owner, more, now=NOW).variants] == ["grey", "green", "blue"]


def test_words_alone_make_no_revision() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    before = revisions.all_current()
    update_flag(shop.owner, UpdateFlag(flag.id, flag.version, "The button", flag.variants), now=NOW)
    assert reads.flag(flag.id).name == "The button"
    assert revisions.all_current() == before


def test_a_viewer_cannot_edit() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        update_flag_settings(viewer, updated(flag, "production"), now=NOW)
    with pytest.raises(Forbidden):
        archive_flag(viewer, ArchiveFlag(flag.id), now=NOW)


def test_the_same_key_may_be_used_in_two_projects() -> None:
    shop = a_shop()
    a_button_flag(shop)
    owner, other = a_project(an_admin("bea@example.com"), "bakery")
    assert a_button_flag(replace(shop, owner=owner, project=other)).key == "checkout-button"


def test_the_payload_has_what_the_snapshot_needs_and_no_descriptions() -> None:
    shop = a_shop()
    create_segment(shop.owner, CreateSegment(shop.project.id, "germans", "Germans", GERMANS), now=NOW)
    flag = a_button_flag(shop)
    rule = Rule("r1", {"segment": "germans"}, serve="green", description="Try it at home first")
    command = replace(
        updated(flag, "production"),
        rules=(rule,),
        overrides=(Override("green", "user", ("u1",)), Override("green", segment="germans")),
    )
    update_flag_settings(shop.owner, command, now=NOW)
    payload = reads.payload(settings_of(flag).environment_id)
    assert payload.segments == {"germans": GERMANS}
    assert payload.killed is False
    assert payload.flags["checkout-button"] == {
        "type": "string",
        "variants": {"grey": "grey", "green": "green"},
        "off": "grey",
        "default": "grey",
        "killed": False,
        "groups": [],
        "overrides": [
            {"variant": "green", "unit_type": "user", "units": ["u1"]},
            {"variant": "green", "segment": "germans"},
        ],
        "rules": [{"id": "r1", "eligibility": {"segment": "germans"}, "serve": "green"}],
    }
