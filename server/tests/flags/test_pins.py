"""A flag that a running experiment sets holds still."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from people import NOW
from scenes import Shop, a_button_flag, a_shop, settings_of, updated

from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    ArchiveFlag,
    CreateSegment,
    KillFlag,
    PinFlags,
    SetRolloutShare,
    UnpinFlags,
    UpdateFlag,
    UpdateSegment,
    add_rollout_rule,
    archive_flag,
    create_segment,
    kill_flag,
    pin_flags,
    set_rollout_share,
    unpin_flags,
    update_flag,
    update_flag_settings,
    update_segment,
)
from equipoise_server.flags.values import Flag, FlagVariant, Override, Pin, Rollout, Rule, Segment
from equipoise_server.foundation.refusals import Conflict, Invalid

pytestmark = pytest.mark.django_db

EXPERIMENT = UUID(int=7)
GERMANS = {"attribute": "country", "operator": "in", "values": ["DE"]}
AUSTRIANS = {"attribute": "country", "operator": "in", "values": ["AT"]}


def pinned(shop: Shop, flag: Flag, eligibility: dict[str, object] | None = None) -> Flag:
    """The flag, pinned in production."""
    environment_id = settings_of(flag).environment_id
    command = PinFlags(
        shop.project.id, environment_id, EXPERIMENT, "button-colour", frozenset([flag.key]), eligibility
    )
    pin_flags(shop.owner.author, command, now=NOW)
    return reads.flag(flag.id)


def unpin(shop: Shop, flag: Flag) -> None:
    """Let go of what the experiment holds in production."""
    environment_id = settings_of(flag).environment_id
    unpin_flags(
        shop.owner.author,
        UnpinFlags(shop.project.id, environment_id, EXPERIMENT, "button-colour"),
        now=NOW,
    )


def a_segment(shop: Shop, key: str, condition: dict[str, object]) -> Segment:
    """A segment of the shop."""
    return create_segment(shop.owner, CreateSegment(shop.project.id, key, key.title(), condition), now=NOW)


def test_a_pinned_flag_names_its_experiment() -> None:
    shop = a_shop()
    flag = pinned(shop, a_button_flag(shop))
    assert settings_of(flag).pins == (Pin(EXPERIMENT, "button-colour"),)
    assert flag.settings["development"].pins == ()


def test_a_pinned_flag_refuses_what_would_change_answers() -> None:
    shop = a_shop()
    flag = pinned(shop, a_button_flag(shop))
    same = updated(flag, "production")
    recoloured = (FlagVariant("grey", "grey"), FlagVariant("green", "lime"))
    refusals = [
        lambda: update_flag_settings(shop.owner, replace(same, default="green"), now=NOW),
        lambda: update_flag_settings(shop.owner, replace(same, off="green"), now=NOW),
        lambda: update_flag_settings(shop.owner, replace(same, rules=(Rule("", serve="green"),)), now=NOW),
        lambda: update_flag(shop.owner, UpdateFlag(flag.id, flag.version, "B", recoloured), now=NOW),
        lambda: archive_flag(shop.owner, ArchiveFlag(flag.id), now=NOW),
        lambda: add_rollout_rule(
            shop.owner, flag.id, same.environment_id, Rule("", rollout=Rollout("green", "user", 1)), now=NOW
        ),
    ]
    for refusal in refusals:
        with pytest.raises(Conflict, match="button-colour"):
            refusal()


def test_a_pinned_flag_can_still_be_overridden_and_killed() -> None:
    shop = a_shop()
    flag = pinned(shop, a_button_flag(shop))
    command = replace(updated(flag, "production"), overrides=(Override("green", "user", ("tester",)),))
    flag = update_flag_settings(shop.owner, command, now=NOW)
    assert settings_of(flag).overrides == command.overrides
    flag = kill_flag(shop.owner, KillFlag(flag.id, command.environment_id), now=NOW)
    assert settings_of(flag).is_killed


def test_a_pin_holds_in_its_own_environment_alone() -> None:
    shop = a_shop()
    flag = pinned(shop, a_button_flag(shop))
    command = replace(updated(flag, "development"), default="green")
    assert update_flag_settings(shop.owner, command, now=NOW).settings["development"].default == "green"


def test_who_looked_before_the_pin_must_look_again() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = replace(updated(flag, "production"), overrides=(Override("green", "user", ("tester",)),))
    pinned(shop, flag)
    with pytest.raises(Conflict) as refused:
        update_flag_settings(shop.owner, command, now=NOW)
    assert refused.value.problems[0].field == "expected_version"


def test_an_unpinned_flag_can_be_edited_again() -> None:
    shop = a_shop()
    flag = pinned(shop, a_button_flag(shop))
    unpin(shop, flag)
    flag = reads.flag(flag.id)
    assert settings_of(flag).pins == ()
    command = replace(updated(flag, "production"), default="green")
    assert settings_of(update_flag_settings(shop.owner, command, now=NOW)).default == "green"


def test_a_flag_that_does_not_exist_cannot_be_pinned() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    command = PinFlags(
        shop.project.id,
        settings_of(flag).environment_id,
        EXPERIMENT,
        "button-colour",
        frozenset(["checkout-button", "nowhere"]),
    )
    with pytest.raises(Invalid, match="nowhere"):
        pin_flags(shop.owner.author, command, now=NOW)


def test_segments_in_the_eligibility_of_an_experiment_hold_still_through_other_segments() -> None:
    shop = a_shop()
    germans = a_segment(shop, "germans", GERMANS)
    a_segment(shop, "german-speakers", {"any": [{"segment": "germans"}, AUSTRIANS]})
    flag = pinned(shop, a_button_flag(shop), {"not": {"segment": "german-speakers"}})
    version = reads.segment(germans.id).version
    with pytest.raises(Conflict, match="button-colour"):
        update_segment(shop.owner, UpdateSegment(germans.id, version, "Germans", AUSTRIANS), now=NOW)
    renamed = update_segment(
        shop.owner, UpdateSegment(germans.id, version, "People in Germany", GERMANS), now=NOW
    )
    assert renamed.name == "People in Germany"
    unpin(shop, flag)
    version = reads.segment(germans.id).version
    changed = update_segment(shop.owner, UpdateSegment(germans.id, version, "G", AUSTRIANS), now=NOW)
    assert changed.condition == AUSTRIANS


def test_segments_in_the_rules_of_a_pinned_flag_hold_still() -> None:
    shop = a_shop()
    germans = a_segment(shop, "germans", GERMANS)
    flag = a_button_flag(shop)
    command = replace(updated(flag, "production"), rules=(Rule("", {"segment": "germans"}, serve="green"),))
    pinned(shop, update_flag_settings(shop.owner, command, now=NOW))
    with pytest.raises(Conflict, match="button-colour"):
        update_segment(shop.owner, UpdateSegment(germans.id, germans.version, "G", AUSTRIANS), now=NOW)


def test_a_segment_that_would_name_itself_is_refused() -> None:
    shop = a_shop()
    germans = a_segment(shop, "germans", GERMANS)
    a_segment(shop, "locals", {"segment": "germans"})
    with pytest.raises(Invalid) as refused:
        update_segment(
            shop.owner, UpdateSegment(germans.id, germans.version, "G", {"segment": "locals"}), now=NOW
        )
    assert {problem.field.partition(".")[0] for problem in refused.value.problems} == {"condition"}


def test_shipping_puts_a_rollout_before_the_other_rules_and_its_share_can_grow() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    first = replace(updated(flag, "production"), rules=(Rule("first", serve="grey"),))
    flag = update_flag_settings(shop.owner, first, now=NOW)
    rule = Rule("ship", rollout=Rollout("green", "user", 250_000, "gatesalt"))
    flag = add_rollout_rule(shop.owner, flag.id, first.environment_id, rule, now=NOW)
    assert [r.id for r in settings_of(flag).rules] == ["ship", "first"]
    wider = SetRolloutShare(flag.id, first.environment_id, "ship", 1_000_000, settings_of(flag).version)
    shipped = settings_of(set_rollout_share(shop.owner, wider, now=NOW)).rules[0].rollout
    assert shipped == Rollout("green", "user", 1_000_000, "gatesalt")
