"""Strangers sign in, outsiders find nothing, viewers see everything and can change nothing."""

from __future__ import annotations

import pytest
import scenes
from dashboard.browsing import PLACE, Page, addresses, signed_in
from django.test import Client
from people import NOW, PASSWORD, a_member, an_outsider

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key
from equipoise_server.access.reads import sdk_keys
from equipoise_server.access.values import KeyKind, Role
from equipoise_server.audit.models import AuditRecord
from equipoise_server.experiments.values import VerdictState

pytestmark = pytest.mark.django_db
ADDRESSES = tuple(addresses())


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_stranger_signs_in_first(address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in?next=")


def test_an_outsider_finds_nothing_anywhere() -> None:
    scenes.a_running_experiment(scenes.a_shop())
    client, before = signed_in(an_outsider()), AuditRecord.objects.count()
    for address in ADDRESSES:
        for answer in (client.get(address), client.post(address, {"do": "save"})):
            assert answer.status_code in {404, 405}, address
            assert "Checkout" not in answer.text
    assert AuditRecord.objects.count() == before


def test_a_viewer_sees_everything_and_is_offered_no_button_but_a_token_of_their_own() -> None:
    shop = scenes.a_shop()
    scenes.found(scenes.a_running_experiment(shop), VerdictState.WINNING)
    client = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    read = 0
    for address in ADDRESSES:
        answer = client.get(address)
        if answer.status_code != 200:
            continue
        read += 1
        assert Page(answer.text).posts() <= {f"{PLACE}/settings/tokens"}, address
    assert read >= 15


def test_a_viewer_who_presses_anyway_is_refused() -> None:
    shop = scenes.a_shop()
    experiment = scenes.a_running_experiment(shop)
    client = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    before = AuditRecord.objects.count()
    for address in ADDRESSES:
        form = {"name": "New", "key": "new", "reason": "why", "version": experiment.version, "share": "100"}
        form |= {
            "email": "ada@example.com",
            "role": "admin",
            "rule": "r1",
            "mapping": "{}",
            "choice": "do_not_ship",
        }
        assert client.post(address, form).status_code in {302, 403, 404, 405, 409, 422}, address
    assert AuditRecord.objects.count() == before


def test_a_key_of_another_project_cannot_be_revoked_from_here() -> None:
    shop, other = scenes.a_shop(), scenes.a_shop("blog", "bea@example.com")
    command = IssueSdkKey(scenes.environment_of(other).id, KeyKind.SERVER, "Blog")
    foreign = issue_sdk_key(other.owner, command, now=NOW).key
    answer = signed_in(shop.owner).post(f"{PLACE}/settings/revoke", {"key": str(foreign.id)})
    assert answer.status_code == 404
    assert sdk_keys(other.project.id)[0].revoked_at is None


def test_a_flag_of_another_project_is_not_here() -> None:
    shop, other = scenes.a_shop(), scenes.a_shop("blog", "bea@example.com")
    scenes.a_button_flag(other, "foreign")
    client = signed_in(shop.owner)
    assert client.get(f"{PLACE}/flags/foreign").status_code == 404
    assert client.get("/p/blog/production/flags/foreign").status_code == 404


def test_a_wrong_password_says_so_and_keeps_the_address() -> None:
    shop = scenes.a_shop()
    answer = Client().post("/sign-in", {"email": "ada@example.com", "password": "wrong", "next": "/"})
    assert shop
    assert answer.status_code == 422
    assert 'value="ada@example.com"' in answer.text
    assert "wrong" not in answer.text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_off_the_site(back: str) -> None:
    scenes.a_shop()
    answer = Client().post("/sign-in", {"email": "ada@example.com", "password": PASSWORD, "next": back})
    assert answer["Location"] == "/"


def test_signing_out_ends_the_session() -> None:
    client = signed_in(scenes.a_shop().owner)
    assert client.get(PLACE).status_code == 200
    client.post("/sign-out")
    assert client.get(PLACE).status_code == 302


def test_every_page_forbids_foreign_and_inline_code() -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    client = signed_in(shop.owner)
    for address in ADDRESSES:
        answer = client.get(address)
        if answer.status_code == 405:
            continue
        assert answer["Content-Security-Policy"].startswith("default-src 'self';"), address
        page = Page(answer.text)
        assert all(script.get("src", "").startswith("/static/") for script in page.all("script")), address
        assert page.all("style") == []
        assert not [t for t, attributes in page.tags if "style" in attributes or "onclick" in attributes]


def test_a_post_without_the_token_is_refused() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = Client(enforce_csrf_checks=True)
    assert client.post("/sign-in", {"email": "ada@example.com", "password": PASSWORD}).status_code == 403


def test_an_expired_session_in_a_card_reloads_the_whole_page() -> None:
    answer = Client().get(f"{PLACE}/experiments", headers={"HX-Request": "true"})
    assert answer.status_code == 401
    assert answer["HX-Redirect"].startswith("/sign-in")
