"""An application with the SDK follows a server that is there, and keeps its answers while there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from server_process import Scene, eventually

import equipoise_sdk

VISITOR = {"units": {"user": "u-1"}, "attributes": {"country": "NL"}}
FLAG = "/api/v1/projects/shop/flags/checkout-button"
PRODUCTION = f"{FLAG}/environments/production"


@contextmanager
def _application(scene: Scene, cache: Path) -> Iterator[equipoise_sdk.Client]:
    client = equipoise_sdk.connect(
        scene.server.url, scene.sdk_key, poll_interval_seconds=0.2, cache_directory=cache
    )
    yield client
    client.close()


def _call(scene: Scene, method: str, path: str, body: dict[str, object]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {scene.token}"}
    answer = httpx.request(method, scene.server.url + path, headers=headers, json=body)
    assert answer.is_success, answer.text
    return answer


def _stored(scene: Scene) -> int:
    stored: int = scene.server.run_script(Path(__file__).with_name("stored_events.py"))
    return stored


def test_a_change_and_a_kill_reach_a_polling_application(
    set_scene: Callable[[str], Scene], tmp_path: Path
) -> None:
    scene = set_scene("shop")
    with _application(scene, tmp_path / "cache") as client:
        assert client.string("checkout-button", "nothing", VISITOR) == "grey"
        green = {"off": "grey", "default": "green", "expected_version": 1}
        _call(scene, "PUT", PRODUCTION, green)
        assert eventually(lambda: client.peek("checkout-button", "nothing", VISITOR).value == "green")
        _call(scene, "POST", f"{PRODUCTION}/kill", {"reason": "The page breaks."})
        assert eventually(lambda: client.peek("checkout-button", "nothing", VISITOR).value == "grey")
        assert client.peek("checkout-button", "nothing", VISITOR).reason == "DISABLED"


def test_an_application_keeps_its_answers_and_its_events_while_the_server_is_away(
    set_scene: Callable[[str], Scene], tmp_path: Path
) -> None:
    scene = set_scene("running")
    german = {"units": {"user": "u-2"}, "attributes": {"country": "DE"}}
    with _application(scene, tmp_path / "cache") as client:
        before = [client.peek("checkout-button", "nothing", german), client.status.revision]
        scene.server.kill("serve")
        for number in range(200):
            client.track("purchase", german, value=float(number))
        assert eventually(lambda: client.status.last_error is not None)
        assert [client.peek("checkout-button", "nothing", german), client.status.revision] == before

        with _application(scene, tmp_path / "cache") as started_meanwhile:
            assert started_meanwhile.status.source == "disk"
            assert started_meanwhile.peek("checkout-button", "nothing", german) == before[0]

        scene.server.serve()
        assert client.flush(timeout_seconds=60)
        assert client.status.dropped == 0
    assert _stored(scene) == 200
