"""Health checks at the command line: listed, looked at and tried against something that answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import Result
from server_process import Scene

from equipoise_cli.configuration import Access
from equipoise_cli.connection import Connection

Terminal = Callable[..., Result]
SERIES = [{"metric": {"variant": "grey"}, "value": [0, "0.25"]}]
ANSWER = json.dumps({"status": "success", "data": {"resultType": "vector", "result": SERIES}}).encode()


class Metrics(BaseHTTPRequestHandler):
    """Says that grey is at 0.25, and nothing of green."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that it has there
        """Say nothing."""


@pytest.fixture(scope="module")
def check(scene: Scene) -> Iterator[str]:
    """A check of the flag, over a connection that was made at the command line's own server."""
    server = HTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    with Connection(Access(scene.server.url, scene.token)) as connection:
        flag = next(iter(connection.items("/projects/shop/flags")))
        variants = {str(one["key"]): str(one["key"]) for one in flag["variants"]}  # type: ignore[index,union-attr]  # a list
        plan = {
            "connection": "live",
            "query": "errors",
            "bound": 0.5,
            "label": "variant",
            "variants": variants,
        }
        location = f"http://127.0.0.1:{server.server_port}"
        connection.post(
            "/projects/shop/connections", {"key": "live", "kind": "prometheus", "location": location}
        )
        place = f"/projects/shop/flags/{flag['key']}/environments/production/health-checks"
        connection.post(place, {"key": "errors", "name": "Errors", "plan": plan})
    yield str(flag["key"])
    server.shutdown()
    server.server_close()
    thread.join()


def test_checks_are_listed_with_what_follows(terminal: Terminal, check: str) -> None:
    shown = terminal("health", "list", check)
    assert shown.exit_code == 0, shown.output
    assert [line.split()[0] for line in shown.output.splitlines()] == ["CHECK", "errors"]
    assert "unknown" in shown.output
    assert json.loads(terminal("health", "list", check, "--json").output)[0]["plan"]["query"] == "errors"


def test_a_check_is_tried_and_says_what_each_variant_got(terminal: Terminal, check: str) -> None:
    tried = terminal("health", "test", check, "errors")
    assert tried.exit_code == 0, tried.output
    assert "0.25" in tried.output
    assert "there is “grey”" in tried.output
    assert json.loads(terminal("health", "test", check, "errors", "--json").output)["why"] == "no_data"


def test_looks_are_listed_and_an_unknown_check_is_refused(terminal: Terminal, check: str) -> None:
    none = terminal("health", "results", check, "errors")
    assert (none.exit_code, len(none.output.splitlines())) == (0, 1)
    assert json.loads(terminal("health", "results", check, "errors", "--json").output) == []
    refused = terminal("health", "results", check, "nothing")
    assert refused.exit_code == 1
    assert "nothing" in refused.stderr
