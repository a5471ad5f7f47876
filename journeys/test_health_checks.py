"""A worker asks a Prometheus by itself: what fails is killed with what runs on it; what is away is not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from server_process import ServerProcess, eventually, free_port

SCENE = Path(__file__).parent / "scene.py"
FLAG = "/projects/shop/flags/checkout-button/environments/production"
ERRORS = {"grey": 0.01, "green": 0.2}


@contextmanager
def a_prometheus() -> Iterator[str]:
    """It says that green fails much more often than grey."""
    series = [{"metric": {"variant": key}, "value": [0, str(share)]} for key, share in ERRORS.items()]
    told = {"status": "success", "data": {"resultType": "vector", "result": series}}
    answer = json.dumps(told).encode()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that it has there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[httpx.Client]:
    """The management API of a shop with a running experiment, and a worker."""
    server = ServerProcess(tmp_path / "data", settings={"EQUIPOISE_SOURCE_HOSTS": "127.0.0.1"})
    server.migrate()
    known = server.run_script(SCENE, "running")
    server.serve()
    server.work()
    signed = {"Authorization": f"Bearer {known['token']}"}
    with httpx.Client(base_url=f"{server.url}/api/v1", headers=signed, timeout=30) as client:
        yield client
    server.stop()


def add(api: httpx.Client, key: str, location: str) -> None:
    """A connection and a check over it that kills at the first failure."""
    connection = {"key": key, "kind": "prometheus", "location": location}
    assert api.post("/projects/shop/connections", json=connection).status_code == 201
    plan = {
        "connection": key, "query": "errors", "bound": 0.05, "label": "variant",
        "variants": {"grey": "grey", "green": "green"}, "failures": 1, "on_failure": "kill",
    }  # fmt: skip
    made = api.post(f"{FLAG}/health-checks", json={"key": key, "name": key, "plan": plan})
    assert made.status_code == 201, made.text


def test_what_is_away_is_unknown_and_what_fails_is_killed_with_its_experiment(api: httpx.Client) -> None:
    def why() -> object:
        return api.get(f"{FLAG}/health-checks/away").json()["standing"]["why"]

    def is_killed() -> bool:
        return api.get(FLAG).json()["killed_at"] is not None

    def experiment() -> dict[str, object]:
        found = api.get("/projects/shop/experiments/green-button").json()
        assert isinstance(found, dict)
        return found

    add(api, "away", f"http://127.0.0.1:{free_port()}")
    assert eventually(lambda: why() == "unreachable", within_seconds=60)
    assert not is_killed()
    with a_prometheus() as location:
        add(api, "errors", location)
        assert eventually(is_killed, within_seconds=60)
    assert eventually(lambda: experiment()["status"] == "stopped", within_seconds=60)
    assert experiment()["iterations"][-1]["stop_cause"] == "kill"  # type: ignore[index]  # a list
