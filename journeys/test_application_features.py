"""What people set up over the API, applications do: preview links, lists of units, holdouts and clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from server_process import Scene, eventually

import equipoise_sdk
from equipoise_sdk import Client, SqliteStickyStore

HERE = Path(__file__).parent
CITIES = [f"city-{number}" for number in range(40)]
Json = dict[str, Any]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def connected(scene: Scene, key: str = "", **settings: object) -> Client:
        given: Json = {"cache_directory": tmp_path / "cache", "poll_interval_seconds": 0.2, **settings}
        clients.append(equipoise_sdk.connect(scene.server.url, key or scene.sdk_key, **given))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()


def _call(scene: Scene, method: str, path: str, body: Json) -> Json:
    headers = {"Authorization": f"Bearer {scene.token}"}
    answer = httpx.request(method, f"{scene.server.url}/api/v1{path}", headers=headers, json=body, timeout=30)
    assert answer.is_success, answer.text
    told: Json = answer.json() if answer.content else {}
    return told


def _user(unit: str, **more: object) -> Json:
    return {"units": {"user": unit}, **more}


def test_a_preview_link_shows_its_variant_until_all_links_are_revoked(
    set_scene: Callable[[str], Scene], connect: Callable[..., Client]
) -> None:
    scene = set_scene("shop")
    client = connect(scene)
    previews = "/projects/shop/environments/production/previews"
    link = _call(scene, "POST", previews, {"overrides": {"checkout-button": "green"}, "hours": 1})
    assert eventually(lambda: client.preview(link["token"]) == {"checkout-button": "green"})
    shown = client.details("checkout-button", "x", _user("u-1", overrides=client.preview(link["token"])))
    assert (shown.value, shown.metadata["step"]) == ("green", "override")
    assert client.preview(link["token"][:-1] + "?") == {}
    _call(scene, "POST", f"{previews}/revoke", {"reason": "The link got out."})
    assert eventually(lambda: client.preview(link["token"]) == {})


def test_a_large_list_of_units_decides_in_the_application_and_from_disk(
    set_scene: Callable[[str], Scene], connect: Callable[..., Client], tmp_path: Path
) -> None:
    scene = set_scene("shop")
    client = connect(scene)
    members = [f"friend-{number}" for number in range(3_000)]
    _call(scene, "POST", "/projects/shop/lists", {"key": "friends", "name": "Friends", "unit_type": "user"})
    _call(scene, "POST", "/projects/shop/segments/friends/members", {"how": "replace", "units": members})
    rule = {"eligibility": {"segment": "friends"}, "serve": "green"}
    settings = {"off": "grey", "default": "grey", "rules": [rule], "expected_version": 1}
    _call(scene, "PUT", "/projects/shop/flags/checkout-button/environments/production", settings)

    def is_decided_by(asked: Client) -> bool:
        answers = {unit: asked.peek("checkout-button", "x", _user(unit)).value for unit in members[:50]}
        strangers = [
            asked.peek("checkout-button", "x", _user(f"other-{number}")).value for number in range(50)
        ]
        return set(answers.values()) == {"green"} and set(strangers) == {"grey"}

    assert eventually(lambda: is_decided_by(client))
    assert [path.stat().st_size for path in tmp_path.glob("cache/*.members/*")] == [8 * 3_000]
    scene.server.kill("serve")
    started_meanwhile = connect(scene)
    assert started_meanwhile.status.source == "disk"
    assert is_decided_by(started_meanwhile)


def test_holdouts_and_clusters_arrive_with_their_exposures(
    set_scene: Callable[[str], Scene], connect: Callable[..., Client], tmp_path: Path
) -> None:
    scene = set_scene("shop")
    key = _delivery_trial(scene)
    store = SqliteStickyStore(tmp_path / "clusters")
    client, following = connect(scene, key, sticky_store=store), connect(scene, key)
    for asked in (client, following):
        assert eventually(lambda asked=asked: asked.status.revision is not None)  # type: ignore[misc]
        assert eventually(lambda asked=asked: bool(_met(asked, 40)))  # type: ignore[misc]
    arms = {city: following.peek("fee", "x", _living("mover", city)).value for city in CITIES}
    assert set(arms.values()) == {"usual", "lower"}

    units = [f"u-{number}" for number in range(400)]
    for number, unit in enumerate(units):
        client.details("fee", "x", _living(unit, CITIES[number % len(CITIES)]))
    assert client.flush(10)
    kept = [client.peek("fee", "x", _living("u-0", city)) for city in CITIES]
    if any(decision.enrolment for decision in kept):
        assert {decision.value for decision in kept} == {arms[CITIES[0]]}
    store.close()

    exposures = scene.server.run_script(HERE / "stored_exposures.py")
    held = {row["unit"]: row["variant"] for row in exposures if row["experiment"] == "winter"}
    tried = {row["unit"]: row for row in exposures if row["experiment"] == "delivery-fee"}
    assert set(held) == set(units)
    assert set(tried) == {unit for unit, arm in held.items() if arm == "open"}
    assert 0 < len(units) - len(tried) < 60  # five percent are held
    for number, unit in enumerate(units):
        if unit in tried:
            assert (tried[unit]["cluster_type"], tried[unit]["cluster"]) == ("city", CITIES[number % 40])


def _living(unit: str, city: str) -> Json:
    return {"units": {"user": unit, "city": city}}


def _met(client: Client, count: int) -> list[object]:
    decisions = [client.peek("fee", "x", _living(f"p-{number}", CITIES[number])) for number in range(count)]
    return [decision.enrolment for decision in decisions if decision.enrolment is not None]


def _delivery_trial(scene: Scene) -> str:
    """A shop whose delivery fee is tried by city, with a holdout over it; return the key of its SDK."""
    _call(scene, "POST", "/projects", {"key": "food", "name": "Food", "unit_types": ["user", "city"]})
    fee = {"key": "fee", "name": "Fee", "type": "string", "off": "usual", "default": "usual"}
    variants = [{"key": key, "value": key} for key in ("usual", "lower")]
    _call(scene, "POST", "/projects/food/flags", {**fee, "variants": variants})
    ordered = {
        "key": "order",
        "name": "Orders",
        "definition": {"kind": "conversion", "fact": {"event": "order"}},
    }
    _call(scene, "POST", "/projects/food/metrics", ordered)
    winter = {"key": "winter", "name": "Winter", "unit_type": "user", "parts_per_million": 50_000}
    _call(scene, "POST", "/projects/food/holdouts", winter)
    design = {
        "hypothesis": "A lower fee lets more people order.",
        "arms": [
            {"key": "control", "name": "Usual", "values": {"fee": "usual"}},
            {"key": "treatment", "name": "Lower", "values": {"fee": "lower"}},
        ],
        "metrics": [{"key": "order", "role": "oec"}],
        "cluster_type": "city", "cluster_count": 400, "cluster_size": 10, "cluster_correlation": 0.01,
        "baseline": 0.2, "mde_relative": 0.2, "daily_units": 4_000, "planned_days": 28,
        "spillover": "supply",
    }  # fmt: skip
    _call(
        scene, "POST", "/projects/food/experiments", {"key": "delivery-fee", "name": "Fee", "design": design}
    )
    launch = {"environment": "production", "expected_version": 1}
    _call(scene, "POST", "/projects/food/experiments/delivery-fee/launch", launch)
    issued = {"environment": "production", "kind": "server", "name": "food"}
    return str(_call(scene, "POST", "/projects/food/sdk-keys", issued)["secret"])
