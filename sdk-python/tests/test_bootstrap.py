"""Stream, poll, disk, bootstrap, code default: each serves only until one before it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, document
from test_streams import until

import equipoise_sdk
from equipoise_sdk import Source

BUNDLED = document(revision=900, value="bundled")


def unavailable(server: FlagServer) -> None:
    server.fault = lambda handler: handler.answer(503)


@pytest.fixture(params=["path", "text", "document", "without a hash"])
def bundled(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A snapshot in each of the forms in which it may come with an application."""
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(BUNDLED))
    bare = {member: value for member, value in BUNDLED.items() if member != "hash"}
    return {"path": path, "text": str(path), "document": BUNDLED, "without a hash": bare}[request.param]


def test_a_bootstrap_serves_while_there_is_nothing_else(
    server: FlagServer, connect: Connect, bundled: Any
) -> None:
    unavailable(server)
    client = connect(bootstrap=bundled)
    assert client.string("colour", "code", {}) == "bundled"
    assert (client.status.ready, client.status.source) == (True, Source.BOOTSTRAP)


def test_whatever_the_server_has_replaces_a_bootstrap(
    server: FlagServer, connect: Connect, bundled: Any
) -> None:
    unavailable(server)
    client = connect(bootstrap=bundled)
    server.fault, server.content = None, document(revision=1, environment="elsewhere")
    server.wait_for(3)
    assert client.string("colour", "code", {}) == "grey"
    assert client.status.source is Source.POLL


def test_a_stream_that_tells_of_the_same_revision_says_nothing_of_a_bootstraps_content(
    server: FlagServer, connect: Connect
) -> None:
    server.content, server.stream = document(revision=900), server.follow
    unavailable(server)
    client = connect(bootstrap=BUNDLED, streaming=True)
    until(lambda: server.streams_opened > 0 and client.status.snapshot_age_seconds is not None)
    server.fault = None
    until(lambda: client.string("colour", "code", {}) == "grey")


def test_the_disk_comes_before_a_bootstrap(
    server: FlagServer, connect: Connect, bundled: Any, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    connect(cache_directory=cache).close()
    unavailable(server)
    client = connect(cache_directory=cache, bootstrap=bundled)
    assert (client.string("colour", "code", {}), client.status.source) == ("grey", Source.DISK)


def test_a_bootstrap_comes_before_a_damaged_disk(
    server: FlagServer, connect: Connect, bundled: Any, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    connect(cache_directory=cache).close()
    next(cache.glob("*.snapshot")).write_bytes(b"damaged")
    unavailable(server)
    assert connect(cache_directory=cache, bootstrap=bundled).status.source is Source.BOOTSTRAP


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", None])
def test_a_bootstrap_that_cannot_be_used_is_told_and_no_trouble(
    server: FlagServer,
    connect: Connect,
    tmp_path: Path,
    content: bytes | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unavailable(server)
    path = tmp_path / "snapshot.json"
    if content is not None:
        path.write_bytes(content)
    client = connect(bootstrap=path)
    assert client.string("colour", "code", {}) == "code"
    assert caplog.text.count("the bootstrap snapshot is ignored") == 1


def test_what_is_neither_file_nor_document_is_refused() -> None:
    wrong: Any = 7
    with pytest.raises(ValueError, match="bootstrap must be"):
        equipoise_sdk.connect("http://127.0.0.1:1", "k", bootstrap=wrong)
