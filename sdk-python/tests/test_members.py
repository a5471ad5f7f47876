"""Lists of members are fetched before their snapshot serves, checked, kept, and never trusted unread."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from connecting import Connect
from flag_server import FlagServer, Handler, document, kill_event
from small_worlds import ADDRESS, LIST, NAMED, listing, user
from test_streams import until

from equipoise_engine import ErrorCode, Members, members_blob
from equipoise_sdk import Client, Source, blobs

MEMBER, STRANGER = user(NAMED[0]), user("stranger")


def is_complete(client: Client) -> bool:
    answers = client.peek("button", False, MEMBER).value, client.peek("button", False, STRANGER).value
    return answers == (True, False)


def asked_for(server: FlagServer) -> int:
    return sum(path.startswith("/v1/members/") for _, path, _, _ in server.requests)


def test_a_list_is_there_when_the_client_is_ready(server: FlagServer, connect: Connect) -> None:
    server.content, server.members = listing(), {ADDRESS: LIST}
    client = connect()
    assert is_complete(client)
    server.wait_for(3)
    assert asked_for(server) == 1
    assert server.requests[1][2]["Authorization"] == "Bearer eq_test"


def test_a_snapshot_serves_only_once_its_list_is_there(server: FlagServer, connect: Connect) -> None:
    client = connect()
    server.members = {ADDRESS: LIST}
    server.content = listing(revision=2)
    until(lambda: client.status.revision == 2)
    assert is_complete(client)


def _other(handler: Handler) -> None:
    other = members_blob("listsalt", ["another"])
    handler.answer(200, other if "/members/" in handler.path else b"")


MISSING = {
    "404": lambda handler: handler.answer(404),
    "503": lambda handler: handler.answer(503),
    "another list": _other,
    "no list": lambda handler: handler.answer(200, b"odd"),
    "a cut answer": Handler.cut,
    "nothing": lambda handler: handler.answer(200),
}


@pytest.mark.parametrize("fault", MISSING.values(), ids=MISSING)
def test_without_its_list_a_snapshot_serves_all_the_same_and_the_list_is_tried_again(
    server: FlagServer, connect: Connect, fault: object
) -> None:
    server.content = listing(value="blue")
    give = Handler._give

    def without_members(handler: Handler) -> None:
        if "/members/" in handler.path:
            fault(handler)  # type: ignore[operator]
        else:
            give(handler)

    server.fault = without_members
    client = connect()
    assert client.string("colour", "code", {}) == "blue"
    decision = client.peek("button", True, MEMBER)
    assert (decision.error_code, decision.value) == (ErrorCode.GENERAL, False)
    assert "a list of members is missing" in (client.status.last_error or "")
    server.fault, server.members = None, {ADDRESS: LIST}
    until(lambda: is_complete(client))
    assert client.status.last_error is None


def test_a_start_without_a_server_takes_the_list_from_disk(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    server.content, server.members = listing(), {ADDRESS: LIST}
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    assert is_complete(connect(cache_directory=tmp_path))


def test_a_damaged_list_on_disk_is_asked_for_again(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    server.content, server.members = listing(), {ADDRESS: LIST}
    connect(cache_directory=tmp_path).close()
    (kept,) = tmp_path.glob("*.members/*")
    kept.write_bytes(LIST[:-8])
    client = connect(cache_directory=tmp_path)
    assert is_complete(client)
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == ADDRESS


def test_a_list_that_nothing_names_is_forgotten(server: FlagServer, connect: Connect, tmp_path: Path) -> None:
    later = members_blob("listsalt", ["later"])
    server.members = {ADDRESS: LIST, Members(later).address: later}
    server.content = listing()
    client = connect(cache_directory=tmp_path)
    server.content = listing(revision=2, address=Members(later).address)
    until(lambda: client.peek("button", False, user("later")).value is True)
    until(lambda: [path.name for path in tmp_path.glob("*.members/*")] == [Members(later).address])
    server.content = document(revision=3)
    until(lambda: not list(tmp_path.glob("*.members/*")))


@pytest.mark.parametrize(
    ("limit", "value"),
    [("LARGEST_BLOB_BYTES", 400), ("LARGEST_TOTAL_BYTES", 400), ("LONGEST_FETCH_SECONDS", 0.0)],
)
def test_lists_beyond_the_limits_are_left_out(
    server: FlagServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(blobs, limit, value)
    server.content, server.members = listing(), {ADDRESS: LIST}
    client = connect()
    assert client.peek("button", False, MEMBER).error_code is ErrorCode.GENERAL
    assert client.string("colour", "code", {}) == "grey"


def test_a_kill_over_the_stream_leaves_lists_where_they_are(server: FlagServer, connect: Connect) -> None:
    server.content, server.members, server.stream = listing(), {ADDRESS: LIST}, server.follow
    client = connect(streaming=True, poll_interval_seconds=3600)
    until(lambda: client.status.source is Source.STREAM)
    server.tell(kill_event("flag", "colour", 2))
    until(lambda: client.peek("colour", "", {}).reason == "DISABLED")
    assert is_complete(client)
    server.fault = lambda handler: handler.answer(503)
    server.tell(kill_event("flag", "button", 3))
    until(lambda: client.peek("button", True, MEMBER).reason == "DISABLED")


def test_a_disk_that_takes_no_list_is_no_trouble(
    server: FlagServer, connect: Connect, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    server.content, server.members = listing(), {ADDRESS: LIST}
    assert is_complete(connect(cache_directory=blocked))
