"""A connection goes to the process that serves what it asks for, and back, as often as its client likes."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from installation import LONGEST_SECONDS, an_installation
from serving import SEED, SOON, Served, a_server, until
from wire import a_body, a_track

from equipoise_server.edge.passage import is_of_events

EVENTS = "/v1/events"


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, int]]:
    """A server that takes events, and its process id."""
    installation = an_installation(tmp_path_factory.mktemp("moving"))
    keys = json.loads(installation.run(SEED))
    with a_server(installation) as (port, process):
        server = Served(installation, port, keys)
        until(lambda: _sent(server) == 200, within=LONGEST_SECONDS)
        yield server, process.pid


def _sent(server: Served) -> int:
    return server.ask("POST", EVENTS, server.keys["kept"], json.loads(a_body(a_track())))[0]


def _open(server: Served) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONGEST_SECONDS)


def _asked(server: Served, link: http.client.HTTPConnection, method: str, path: str) -> tuple[int, bytes]:
    body = a_body(a_track()) if method == "POST" else None
    link.request(method, path, body, {"Authorization": f"Bearer {server.keys['kept']}"})
    answer = link.getresponse()
    return answer.status, answer.read()


def _raw(server: Served, pieces: list[bytes]) -> bytes:
    """What comes back on a connection to which these pieces were sent, each seen to have left."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LONGEST_SECONDS) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            link.sendall(piece)
        received = b""
        while part := link.recv(65536):
            received += part
        return received


def _request(server: Served, path: str, body: bytes, *more: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {server.keys['kept']}\r\n".encode()
    lines = b"".join(line + b"\r\n" for line in more)
    return head + lines + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def _takers(pid: int) -> list[str]:
    children = [Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [
        taker
        for child in children[0]
        for taker in Path(f"/proc/{child}/task/{child}/children").read_text().split()
    ]


def test_one_connection_asks_for_flags_and_sends_events_in_turn(moving: tuple[Served, int]) -> None:
    server, _ = moving
    asked = [("GET", "/v1/snapshot"), ("POST", EVENTS), ("POST", EVENTS), ("GET", "/v1/snapshot")]
    with closing(_open(server)) as link:
        told = [_asked(server, link, method, path) for method, path in [*asked, *asked]]
        held = link.sock
    assert [status for status, _ in told] == [200] * 8
    assert json.loads(told[1][1]) == {"accepted": 1, "quarantined": []}
    assert held is not None, "it was one connection all the time"


def test_a_stream_may_begin_on_a_connection_that_sent_events(moving: tuple[Served, int]) -> None:
    server, _ = moving
    with closing(_open(server)) as link:
        assert _asked(server, link, "POST", EVENTS)[0] == 200
        link.request("GET", "/v1/stream", headers={"Authorization": f"Bearer {server.keys['kept']}"})
        stream = link.getresponse()
        lines = iter(stream.readline, b"")
        until(lambda: next(lines) == b"event: revision\n", within=SOON)


@pytest.mark.parametrize("cut", [3, 14, 40])
def test_a_request_that_comes_in_pieces_is_taken_whole(moving: tuple[Served, int], cut: int) -> None:
    server, _ = moving
    sent = _request(server, EVENTS, a_body(a_track()), b"Connection: close")
    answer = _raw(server, [sent[:cut], sent[cut:]])
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'{"accepted": 1' in answer


def test_a_batch_sent_behind_another_request_is_taken_where_it_is(moving: tuple[Served, int]) -> None:
    server, _ = moving
    health = b"GET /v1/health HTTP/1.1\r\nHost: shop\r\n\r\n"
    answer = _raw(server, [health + _request(server, EVENTS, a_body(a_track()), b"Connection: close")])
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.endswith(b'{"accepted": 1, "quarantined": []}')


def test_what_is_asked_behind_an_unanswered_batch_is_to_be_asked_again(moving: tuple[Served, int]) -> None:
    server, _ = moving
    batch = _request(server, EVENTS, a_body(a_track()))
    answer = _raw(server, [batch + b"GET /v1/health HTTP/1.1\r\nHost: shop\r\n\r\n"])
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 503" in answer
    assert b"Send it again" in answer


def test_a_page_of_another_origin_hears_that_it_may_send(moving: tuple[Served, int]) -> None:
    server, _ = moving
    with closing(_open(server)) as link:
        for path in (EVENTS, "/v1/segment/v1/track"):
            link.request("OPTIONS", path)
            answer = link.getresponse()
            answer.read()
            assert (answer.status, answer.getheader("access-control-allow-origin")) == (204, "*")


def test_what_begins_like_the_doors_for_events_is_unknown_there(moving: tuple[Served, int]) -> None:
    server, _ = moving
    assert server.ask("POST", "/v1/eventsource", server.keys["kept"], {})[0] == 404
    assert server.ask("GET", EVENTS, server.keys["kept"])[0] == 405


def test_a_key_works_for_events_as_soon_as_it_is_shown(moving: tuple[Served, int]) -> None:
    server, _ = moving
    place = "/api/v1/projects/shop/sdk-keys"
    made = {"environment": "production", "kind": "server", "name": "new"}
    status, told = server.ask("POST", place, server.keys["token"], made)
    assert status in {200, 201}, told
    secret = json.loads(told)["secret"]
    assert server.ask("POST", EVENTS, secret, json.loads(a_body(a_track())))[0] == 200


def test_a_wrong_key_is_refused_for_what_it_is(moving: tuple[Served, int]) -> None:
    server, _ = moving
    assert server.ask("POST", EVENTS, "eq_server_nobody_knows_it", {})[0] == 401


def test_flags_are_served_while_nobody_takes_events_in_and_then_events_are(
    moving: tuple[Served, int],
) -> None:
    server, pid = moving
    with closing(_open(server)) as link:
        assert _asked(server, link, "GET", "/v1/snapshot")[0] == 200
        (first,) = _takers(pid)
        os.kill(int(first), signal.SIGKILL)
        assert _asked(server, link, "GET", "/v1/snapshot")[0] == 200
    until(lambda: _takers(pid) not in ([], [first]), within=LONGEST_SECONDS)
    until(lambda: _served_or_refused(server) == 200, within=LONGEST_SECONDS)


def _served_or_refused(server: Served) -> int:
    try:
        return _sent(server)
    except (OSError, http.client.HTTPException):
        return 0


@pytest.mark.parametrize(
    ("begun", "whose"),
    [
        (b"POST /v1/events HTTP/1.1", True), (b"POST /v1/events?x=1", True), (b"OPTIONS /v1/events", True),
        (b"POST /v1/segment/v1/track", True), (b"POST /v1/ev", None), (b"P", None), (b"", None),
        (b"GET /v1/events", False), (b"POST /ofrep/v1/evaluate", False), (b"\x16\x03\x01", False),
    ],
)  # fmt: skip
def test_the_first_bytes_say_whose_a_request_is(begun: bytes, whose: bool | None) -> None:
    assert is_of_events(begun) is whose
