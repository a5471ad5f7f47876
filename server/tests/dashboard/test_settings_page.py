"""Settings: tokens and environments from form to form."""

from __future__ import annotations

import re

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from django.utils import timezone
from people import a_member

from equipoise_server.access.reads import actor_of_token, api_tokens, project
from equipoise_server.access.values import Permission, Role

pytestmark = pytest.mark.django_db
SETTINGS = f"{PLACE}/settings"


def test_a_token_is_shown_once_and_does_what_its_role_may() -> None:
    shop = scenes.a_shop()
    client = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    offered = Page(client.get(SETTINGS).text).text
    assert "engineer: also keys" in offered
    assert "admin: everything in this project" not in offered
    made = client.post(f"{SETTINGS}/tokens", {"name": "Pipeline", "role": "viewer", "days": "7"}).text
    secret = re.search(r"eq_api_[0-9a-f]{12}_[0-9a-f]{64}", made)
    assert secret is not None
    assert "Copy the token now." in made
    assert secret[0] not in client.get(SETTINGS).text
    actor = actor_of_token(secret[0], now=timezone.now())
    assert actor is not None
    assert not actor.may(Permission.FLAG_EDIT, shop.project.id)
    (token,) = api_tokens(shop.owner, shop.project.id)
    assert (
        "The token “Pipeline” is revoked."
        in Page(client.post(f"{SETTINGS}/tokens/revoke", {"token": str(token.id)}, follow=True).text).text
    )
    assert actor_of_token(secret[0], now=timezone.now()) is None
    assert client.post(f"{SETTINGS}/tokens/revoke", {"token": "none"}).status_code == 404


def test_a_token_needs_a_name_and_a_life() -> None:
    client = signed_in(scenes.a_shop().owner)
    refused = client.post(f"{SETTINGS}/tokens", {"name": "", "role": "viewer", "days": "9999"})
    assert refused.status_code == 422
    assert "at most 90 days" in Page(refused.text).text


def test_an_admin_adds_an_environment_and_arrives_in_it() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    added = client.post(f"{SETTINGS}/environments", {"name": "Staging", "copy_from": "production"})
    assert added["Location"] == "/p/shop/staging/settings"
    assert [each.key for each in project(shop.project.id).environments] == [
        "development", "staging", "production",
    ]  # fmt: skip
    assert client.get("/p/shop/staging/flags/checkout-button").status_code == 200
    again = client.post(f"{SETTINGS}/environments", {"name": "Staging"})
    assert "There is an environment “staging” already" in Page(again.text).text
    engineer = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    assert "Add the environment" not in engineer.get(SETTINGS).text
    assert engineer.post(f"{SETTINGS}/environments", {"name": "Mine"}).status_code == 403


def test_an_admin_asks_client_keys_for_tokens_and_replaces_their_key() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    shown = Page(client.get(SETTINGS).text).text
    assert "Here they count as they come." in shown
    assert "Replace the key" not in shown
    said = client.post(f"{SETTINGS}/exposure-tokens", {"rule": "required"}, follow=True).text
    assert "Exposures from client keys count with a token alone." in Page(said).text
    assert "count with the token of the answer alone" in Page(client.get(SETTINGS).text).text
    rotated = client.post(f"{SETTINGS}/exposure-tokens/rotate", {"has_leaked": "yes"}, follow=True).text
    assert "no token made before is good" in Page(rotated).text


def test_an_engineer_replaces_the_key_of_tokens_but_does_not_set_the_rule() -> None:
    shop = scenes.a_shop()
    engineer = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    refused = engineer.post(f"{SETTINGS}/exposure-tokens", {"rule": "issued"}, follow=True)
    assert "project.edit" in Page(refused.text).text
    early = engineer.post(f"{SETTINGS}/exposure-tokens/rotate", {}, follow=True)
    assert "has no key yet" in Page(early.text).text
    signed_in(shop.owner).post(f"{SETTINGS}/exposure-tokens", {"rule": "issued"})
    shown = Page(engineer.get(SETTINGS).text).text
    assert "Replace the key" in shown
    assert "Why this change?" not in shown


def test_settings_lead_whoever_may_make_projects_to_a_new_one() -> None:
    shop = scenes.a_shop()
    assert "/projects" in {
        link.get("href") for link in Page(signed_in(shop.owner).get(SETTINGS).text).all("a")
    }
    engineer = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    assert "/projects" not in {link.get("href") for link in Page(engineer.get(SETTINGS).text).all("a")}
