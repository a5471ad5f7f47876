"""The whole of `serve` as a process: what a revoked key, a kill and an absent database do to it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from installation import LONGEST_SECONDS, an_installation
from serving import SEED, SOON, Served, a_server, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a shop with one flag."""
    installation = an_installation(tmp_path_factory.mktemp("served"))
    keys = json.loads(installation.run(SEED))
    with a_server(installation) as (port, _):
        server = Served(installation, port, keys)
        until(lambda: server.ask("GET", "/v1/health", "")[0] == 200, within=LONGEST_SECONDS)
        yield server


def test_a_kill_over_the_api_is_felt_at_once(served: Served) -> None:
    place = "/api/v1/projects/shop/flags/banner/environments/production/kill"
    assert served.ask("POST", place, served.keys["token"], {"reason": "errors"})[0] == 200
    until(lambda: json.loads(served.snapshot()[1])["flags"]["banner"]["killed"] is True, within=SOON)


def test_a_kill_that_another_writer_holds_up_is_refused_in_time(served: Served) -> None:
    place = "/api/v1/projects/shop/flags/banner/environments/production/"
    assert served.ask("POST", place + "unkill", served.keys["token"], {"reason": "mended"})[0] == 200
    store = served.installation.directory / "equipoise.sqlite3"
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        status, answer = served.ask("POST", place + "kill", served.keys["token"], {"reason": "errors"})
        assert time.monotonic() - began < 2 + SOON
        other.execute("ROLLBACK")
    assert (status, "break-glass" in json.loads(answer)["detail"]) == (503, True)
    assert json.loads(served.snapshot()[1])["flags"]["banner"]["killed"] is False
    assert served.ask("POST", place + "kill", served.keys["token"], {"reason": "errors"})[0] == 200


def test_a_revoked_key_is_refused_at_once(served: Served) -> None:
    assert served.snapshot("lost")[0] == 200
    place = f"/api/v1/projects/shop/sdk-keys/{served.keys['lost_id']}/revoke"
    assert served.ask("POST", place, served.keys["token"])[0] == 200
    until(lambda: served.snapshot("lost")[0] == 401, within=SOON)
    assert served.snapshot("kept")[0] == 200


def test_pages_files_and_the_description_come_from_the_same_process(served: Served) -> None:
    assert served.ask("GET", "/static/dashboard/tokens.css", "")[0] == 200
    assert served.ask("GET", "/static/../settings.py", "")[0] in {302, 404}
    status, description = served.ask("GET", "/api/v1/openapi.json", "")
    assert (status, json.loads(description)["info"]["version"]) == (200, "1")


def test_events_are_taken_by_the_same_process(served: Served) -> None:
    status, answer = served.ask(
        "POST", "/v1/events", served.keys["kept"], {"sent_at": "2026-03-02T09:00:00Z", "events": []}
    )
    assert (status, json.loads(answer)["accepted"]) == (200, 0)


def test_messages_of_segments_libraries_are_taken_by_the_same_process(served: Served) -> None:
    status, answer = served.ask("POST", "/v1/segment/v1/batch", served.keys["kept"], {"batch": []})
    assert (status, json.loads(answer)["success"]) == (200, True)


def test_a_stream_carries_a_kill_and_its_end(served: Served) -> None:
    place = "/api/v1/projects/shop/flags/banner/environments/production/"
    served.ask("POST", place + "unkill", served.keys["token"], {"reason": "mended"})
    with served.stream() as stream:
        lines = iter(stream.readline, b"")
        assert stream.getheader("content-type") == "text/event-stream"
        until(lambda: next(lines) == b"event: revision\n", within=SOON)
        assert served.ask("POST", place + "kill", served.keys["token"], {"reason": "errors"})[0] == 200
        until(lambda: next(lines) == b"event: kill\n", within=SOON)
        assert json.loads(next(lines).removeprefix(b"data: "))["flag"] == "banner"


def test_a_process_that_is_told_to_end_ends_its_streams_first(served: Served) -> None:
    with a_server(served.installation) as (port, process):
        other = Served(served.installation, port, served.keys)
        until(lambda: other.ask("GET", "/v1/health", "")[0] == 200, within=LONGEST_SECONDS)
        with other.stream() as stream:
            until(lambda: stream.readline() == b"event: revision\n", within=SOON)
            began = time.monotonic()
            process.terminate()
            rest = stream.read()
            process.wait(timeout=20)
        assert time.monotonic() - began < 8, "it waited for its streams until it lost its patience"
        assert b"retry: " in rest


def test_openfeature_clients_are_answered_by_the_same_process(served: Served) -> None:
    status, answer = served.ask("POST", "/ofrep/v1/evaluate/flags/banner", served.keys["kept"], {})
    assert (status, json.loads(answer)["key"]) == (200, "banner")
