"""Flags that need other flags: what is refused at save, and what clients get."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from people import NOW
from scenes import Shop, a_button_flag, a_running_experiment, a_shop, environment_of, settings_of, updated

from equipoise_engine import compile_snapshot
from equipoise_server.flags import reads
from equipoise_server.flags.actions import (
    ArchiveFlag,
    KillFlag,
    UpdateFlag,
    archive_flag,
    kill_flag,
    update_flag,
    update_flag_settings,
)
from equipoise_server.flags.needs import NeedsGraph, needs_problems
from equipoise_server.flags.settings_json import prerequisite_to_json
from equipoise_server.flags.values import Flag, FlagVariant, Prerequisite, Rule
from equipoise_server.foundation.refusals import Conflict, Invalid
from equipoise_server.snapshots.reads import explain

GREEN = frozenset({"grey", "green"})


def needing(shop: Shop, flag: Flag, *others: str, variants: tuple[str, ...] = ("green",)) -> Flag:
    """The flag, needing others in production."""
    needs = tuple(Prerequisite(other, variants) for other in others)
    command = replace(updated(reads.flag(flag.id), "production"), prerequisites=needs)
    return update_flag_settings(shop.owner, command, now=NOW)


def refused(shop: Shop, flag: Flag, *others: str, variants: tuple[str, ...] = ("green",)) -> list[str]:
    """Why it cannot need them."""
    with pytest.raises(Invalid) as refusal:
        needing(shop, flag, *others, variants=variants)
    return [f"{problem.field}: {problem.message}" for problem in refusal.value.problems]


@pytest.mark.django_db
def test_a_flag_is_off_until_the_flag_it_needs_serves_the_right_variant() -> None:
    shop = a_shop()
    basket, banner = a_button_flag(shop, "basket"), a_button_flag(shop, "banner")
    production = environment_of(shop).id
    green = replace(updated(banner, "production"), default="green")
    banner = needing(shop, update_flag_settings(shop.owner, green, now=NOW), "basket")
    decision, _ = explain(production, "banner", {})
    assert (decision.variant, decision.metadata["step"]) == ("grey", "prerequisite")
    update_flag_settings(shop.owner, replace(updated(basket, "production"), default="green"), now=NOW)
    assert explain(production, "banner", {})[0].variant == "green"
    kill_flag(shop.owner, KillFlag(basket.id, production), now=NOW)
    assert explain(production, "banner", {})[0].variant == "grey"


@pytest.mark.django_db
def test_a_flag_cannot_wait_for_itself_and_the_way_is_named() -> None:
    shop = a_shop()
    a, b, c = (a_button_flag(shop, key) for key in "abc")
    needing(shop, b, "c")
    needing(shop, a, "b")
    assert refused(shop, c, "a") == [
        "prerequisites.0.flag: “c” would wait for itself: c → a → b → c. Take one of these needs away."
    ]
    assert "a → a" in refused(shop, a, "a")[0]
    assert settings_of(reads.flag(c.id)).prerequisites == ()


@pytest.mark.django_db
def test_needs_name_what_exists() -> None:
    shop = a_shop()
    banner, basket = a_button_flag(shop, "banner"), a_button_flag(shop, "basket")
    assert refused(shop, banner, "nothing", "basket", variants=("red",)) == [
        "prerequisites.0.flag: There is no flag “nothing” in this environment, or it is archived.",
        "prerequisites.1.variants: The flag “basket” has no variant “red”; it has: green, grey.",
    ]
    assert refused(shop, banner, basket.key, variants=()) == [
        "prerequisites.0.variants: Say which variants of “basket” are good: green, grey."
    ]
    assert "put their variants together" in refused(shop, banner, "basket", "basket")[0]


@pytest.mark.django_db
def test_a_needed_flag_stays_and_keeps_the_variants_that_others_need() -> None:
    shop = a_shop()
    basket, banner = a_button_flag(shop, "basket"), a_button_flag(shop, "banner")
    needing(shop, banner, "basket")
    with pytest.raises(Conflict, match="In production it is needed by “banner”"):
        archive_flag(shop.owner, ArchiveFlag(basket.id), now=NOW)
    basket = reads.flag(basket.id)
    grey = (FlagVariant("grey", "grey"),)
    with pytest.raises(Invalid, match="the flag “banner” needs “green”"):
        update_flag(shop.owner, UpdateFlag(basket.id, basket.version, "Basket", grey), now=NOW)
    archive_flag(shop.owner, ArchiveFlag(banner.id), now=NOW)
    archive_flag(shop.owner, ArchiveFlag(basket.id), now=NOW)


@pytest.mark.django_db
def test_what_a_running_experiment_depends_on_holds_still_too() -> None:
    shop = a_shop()
    basket, button = a_button_flag(shop, "basket"), a_button_flag(shop, "checkout-button")
    needing(shop, button, "basket", variants=("grey", "green"))
    a_running_experiment(shop, "colour-test", flag="checkout-button", design=None)
    edit = replace(updated(reads.flag(basket.id), "production"), rules=(Rule("", serve="green"),))
    with pytest.raises(Conflict, match="while “checkout-button” needs “basket” in the running experiment"):
        update_flag_settings(shop.owner, edit, now=NOW)
    elsewhere = replace(updated(reads.flag(basket.id), "development"), rules=(Rule("", serve="green"),))
    update_flag_settings(shop.owner, elsewhere, now=NOW)


def chain(length: int) -> NeedsGraph:
    """f1 needs f2 needs f3 …"""
    keys = [f"f{place}" for place in range(1, length + 1)]
    needs = {one: (Prerequisite(two, ("green",)),) for one, two in pairwise(keys)}
    return NeedsGraph(dict.fromkeys([*keys, "new"], GREEN), needs)


def test_a_chain_has_at_most_16_flags_and_the_way_is_named() -> None:
    asked = (Prerequisite("f1", ("green",)),)
    assert list(needs_problems("new", asked, chain(15))) == []
    (problem,) = needs_problems("new", asked, chain(16))
    assert problem.message.startswith("The chain new → f1 → f2 → ")
    assert "f16 has 17 flags" in problem.message


def test_a_chain_may_not_grow_below_either() -> None:
    graph = chain(16)
    (problem,) = needs_problems("f16", (Prerequisite("new", ("green",)),), graph)
    assert "has 17 flags" in problem.message


def test_a_flag_asks_at_most_64_others() -> None:
    keys = [f"f{place}" for place in range(65)]
    graph = NeedsGraph(dict.fromkeys([*keys, "new"], GREEN), {})
    asked = tuple(Prerequisite(key, ("green",)) for key in keys)
    assert list(needs_problems("new", asked[:64], graph)) == []
    (problem,) = needs_problems("new", asked, graph)
    assert "more than 64" in problem.message


keys = st.sampled_from("abcdef")


@settings(deadline=None)
@given(st.dictionaries(keys, st.sets(keys, max_size=3)), keys, st.sets(keys, max_size=3))
def test_what_passes_spoils_no_snapshot(held: dict[str, set[str]], key: str, asked: set[str]) -> None:
    graph = NeedsGraph(dict.fromkeys("abcdef", GREEN), {})
    for one, others in [*held.items(), (key, asked)]:
        needs = tuple(Prerequisite(other, ("green",)) for other in sorted(others))
        if not list(needs_problems(one, needs, graph)):
            graph = graph.with_needs(one, needs)
    flag = {"type": "string", "variants": {"grey": "a", "green": "b"}, "off": "grey", "default": "green"}
    document = {
        "format": 1, "project": "p", "environment": "e", "epoch": 1, "revision": 1,
        "default_unit_type": "user", "unit_types": ["user"],
        "flags": {
            one: {**flag, "prerequisites": [prerequisite_to_json(need) for need in graph.needs.get(one, ())]}
            for one in "abcdef"
        },
    }  # fmt: skip
    assert compile_snapshot(document).faults == {}
