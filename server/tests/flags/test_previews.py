"""Links to previews: made, checked by every door, revoked, audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from calling import caller
from people import NOW, a_member
from scenes import Shop, a_button_flag, a_shop, environment_of, later

from equipoise_engine import compile_snapshot
from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.edge.state import servable
from equipoise_server.flags.actions import (
    CreatePreviewLink,
    RevokePreviewLinks,
    create_preview_link,
    revoke_preview_links,
)
from equipoise_server.foundation import revisions
from equipoise_server.foundation.preview_tokens import overrides_of
from equipoise_server.foundation.refusals import Forbidden, Invalid
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
GREEN = {"checkout-button": "green"}


def a_link(shop: Shop) -> CreatePreviewLink:
    """A link to the green button, for a day."""
    return CreatePreviewLink(environment_of(shop).id, GREEN, timedelta(days=1), "for the designers")


def shown(shop: Shop, token: str, *, days: float = 0.5) -> dict[str, str]:
    """What a door shows for a token."""
    found = servable(snapshots.current(environment_of(shop).id))
    return dict(overrides_of(token, found.preview_scope, now=later(days).timestamp()))


def test_a_link_shows_its_variants_until_it_expires_or_is_revoked() -> None:
    shop = a_shop()
    a_button_flag(shop)
    link = create_preview_link(shop.owner, a_link(shop), now=NOW)
    assert link.expires_at == later(1)
    assert shown(shop, link.token) == GREEN
    assert shown(shop, link.token, days=1) == {}
    production = environment_of(shop).id
    document = dict(servable(snapshots.current(production)).document)
    decision = compile_snapshot(document).evaluate("checkout-button", {"overrides": GREEN}, None)
    assert (decision.variant, decision.enrolment) == ("green", None)
    revoke_preview_links(shop.owner, RevokePreviewLinks(production), now=later(0.1))
    assert shown(shop, link.token) == {}
    fresh = create_preview_link(shop.owner, a_link(shop), now=later(0.2))
    assert shown(shop, fresh.token) == GREEN


def test_only_the_first_link_and_revoking_change_what_clients_load() -> None:
    shop = a_shop()
    a_button_flag(shop)
    production = environment_of(shop).id
    seen = [revisions.current(production)]
    revoke_preview_links(shop.owner, RevokePreviewLinks(production), now=NOW)
    seen.append(revisions.current(production))
    for _ in range(2):
        create_preview_link(shop.owner, a_link(shop), now=NOW)
        seen.append(revisions.current(production))
    assert seen[0] == seen[1] != seen[2] == seen[3]
    newest = of_subject("environment", production)[0]
    assert (newest.action, newest.reason) == ("preview.create", "for the designers")
    assert shop.project.key not in str(newest.changes[0].after), "the token is written down nowhere"


def test_a_link_names_what_there_is_and_lives_30_days_at_most() -> None:
    shop = a_shop()
    a_button_flag(shop)
    wrong = replace(
        a_link(shop), overrides={"checkout-button": "red", "no": "on"}, life=timedelta(days=30, seconds=1)
    )
    with pytest.raises(Invalid) as refusal:
        create_preview_link(shop.owner, wrong, now=NOW)
    fields = {problem.field for problem in refusal.value.problems}
    assert fields == {"life", "overrides.checkout-button", "overrides.no"}
    with pytest.raises(Invalid, match="1 to 50 flags"):
        create_preview_link(shop.owner, replace(a_link(shop), overrides={}), now=NOW)


def test_viewers_make_no_links_and_never_see_the_key() -> None:
    shop = a_shop()
    a_button_flag(shop)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        create_preview_link(viewer, a_link(shop), now=NOW)
    create_preview_link(shop.owner, a_link(shop), now=NOW)
    path = "/projects/shop/environments/production/snapshot"
    assert "preview_key" in caller(shop.owner).get(path).json
    assert "preview_key" not in caller(viewer).get(path).json


def test_links_are_made_and_revoked_over_the_api() -> None:
    shop = a_shop()
    a_button_flag(shop)
    asking, path = caller(shop.owner), "/projects/shop/environments/production/previews"
    made = asking.post(path, {"overrides": GREEN, "hours": 720})
    assert made.status == 201
    assert made.json["query"] == f"equipoise_preview={made.json['token']}"
    assert asking.post(path, {"overrides": GREEN, "hours": 721}).fields == ["life"]
    assert asking.post(path, {"overrides": GREEN, "hours": 10**30}).fields == ["life"]
    assert asking.post(f"{path}/revoke", {}).status == 204
