"""From the management API to an application: needs, lists of units, groups, rings and preview links."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from server_process import Scene, ServerProcess

import equipoise_sdk

USERS = 1_500
PRODUCTION = "/environments/production"


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop's API, and an application that uses its flags."""

    api: httpx.Client
    client: equipoise_sdk.Client
    scene: Scene

    def serve(self, flag: str, **settings: object) -> None:
        """Change what production serves of a flag."""
        address = f"/flags/{flag}{PRODUCTION}"
        now = self.api.get(address).json()
        body = {"off": now["off"], "default": now["default"], "expected_version": now["version"], **settings}
        answer = self.api.put(address, json=body)
        assert answer.status_code == 200, answer.text

    def button(self, user: str, **context: object) -> object:
        """What the application gets of the button."""
        return self.client.peek("checkout-button", "none", {"units": {"user": user}, **context}).value

    def soon(self, question: Callable[[], object], answer: object) -> None:
        """Within ten seconds the application gets this answer."""
        ends = time.monotonic() + 10
        while question() != answer:
            assert time.monotonic() < ends, f"still {question()!r}, not {answer!r}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A shop with two flags, for all journeys of this page."""
    process = ServerProcess(tmp_path_factory.mktemp("flags") / "data")
    process.migrate()
    known = process.run_script(Path(__file__).with_name("scene.py"), "shop")
    process.serve()
    yield Scene(process, known["sdk_key"], known["token"])
    process.stop()


@pytest.fixture
def shop(server: Scene) -> Iterator[Shop]:
    """The shop as it was made, and a client that follows it."""
    headers = {"Authorization": f"Bearer {server.token}"}
    client = equipoise_sdk.connect(server.server.url, server.sdk_key)
    with httpx.Client(base_url=f"{server.server.url}/api/v1/projects/shop", headers=headers) as api:
        made = Shop(api, client, server)
        made.serve("checkout-button", default="grey")
        made.serve("search-ranking", default="popular")
        # What the journey before left, the application has forgotten.
        made.soon(lambda: made.button("u-1"), "grey")
        yield made
    client.close()


def asked_over_ofrep(shop: Shop, user: str, token: str = "") -> object:
    """What an OpenFeature client gets of the button."""
    answer = httpx.post(
        f"{shop.scene.server.url}/ofrep/v1/evaluate/flags/checkout-button",
        json={"context": {"targetingKey": user}},
        headers={"X-API-Key": shop.scene.sdk_key, **({"X-Equipoise-Preview": token} if token else {})},
    )
    return answer.json()["value"]


def test_a_long_list_decides_in_the_application_and_over_ofrep(shop: Shop) -> None:
    body = {"key": "testers", "name": "Testers", "unit_type": "user"}
    assert shop.api.post("/lists", json=body).status_code == 201
    ids = "\n".join(f"u-{place}" for place in range(USERS))
    filled = shop.api.post("/segments/testers/members/upload", files={"file": ("users.txt", ids)})
    assert filled.json()["members"]["member_count"] == USERS
    rules = [{"id": "testers", "eligibility": {"segment": "testers"}, "serve": "green"}]
    shop.serve("checkout-button", rules=rules)
    shop.soon(lambda: shop.button(f"u-{USERS - 1}"), "green")
    assert shop.button(f"u-{USERS}") == "grey"
    shop.soon(lambda: asked_over_ofrep(shop, "u-7"), "green")
    assert asked_over_ofrep(shop, "stranger") == "grey"
    shop.api.post("/segments/testers/members", json={"how": "remove", "units": ["u-7"]})
    shop.soon(lambda: shop.button("u-7"), "grey")
    assert shop.button("u-8") == "green"


def test_needs_and_groups_switch_off_what_hangs_on_them(shop: Shop) -> None:
    needs = [{"flag": "search-ranking", "variants": ["popular"]}]
    shop.serve("checkout-button", default="green", prerequisites=needs)
    shop.soon(lambda: shop.button("u-1"), "green")
    group = {"key": "finding", "name": "Finding", "flags": ["search-ranking"]}
    assert shop.api.post("/groups", json=group).status_code == 201
    shop.serve("search-ranking", default="learned")
    shop.soon(lambda: shop.button("u-1"), "grey")
    shop.serve("search-ranking", default="popular")
    shop.soon(lambda: shop.button("u-1"), "green")
    shop.serve("search-ranking", default="learned", prerequisites=[])
    shop.api.post(f"/groups/finding{PRODUCTION}/kill", json={"reason": "slow"})
    shop.soon(lambda: shop.client.peek("search-ranking", "none", {}).reason, "DISABLED")
    # Killed it serves its off variant, which is the one that the button wants.
    shop.soon(lambda: shop.button("u-1"), "green")
    shop.api.post(f"/groups/finding{PRODUCTION}/unkill", json={})


def test_rings_let_their_audiences_in(shop: Shop) -> None:
    team = {"attribute": "team", "operator": "equals", "value": "checkout"}
    rings = [
        {"id": "team", "eligibility": team, "parts_per_million": 1_000_000},
        {"id": "global", "parts_per_million": 0},
    ]
    rollout = {"variant": "green", "unit_type": "user", "rings": rings}
    shop.serve("checkout-button", rules=[{"id": "stages", "rollout": rollout}])
    shop.soon(lambda: shop.button("u-1", attributes={"team": "checkout"}), "green")
    assert shop.button("u-1") == "grey"


def test_a_preview_link_shows_its_variant_until_it_is_revoked(shop: Shop) -> None:
    made = shop.api.post(f"{PRODUCTION}/previews", json={"overrides": {"checkout-button": "green"}})
    token = made.json()["token"]
    shop.soon(lambda: shop.client.preview(token), {"checkout-button": "green"})
    assert shop.button("u-1", overrides=shop.client.preview(token)) == "green"
    assert shop.button("u-1") == "grey"
    shop.soon(lambda: asked_over_ofrep(shop, "u-1", token), "green")
    shop.api.post(f"{PRODUCTION}/previews/revoke", json={})
    shop.soon(lambda: shop.client.preview(token), {})
    shop.soon(lambda: asked_over_ofrep(shop, "u-1", token), "grey")


def test_a_new_key_opens_the_door_at_once(shop: Shop) -> None:
    body = {"environment": "production", "kind": "server", "name": "second"}
    secret = shop.api.post("/sdk-keys", json=body).json()["secret"]
    address, headers = f"{shop.scene.server.url}/v1/snapshot", {"Authorization": f"Bearer {secret}"}
    shop.soon(lambda: httpx.get(address, headers=headers).status_code, 200)
