"""Whatever the network does, a client keeps its values, never raises, and starts within a second."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Handler, document

from equipoise_sdk import Reason, Source
from equipoise_sdk.keeper import Keeper, Refused

MEGABYTE = b" " * 2**20


def _oversize(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(21 * 2**20))
    handler.end_headers()
    with suppress(OSError):
        for _ in range(21):
            handler.wfile.write(MEGABYTE)
    handler.close_connection = True


def _gives(content: object) -> Callable[[Handler], None]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda handler: handler.answer(200, body, ETag='"poison"')


WRONG_HASH = {**document(revision=9, value="evil"), "hash": document()["hash"]}


def _trickle(handler: Handler) -> None:
    """Send a byte whenever the client is about to lose its patience."""
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    with suppress(OSError):
        while not handler.owner.release.wait(0.01):
            handler.wfile.write(b" ")
            handler.wfile.flush()
    handler.close_connection = True


FAULTS: dict[str, Callable[[Handler], None]] = {
    "401": lambda handler: handler.answer(401),
    "404": lambda handler: handler.answer(404),
    "500": lambda handler: handler.answer(500),
    "503 that asks for patience": lambda handler: handler.answer(503, Retry_After="0"),
    "304 that nobody asked for": lambda handler: handler.answer(304),
    "a redirect": lambda handler: handler.answer(302, Location="http://127.0.0.1:1/"),
    "a cut answer": Handler.cut,
    "silence": Handler.hang,
    "a trickle": _trickle,
    "too much": _oversize,
    "no JSON": _gives(b"<html>"),
    "half a document": _gives(b'{"format":1'),
    "a list": _gives([]),
    "deep nesting": _gives(b"[" * 100_000),
    "not UTF-8": _gives(b"\xff\xfe"),
    "a wrong hash": _gives(WRONG_HASH),
    "no hash": _gives({key: value for key, value in document(revision=9).items() if key != "hash"}),
    "another format": _gives(document(revision=9, format=2)),
    "an older revision": _gives(document(revision=4, value="old")),
    "an older epoch": _gives(document(revision=99, epoch=0, value="old")),
    "the same revision with other content": _gives(document(revision=5, value="other")),
    "another environment": _gives(document(revision=9, environment="production")),
    "nothing": _gives(b""),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_changes_no_value_and_is_told(
    server: FlagServer, connect: Connect, fault: Callable[[Handler], None]
) -> None:
    server.content = document(revision=5)
    client = connect(request_timeout_seconds=0.1)
    assert client.string("colour", "code", {}) == "grey"
    server.fault = fault
    server.wait_for(2)
    assert client.string("colour", "code", {}) == "grey"
    if fault is not FAULTS["304 that nobody asked for"]:  # the client did ask, so it is no fault
        assert client.status.last_error is not None
    assert (client.status.ready, client.status.revision) == (True, 5)
    server.fault, server.content = None, document(revision=6, value="blue")
    server.release.set()
    server.wait_for(3)
    assert client.string("colour", "code", {}) == "blue"
    assert client.status.last_error is None


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_start_takes_a_second_at_most_and_serves_the_code_default(
    server: FlagServer, connect: Connect, fault: Callable[[Handler], None]
) -> None:
    if fault in {FAULTS[name] for name in FAULTS if name.startswith(("an older", "the same", "another env"))}:
        return  # nothing to contradict yet: a first snapshot is taken as it is
    server.fault = fault
    began = time.monotonic()
    client = connect(request_timeout_seconds=5.0)
    assert time.monotonic() - began < 1.5
    decision = client.details("colour", "code", {})
    assert (decision.value, decision.reason, decision.error_code) == (
        "code",
        Reason.ERROR,
        "PROVIDER_NOT_READY",
    )
    assert (client.status.ready, client.status.source) == (False, Source.NONE)


def test_a_refused_connection_is_no_trouble(connect: Connect) -> None:
    client = connect(server_url="http://127.0.0.1:1")
    assert client.boolean("button", True, {"units": {"user": "u1"}}) is True
    client.track("purchase", {"units": {"user": "u1"}})
    assert client.flush(0.05) is False
    assert client.status.queued == 1


def test_a_healthy_start_is_ready_at_once(server: FlagServer, connect: Connect) -> None:
    client = connect()
    status = client.status
    assert (status.ready, status.source, status.revision, status.epoch) == (True, Source.POLL, 1, 1)
    assert status.snapshot_age_seconds is not None
    assert 0 <= status.snapshot_age_seconds < 5
    assert server.requests[0][1] == "/v1/snapshot"
    assert server.requests[0][2]["Authorization"] == "Bearer eq_test"


def test_an_etag_is_kept_only_for_what_was_accepted(server: FlagServer, connect: Connect) -> None:
    server.fault = _gives(WRONG_HASH)
    connect()
    server.wait_for(2)
    assert all("If-None-Match" not in headers for _, _, headers, _ in server.requests)
    server.fault = None
    server.wait_for(3)
    assert server.requests[-1][2]["If-None-Match"] == f'"{server.content["hash"]}"'


def test_a_new_epoch_may_count_from_one_again(server: FlagServer, connect: Connect) -> None:
    server.content = document(revision=40)
    client = connect()
    server.content = document(revision=1, epoch=2, value="restored")
    server.wait_for(2)
    assert client.string("colour", "code", {}) == "restored"


def test_a_cold_start_serves_from_disk(server: FlagServer, connect: Connect, tmp_path: Path) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(401)
    client = connect(cache_directory=tmp_path)
    assert client.string("colour", "code", {}) == "grey"
    assert client.status.source is Source.DISK
    assert client.status.snapshot_age_seconds is not None
    server.fault = None
    server.wait_for(2)
    assert client.status.source is Source.POLL


def test_the_disk_of_another_key_is_not_read(server: FlagServer, connect: Connect, tmp_path: Path) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(401)
    assert connect(cache_directory=tmp_path, key="eq_other").status.ready is False


def test_a_damaged_file_is_ignored_and_told_once(
    server: FlagServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    step = len(whole) // 20
    damaged: list[bytes] = [b"", whole[:70], whole[:-1], whole + b" "]
    damaged += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(whole), step)]
    for content in damaged:
        path.write_bytes(content)
        client = connect(cache_directory=tmp_path)
        assert client.status.source is Source.NONE
        assert caplog.text.count("is damaged") == 1
        caplog.clear()
        client.close()


def test_a_whole_file_with_a_hostile_snapshot_is_ignored(
    server: FlagServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    (path,) = tmp_path.iterdir()
    body = b"\n{}"
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert connect(cache_directory=tmp_path).status.ready is False
    assert "the snapshot on disk is ignored" in caplog.text


def test_a_disk_that_refuses_is_told_once_and_no_trouble(
    server: FlagServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    client = connect(cache_directory=blocked)
    server.content = document(revision=2, value="blue")
    server.wait_for(2)
    assert client.string("colour", "code", {}) == "blue"
    assert len(caplog.records) == 1
    assert "on disk is ignored" in caplog.text


def test_nothing_half_written_stays_on_disk(server: FlagServer, connect: Connect, tmp_path: Path) -> None:
    connect(cache_directory=tmp_path)
    for revision in range(2, 5):
        server.content = document(revision=revision)
        server.wait_for(2)
    assert [path.suffix for path in tmp_path.iterdir()] == [".snapshot"]


def test_a_trouble_is_logged_once_until_it_is_over(
    server: FlagServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    connect()
    server.fault = FAULTS["500"]
    server.wait_for(4)
    assert caplog.text.count("no new snapshot") == 1


def test_a_refused_snapshot_leaves_the_one_before() -> None:
    keeper, now = Keeper(), datetime.now(UTC)
    body: Any = json.dumps(document()).encode()
    keeper.offer(body, Source.POLL, now)
    before = keeper.serving
    with pytest.raises(Refused, match="older"):
        keeper.offer(json.dumps(document(revision=0)).encode(), Source.POLL, now)
    assert keeper.serving is before
