"""Flags, groups, segments and previews from form to form, without JavaScript."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from people import NOW, a_member
from scenes import Shop

from equipoise_server.access.values import Role
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    AddEnvironment,
    ArchiveFlag,
    add_environment,
    add_rollout_rule,
    archive_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import Flag, FlagSettings, Prerequisite, RampState, Rollout, Rule
from equipoise_server.foundation.preview_tokens import PreviewScope, overrides_of

pytestmark = pytest.mark.django_db
FLAG = f"{PLACE}/flags/checkout-button"


def said(client: Client, address: str) -> str:
    """What a page says."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    return Page(answer.text).text


def the_flag(shop: Shop, key: str = "checkout-button") -> Flag:
    """The flag now."""
    return flags.flag_by_key(shop.project.id, key)


def production(shop: Shop, key: str = "checkout-button") -> FlagSettings:
    """What production serves now."""
    return the_flag(shop, key).settings["production"]


def settings_form(shop: Shop, **fields: str) -> dict[str, str]:
    """The form of the button's settings."""
    return {
        "version": str(production(shop).version),
        "off": "grey",
        "default": "grey",
        "do": "save",
        **fields,
    }


def test_a_flag_gets_needs_and_its_page_shows_both_directions() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    scenes.a_button_flag(shop, "basket")
    client = signed_in(shop.owner)
    form = settings_form(shop, **{"need.0.flag": "basket", "need.0.variants": "green"})
    assert client.post(f"{FLAG}/edit", form)["Location"] == FLAG
    assert production(shop).prerequisites == (Prerequisite("basket", ("green",)),)
    assert "Needs basketUnless it serves green" in said(client, FLAG)
    assert "Needed bycheckout-button" in said(client, f"{PLACE}/flags/basket")
    back = {"version": "1", "off": "grey", "default": "grey", "need.0.flag": "checkout-button"}
    refused = client.post(f"{PLACE}/flags/basket/edit", {**back, "need.0.variants": "green"})
    assert refused.status_code == 422
    assert "basket → checkout-button → basket" in Page(refused.text).text


def test_a_rollout_is_split_into_rings_and_their_shares_are_changed() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    rule = {"rule.0.id": "", "rule.0.variant": "green", "rule.0.unit_type": "user"}
    offered = client.post(f"{FLAG}/edit", settings_form(shop, **rule) | {"do": "rings-0"})
    page = Page(offered.text)
    typed = {field["name"]: field.get("value", "") for field in page.all("input") if "name" in field}
    assert [typed[f"rule.0.ring.{place}.name"] for place in range(4)] == [
        "team", "organisation", "region", "global",
    ]  # fmt: skip
    assert typed["rule.0.ring.3.share"] == "1"
    filled = {name: value for name, value in typed.items() if ".ring." in name}
    filled |= {"rule.0.ring.0.clause.0.value": "checkout", "rule.0.ring.0.clause.0.operator": "in"}
    for place in (1, 2):
        filled |= {f"rule.0.ring.{place}.clause.0.operator": "in"}
    saved = client.post(f"{FLAG}/edit", settings_form(shop, **rule, **filled))
    assert saved["Location"] == FLAG, Page(saved.text).text
    (kept,) = production(shop).rules
    assert kept.rollout is not None
    assert [(ring.id, ring.parts_per_million) for ring in kept.rollout.rings] == [
        ("team", 1_000_000), ("organisation", 500_000), ("region", 100_000), ("global", 10_000),
    ]  # fmt: skip
    assert "1 % global: everybody" in said(client, FLAG)
    share = {"rule": kept.id, "ring": "global", "share": "5", "version": production(shop).version}
    client.post(f"{FLAG}/share", share)
    rollout = production(shop).rules[0].rollout
    assert rollout is not None
    assert rollout.rings[3].parts_per_million == 50_000
    again = Page(client.get(f"{FLAG}/edit").text)
    assert {"rule.0.ring.3.name"} <= {field.get("name") for field in again.all("input")}
    fewer = client.post(f"{FLAG}/edit", {**settings_form(shop, **rule, **filled), "do": "unring-0-1"})
    assert "organisation" not in [f.get("value") for f in Page(fewer.text).all("input")]
    more = client.post(f"{FLAG}/edit", {**settings_form(shop, **rule, **filled), "do": "ring-0"})
    assert "rule.0.ring.4.name" in [f.get("name") for f in Page(more.text).all("input")]


def test_settings_are_tried_before_they_are_saved() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    rule = {"rule.0.id": "half", "rule.0.variant": "green", "rule.0.unit_type": "user", "rule.0.share": "100"}
    rule["rule.0.description"] = "Everybody, at last"
    form = settings_form(shop, **rule) | {"do": "try", "unit": "u-1"}
    tried = Page(client.post(f"{FLAG}/edit", form).text).text
    assert "green100 %not known" in tried
    assert "Rule 1 (Everybody, at last)100 %" in tried
    assert "Does rule 1 (Everybody, at last) apply?" in tried
    assert "Not known yet: no user was exposed in the last 14 days." in tried
    assert "u-1 would get green" in tried
    assert production(shop).rules == ()
    wrong = client.post(f"{FLAG}/edit", {**form, "rule.0.share": "101"})
    assert wrong.status_code == 422


def test_while_an_experiment_holds_a_flag_its_overrides_can_be_edited() -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    client = signed_in(shop.owner)
    assert "Edit overrides" in said(client, FLAG)
    shown = said(client, f"{FLAG}/edit")
    assert "Held still by the running experiment “checkout-button”" in shown
    assert "Add a rule" not in shown
    form = {
        "version": production(shop).version, "override.0.variant": "green", "override.0.unit_type": "user",
        "override.0.units": "u-1",
    }  # fmt: skip
    assert client.post(f"{FLAG}/edit", form)["Location"] == FLAG
    (override,) = production(shop).overrides
    assert override.units == ("u-1",)


def test_a_flags_words_and_variants_are_edited_and_a_used_variant_stays() -> None:
    shop = scenes.a_shop()
    flag = scenes.a_button_flag(shop)
    update_flag_settings(
        shop.owner,
        replace(scenes.updated(flag, "production"), rules=(Rule("", serve="green"),)),
        now=NOW,
    )
    client = signed_in(shop.owner)
    form = {
        "version": the_flag(shop).version, "name": "The button", "owner": "Olga", "kind": "ops",
        "variant.0.key": "grey", "variant.0.value": "grey", "variant.1.key": "", "variant.1.value": "",
        "variant.2.key": "blue", "variant.2.value": "blue",
    }  # fmt: skip
    refused = client.post(f"{FLAG}/words", form)
    assert refused.status_code == 422
    assert "production still serves “green”" in Page(refused.text).text
    kept = {**form, "variant.1.key": "green", "variant.1.value": "green"}
    assert client.post(f"{FLAG}/words", kept)["Location"] == FLAG
    edited = the_flag(shop)
    assert (edited.name, edited.owner, edited.kind) == ("The button", "Olga", "ops")
    assert [variant.key for variant in edited.variants] == ["grey", "green", "blue"]
    more = Page(client.post(f"{FLAG}/words", {**kept, "do": "add"}).text)
    assert "variant.3.key" in [field.get("name") for field in more.all("input")]


def test_a_share_is_raised_by_schedule_paused_resumed_and_ended() -> None:
    shop = scenes.a_shop()
    flag = scenes.a_button_flag(shop)
    environment = scenes.environment_of(shop).id
    rule = Rule("canary", rollout=Rollout("green", "user", 10_000))
    add_rollout_rule(shop.owner, flag.id, environment, rule, now=NOW)
    client = signed_in(shop.owner)
    plan = f"{FLAG}/ramp?rule=canary&ring="
    offered = Page(client.get(plan).text)
    fields = {
        f["name"]: f.get("value", "") for f in offered.all("input") if f.get("name", "").startswith("step")
    }
    assert [fields[f"step.{place}.share"] for place in range(5)] == ["5", "25", "50", "100", ""]
    assert client.post(plan, fields)["Location"] == FLAG
    (ramp,) = flags.ramps_of(flag.id, environment)
    assert [step.parts_per_million for step in ramp.steps] == [50_000, 250_000, 500_000, 1_000_000]
    assert "Rising 5 % from" in said(client, FLAG)
    for do, state in (("pause", RampState.PAUSED), ("resume", RampState.RISING), ("end", RampState.ENDED)):
        client.post(f"{FLAG}/ramps", {"ramp": str(ramp.id), "do": do})
        assert flags.ramps_of(flag.id, environment)[0].state is state
    assert "Raise by schedule" in said(client, FLAG)
    assert client.get(f"{FLAG}/ramp?rule=nothing").status_code == 404
    wrong = client.post(plan, {"step.0.at": "tomorrow", "step.0.share": "50"})
    assert "Write the time as" in Page(wrong.text).text


def test_a_group_is_made_killed_in_two_clicks_and_turned_back_on() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    scenes.a_button_flag(shop, "basket")
    client = signed_in(shop.owner)
    form = {"name": "Checkout", "flags": ["checkout-button", "basket"]}
    assert client.post(f"{PLACE}/groups/new", form)["Location"] == f"{PLACE}/groups"
    assert "Checkout checkout basket, checkout-button" in said(client, f"{PLACE}/groups")
    client.post(f"{PLACE}/groups/checkout/kill", {"reason": "errors"})
    assert "“Checkout” is killed in Production." in said(client, f"{PLACE}/groups")
    assert "The group “Checkout” is killed" in said(client, FLAG)
    assert "In groupsCheckout Killed" in said(client, FLAG)
    assert "Production Killed" in said(client, FLAG)
    assert "Killed in Production: the group Checkout" in said(client, PLACE)
    assert "Killed" in said(client, f"{PLACE}/flags")
    edit = {"version": "1", "name": "Checkout", "flags": ["basket"]}
    refused = client.post(f"{PLACE}/groups/checkout/edit", edit)
    assert "Turn it back on there first" in Page(refused.text).text
    client.post(f"{PLACE}/groups/checkout/unkill")
    assert client.post(f"{PLACE}/groups/checkout/edit", edit)["Location"] == f"{PLACE}/groups"
    assert flags.group_by_key(shop.project.id, "checkout").flags == ("basket",)
    assert "whole group can be killed" in said(client, f"{PLACE}/flags/basket/kill")
    client.post(f"{PLACE}/groups/checkout/delete")
    assert "No groups yet" in said(client, f"{PLACE}/groups")


def test_who_may_only_look_is_offered_no_switch() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    client.post(f"{PLACE}/groups/new", {"name": "Checkout", "flags": ["checkout-button"]})
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert Page(viewer.get(f"{PLACE}/groups").text).posts() == set()
    assert viewer.post(f"{PLACE}/groups/checkout/kill").status_code == 302
    assert flags.group_by_key(shop.project.id, "checkout").killed == {}


def test_a_segment_is_a_condition_that_pages_name_where_it_is_used() -> None:
    shop = scenes.a_shop()
    flag = scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    form = {"name": "Staff", "kind": "condition", "clause.0.attribute": "staff", "clause.0.value": "true"}
    assert client.post(f"{PLACE}/segments/new", form)["Location"] == f"{PLACE}/segments/staff"
    rule = Rule("", {"segment": "staff"}, serve="green")
    update_flag_settings(shop.owner, replace(scenes.updated(flag, "production"), rules=(rule,)), now=NOW)
    shown = said(client, f"{PLACE}/segments/staff")
    assert "checkout-button in production" in shown
    assert "Is this user in it?" not in shown
    edit = {"version": "1", "name": "All staff", "clause.0.attribute": "mail", "clause.0.value": "x"}
    client.post(f"{PLACE}/segments/staff", edit)
    assert flags.segment_by_key(shop.project.id, "staff").name == "All staff"
    client.post(f"{PLACE}/segments/staff/delete")
    assert "It is used by the flag “checkout-button”" in said(client, f"{PLACE}/segments/staff")
    empty = client.post(f"{PLACE}/segments/new", {"name": "None", "kind": "condition"})
    assert "Say who belongs to it" in Page(empty.text).text


def test_a_list_is_filled_by_typing_and_by_file_and_asked_for_one_unit() -> None:
    shop = scenes.a_shop()
    client, page = signed_in(shop.owner), f"{PLACE}/segments/testers"
    client.post(f"{PLACE}/segments/new", {"name": "Testers", "kind": "list", "unit_type": "user"})
    client.post(f"{page}/members", {"how": "append", "units": "u-1, u-2"})
    assert "2 users" in said(client, page)
    assert "u-2 is in the list." in said(client, f"{page}?unit=u-2")
    file = SimpleUploadedFile("gone.csv", b"user,plan\nu-2,free\n")
    client.post(f"{page}/members", {"how": "remove", "file": file})
    assert "u-2 is not in the list." in said(client, f"{page}?unit=u-2")
    many = SimpleUploadedFile("all.txt", b"\n".join(b"u-%d" % place for place in range(1_200)))
    client.post(f"{page}/members", {"how": "replace", "file": many})
    assert "Kept as hashes" in said(client, page)
    wrong = client.post(f"{page}/members", {"how": "append", "file": SimpleUploadedFile("x.txt", b"\xff")})
    assert (wrong.status_code, "not UTF-8" in Page(wrong.text).text) == (422, True)
    nothing = client.post(f"{page}/members", {"how": "append", "units": " "})
    assert "Choose a file" in Page(nothing.text).text
    client.post(f"{page}/delete")
    assert "No segments yet" in said(client, f"{PLACE}/segments")


def test_a_list_that_an_experiment_uses_says_so_and_offers_no_change() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    client.post(f"{PLACE}/segments/new", {"name": "Testers", "kind": "list", "unit_type": "user"})
    scenes.a_running_experiment(shop, design=scenes.a_design(eligibility={"segment": "testers"}))
    shown = said(client, f"{PLACE}/segments/testers")
    assert "Held still by checkout-button" in shown
    assert "Change the members" not in shown
    refused = client.post(f"{PLACE}/segments/testers/members", {"how": "append", "units": "u-1"})
    assert refused.status_code == 409


def test_a_preview_link_is_made_shown_once_and_revoked() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client, page = signed_in(shop.owner), f"{PLACE}/previews"
    form = {
        "variant:checkout-button": "green", "hours": "24", "address": "https://shop.example/basket?a=1",
    }  # fmt: skip
    made = client.post(page, form).text
    link = re.search(r"https://shop\.example/basket\?a=1&amp;equipoise_preview=(p1\.[\w.-]+)", made)
    assert link is not None
    production = scenes.environment_of(shop).id
    scope = PreviewScope("shop", "production", flags.preview_key(production))
    assert overrides_of(link[1], scope, now=time.time()) == {"checkout-button": "green"}
    assert "p1." not in client.get(page).text
    bare = Page(client.post(page, {**form, "address": ""}).text).text
    assert "?equipoise_preview=p1." in bare
    refused = client.post(page, {"hours": "24", "address": "shop.example"})
    assert "Write the whole address" in Page(refused.text).text
    assert "Choose a variant of 1 to 50 flags" in Page(client.post(page, {"hours": "24"}).text).text
    client.post(f"{page}/revoke")
    assert flags.preview_key(production) != scope.key


def test_a_preview_link_shows_an_arm_of_an_experiment() -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    client, page = signed_in(shop.owner), f"{PLACE}/previews?experiment=checkout-button"
    assert "Which arm?" in said(client, page)
    made = client.post(page, {"arm": "treatment", "hours": "1"}).text
    token = re.search(r"equipoise_preview=(p1\.[\w.-]+)", made)
    assert token is not None
    scope = PreviewScope("shop", "production", flags.preview_key(scenes.environment_of(shop).id))
    assert overrides_of(token[1], scope, now=time.time()) == {"checkout-button": "green"}
    assert "Choose an arm" in Page(client.post(page, {"hours": "1"}).text).text
    assert "Preview link" in said(client, f"{PLACE}/experiments/checkout-button")


def test_a_flag_archived_before_an_environment_was_added_is_not_found_there() -> None:
    shop = scenes.a_shop()
    archive_flag(shop.owner, ArchiveFlag(scenes.a_button_flag(shop).id), now=NOW)
    added = AddEnvironment(shop.project.id, "staging", "Staging")
    add_environment(shop.owner, added, now=NOW)
    client = signed_in(shop.owner)
    for page in ("", "/kill", "/edit"):
        answer = client.get(f"/p/shop/staging/flags/checkout-button{page}")
        assert answer.status_code == 404, page
        assert "no settings in Staging" in Page(answer.text).text


def test_a_new_flag_is_owned_by_whoever_makes_it_unless_said_otherwise() -> None:
    shop = scenes.a_shop()
    page = Page(signed_in(shop.owner).get(f"{PLACE}/flags/new").text)
    owners = [field["value"] for field in page.all("input") if field.get("name") == "owner"]
    assert owners == [shop.owner.author.name]
