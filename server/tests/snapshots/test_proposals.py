"""Who gets what of a flag, before the settings are saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from calling import caller
from people import NOW, a_member
from scenes import (
    Shop,
    a_button_flag,
    a_running_experiment,
    a_shop,
    environment_of,
    later,
    settings_of,
    updated,
)

from equipoise_server.access.values import Role
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Exposure
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import proposed_node, update_flag_settings
from equipoise_server.flags.values import Prerequisite, Rollout, Rule
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.snapshots import reads
from equipoise_server.snapshots.reads import FlagShares, Proposed

pytestmark = pytest.mark.django_db
GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}
HALF = Rule("half", GERMAN, rollout=Rollout("green", "user", 500_000))


def shares(shop: Shop, *rules: Rule, key: str = "checkout-button", **attributes: object) -> FlagShares:
    """Who would get what of a flag in production with these rules."""
    flag = flags.flag_by_key(shop.project.id, key)
    node = proposed_node(replace(updated(flag, "production"), rules=rules))
    proposed = Proposed(environment_of(shop).id, key, node)
    return reads.flag_shares(proposed, attributes, unit_type="user", now=later(1))


def met(shop: Shop, country: str, count: int) -> None:
    """Some users of a country were exposed to something a day ago."""
    environment = environment_of(shop)
    exposures = [
        Exposure(
            id=uuid4(), at=NOW + timedelta(seconds=place), experiment="other", iteration=1, flag="other",
            variant="control", unit_type="user", unit=f"{country}-{place}", attributes={"country": country},
        )
        for place in range(count)
    ]  # fmt: skip
    record(environment.id, exposures, now=later(0.5))
    compact(now=later(0.5))


def test_a_proposed_rollout_shows_its_share_and_changes_nothing() -> None:
    shop = a_shop()
    a_button_flag(shop)
    revision = revisions.current(environment_of(shop).id)
    found = shares(shop, HALF, country="DE").made_up
    assert found.units == 10_000
    assert found.variants["green"] == pytest.approx(5_000, abs=250)
    assert found.steps[("rule", "half")] == found.variants["green"]
    assert found.steps[("default", "")] == found.variants["grey"]
    assert shares(shop, HALF, country="FR").made_up.variants == {"grey": 10_000}
    assert revisions.current(environment_of(shop).id) == revision
    assert settings_of(flags.flag_by_key(shop.project.id, "checkout-button")).rules == ()


def test_units_of_the_last_14_days_are_asked_when_there_are_any() -> None:
    shop = a_shop()
    a_button_flag(shop)
    nobody = shares(shop, HALF)
    assert nobody.recent is None
    assert nobody.reason == "Not known yet: no user was exposed in the last 14 days."
    met(shop, "DE", 300)
    met(shop, "FR", 100)
    everybody = shares(shop, replace(HALF, rollout=None, serve="green")).recent
    assert everybody is not None
    assert everybody.variants == {"green": 300, "grey": 100}


def test_experiments_and_prerequisites_come_before_the_rules() -> None:
    shop = a_shop()
    a_running_experiment(shop)
    found = shares(shop, Rule("all", serve="green")).made_up
    assert found.steps[("experiment", "checkout-button")] == 10_000
    banner = a_button_flag(shop, "banner")
    needs = (Prerequisite("checkout-button", ("green",)),)
    green = replace(updated(banner, "production"), prerequisites=needs, default="green")
    update_flag_settings(shop.owner, green, now=NOW)
    proposed = Proposed(environment_of(shop).id, "banner")
    behind = reads.flag_shares(proposed, {}, unit_type="user", now=NOW).made_up
    assert behind.steps[("prerequisite", "checkout-button")] == pytest.approx(5_000, abs=250)
    without = proposed_node(replace(green, prerequisites=(), expected_version=2))
    free = reads.flag_shares(replace(proposed, node=without), {}, unit_type="user", now=NOW).made_up
    assert free.variants == {"green": 10_000}


def test_what_cannot_be_saved_cannot_be_tried() -> None:
    shop = a_shop()
    a_button_flag(shop)
    with pytest.raises(Invalid, match="no variant “red”"):
        shares(shop, Rule("", serve="red"))


def test_a_viewer_may_try_over_the_api_and_explain_one_unit() -> None:
    shop = a_shop()
    a_button_flag(shop)
    viewer = caller(a_member(shop.owner, shop.project, Role.VIEWER))
    path = "/projects/shop/flags/checkout-button/environments/production/preview"
    rule = {"serve": "green", "eligibility": GERMAN}
    body = {
        "settings": {"off": "grey", "default": "grey", "rules": [rule]},
        "context": {"units": {"user": "u-1"}, "attributes": {"country": "DE"}, "now": "2026-03-02T09:00:00Z"},
    }
    answer: Any = viewer.post(path, body).json
    assert answer["made_up"]["variants"] == {"grey": 10_000}
    assert answer["explanation"]["decision"]["variant"] == "green"
    assert (answer["recent"], answer["reason"][:13]) == (None, "Not known yet")
    now: Any = viewer.post(path, {}).json
    assert now["made_up"]["steps"] == [{"step": "default", "about": "", "units": 10_000}]
    assert viewer.post(path, {"settings": {"off": "red", "default": "grey"}}).fields == ["off"]
