"""Rollouts in rings: each audience has a share of its own, and a wider ring keeps whom a narrower one had."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW
from scenes import Shop, a_button_flag, a_shop, environment_of, settings_of, updated

from equipoise_server.flags.actions import SetRolloutShare, set_rollout_share, update_flag_settings
from equipoise_server.flags.values import Flag, Ring, Rollout, Rule
from equipoise_server.foundation.refusals import Invalid, NotFound
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
TEAM = {"attribute": "team", "operator": "equals", "value": "checkout"}


def in_rings(shop: Shop, *rings: Ring) -> Flag:
    """The button flag with one rollout in rings."""
    rule = Rule("stages", rollout=Rollout("green", "user", rings=rings))
    command = replace(updated(a_button_flag(shop), "production"), rules=(rule,))
    return update_flag_settings(shop.owner, command, now=NOW)


def inside(shop: Shop, **attributes: object) -> set[str]:
    """Which of 2,000 users get green."""
    snapshot = snapshots.preview(environment_of(shop).id)
    users = [f"u-{place}" for place in range(2_000)]
    return {
        user
        for user in users
        if snapshot.evaluate(
            "checkout-button", {"units": {"user": user}, "attributes": attributes}, None
        ).variant
        == "green"
    }


def test_each_ring_lets_its_share_of_its_audience_in() -> None:
    shop = a_shop()
    in_rings(shop, Ring("team", 1_000_000, TEAM), Ring("", 10_000))
    assert len(inside(shop, team="checkout")) == 2_000
    everybody = inside(shop)
    assert 5 <= len(everybody) <= 40
    decision, _ = snapshots.explain(
        environment_of(shop).id, "checkout-button", {"units": {"user": min(everybody)}}
    )
    assert decision.metadata["ring"] == "ring-2", "a nameless ring is named by its place"


def test_a_nameless_ring_gets_a_name_that_no_other_ring_has() -> None:
    shop = a_shop()
    flag = in_rings(shop, Ring("ring-2", 1_000_000, TEAM), Ring("", 10_000))
    rollout = settings_of(flag).rules[0].rollout
    assert rollout is not None
    assert len({ring.id for ring in rollout.rings}) == 2


def test_raising_a_ring_or_adding_one_moves_nobody_out() -> None:
    shop = a_shop()
    flag = in_rings(shop, Ring("team", 500_000, TEAM), Ring("all", 10_000))
    before, of_team = inside(shop), inside(shop, team="checkout")
    production = environment_of(shop).id
    command = SetRolloutShare(
        flag.id, production, "stages", 200_000, settings_of(flag).version, ring_id="all"
    )
    flag = set_rollout_share(shop.owner, command, now=NOW)
    assert before < inside(shop)
    assert of_team <= inside(shop, team="checkout")
    rollout = settings_of(flag).rules[0].rollout
    assert rollout is not None
    wider = replace(rollout, rings=(*rollout.rings, Ring("org", 600_000, {"not": TEAM})), salt="")
    before = inside(shop)
    update_flag_settings(
        shop.owner, replace(updated(flag, "production"), rules=(Rule("stages", rollout=wider),)), now=NOW
    )
    assert before < inside(shop)


def test_a_share_names_its_ring() -> None:
    shop = a_shop()
    flag = in_rings(shop, Ring("team", 500_000, TEAM))
    command = SetRolloutShare(flag.id, environment_of(shop).id, "stages", 1, settings_of(flag).version)
    for ring in ("", "nobody"):
        with pytest.raises(NotFound, match="it has: team"):
            set_rollout_share(shop.owner, replace(command, ring_id=ring), now=NOW)


def test_rings_are_checked_all_at_once() -> None:
    shop = a_shop()
    with pytest.raises(Invalid) as refusal:
        in_rings(
            shop, Ring("a", 1_000_001), Ring("a", 1), Ring("B b", 1), Ring("d", 1, {"segment": "nowhere"}),
        )  # fmt: skip
    at = "rules.0.rollout.rings"
    fields = [problem.field.removeprefix(f"{at}.") for problem in refusal.value.problems]
    assert {*fields} == {"0.parts_per_million", "0.id", "1.id", "2.id", "3.eligibility.segment"}
    with pytest.raises(Invalid, match="finite numbers"):
        in_rings(
            a_shop("cafe", "c@example.com"),
            Ring("e", 1, {"attribute": "x", "operator": "equals", "value": float("nan")}),
        )
    with pytest.raises(Invalid, match="at most 16 rings"):
        in_rings(a_shop("bank", "b@example.com"), *(Ring(f"r{place}", 1) for place in range(17)))
