"""A relay distrusts its upstream: what it believes, keeps, refuses, and how long it goes on alone."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3
from asking import Answer, ask
from click.testing import CliRunner
from starlette.applications import Starlette

from equipoise_engine import canonical_json, content_hash, members_blob
from equipoise_server.commands.relay import command
from equipoise_server.edge import ofrep
from equipoise_server.edge.app import build
from equipoise_server.edge.relay.events import routes
from equipoise_server.edge.relay.following import Follower, NotBelieved
from equipoise_server.edge.relay.house import ClientKey, Relay
from equipoise_server.edge.relay.keeping import Shelf
from equipoise_server.edge.relay.upstream import Away, KeyRefused, Upstream
from equipoise_server.edge.state import EdgeState
from equipoise_server.edge.streams import Streams

SERVER, CLIENT = "eq_server_aa_1", "eq_client_bb_2"
PROBLEM = {"content-type": "application/problem+json"}


def a_snapshot(revision: int = 1, **members: object) -> bytes:
    """A snapshot of the shop's production."""
    document: dict[str, object] = {
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": revision,
        "default_unit_type": "user", "unit_types": ["user"],
        "flags": {"fee": {"type": "number", "variants": {"a": 1}, "off": "a", "default": "a"}}, **members,
    }  # fmt: skip
    document["hash"] = content_hash(document)
    return canonical_json(document)


def facts(revision: str = "1.1", kind: str = "server", environment: str = "production") -> bytes:
    """What a server says of a key."""
    told = {
        "project": "shop", "environment": environment, "kind": kind, "revision": revision,
        "decimal_flags": ["fee"],
    }  # fmt: skip
    return json.dumps(told).encode()


Given = tuple[int, Mapping[str, str], bytes]


@dataclass(slots=True)
class Server:
    """An upstream that answers as it is told, over a real socket."""

    url: str = ""
    answers: dict[str, Given] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def say(self, body: bytes, revision: str = "1.1", **headers: str) -> None:
        """Serve a snapshot and what belongs to it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers["/v1/snapshot"] = (200, {"etag": '"tag"', **named}, body)
        self.answers["/v1/relay"] = (200, {}, facts(revision))


@pytest.fixture
def server() -> Iterator[Server]:
    """An upstream on a port of its own."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])))

        def _answer(self, body: bytes) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.asked.append((self.path, headers, body))
            status, sent, content = told.answers.get(self.path, (503, {}, b""))
            self.send_response(status)
            for name, value in {**sent, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        told.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield told
        listening.shutdown()
        thread.join()


@contextmanager
def followed(server: Server, directory: Path) -> Iterator[Follower]:
    """A follower that asks only when the test does."""
    with urllib3.PoolManager() as pool:
        shelf = Shelf(directory)
        made = Follower(SERVER, Upstream(pool, server.url, SERVER), shelf, lambda: None, lambda *_: None)
        made.load()
        yield made


def test_a_snapshot_is_served_as_it_came_with_its_signature_and_its_numbers(
    server: Server, tmp_path: Path
) -> None:
    server.say(a_snapshot(), equipoise_signature="0123 abc=")
    with followed(server, tmp_path) as follower:
        follower.ask()
        served = follower.served
    assert served is not None
    assert (served.body, served.signature) == (a_snapshot(), "0123 abc=")
    assert served.decimal_flags == {"fee"}
    assert server.asked[0][1]["authorization"] == f"Bearer {SERVER}"


def test_a_key_that_signs_from_now_on_or_another_one_is_passed_on(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    with followed(server, tmp_path) as follower:
        follower.ask()
        server.answers["/v1/snapshot"] = (304, {"equipoise-signature": "0123 abc="}, b"")
        follower.ask()
        assert follower.served is not None
        assert (follower.served.body, follower.served.signature) == (a_snapshot(), "0123 abc=")
    with followed(server, tmp_path) as again:
        assert again.served is not None
        assert again.served.signature == "0123 abc="


HOSTILE = {
    "nothing": b"", "text": b"hello", "a list": b"[]", "cut": a_snapshot()[:-20],
    "altered": a_snapshot(2).replace(b'"a":1', b'"a":2'),
    "older": a_snapshot(0), "another content": a_snapshot(1, segments={}),
    "another project": a_snapshot(2, project="other"), "another environment": a_snapshot(2, environment="x"),
    "another format": a_snapshot(2, format=2), "no flags": a_snapshot(2, flags=None),
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_cannot_be_the_next_snapshot_is_not_believed(
    server: Server, tmp_path: Path, body: bytes
) -> None:
    server.say(a_snapshot())
    with followed(server, tmp_path) as follower:
        follower.ask()
        before = follower.served
        server.say(body, "1.2")
        with pytest.raises((NotBelieved, Away)):
            follower.ask()
        assert follower.served is before
    with followed(server, tmp_path) as again:
        assert again.served is not None
        assert again.served.body == a_snapshot(), "nor kept on disk"


def test_the_last_good_snapshot_serves_from_disk_and_a_damaged_one_does_not(
    server: Server, tmp_path: Path
) -> None:
    server.say(a_snapshot())
    with followed(server, tmp_path) as follower:
        follower.ask()
    (file,) = tmp_path.glob("*.snapshot")
    whole = file.read_bytes()
    with followed(server, tmp_path) as again:
        assert again.served is not None
    for place in range(0, len(whole), 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with followed(server, tmp_path) as again:
            assert again.served is None


def test_a_list_is_had_once_and_kept(server: Server, tmp_path: Path) -> None:
    data = members_blob("salt", ["u1"])
    address = hashlib.sha256(data).hexdigest()
    members = {"unit_type": "user", "blob": address, "salt": "salt"}
    server.say(a_snapshot(segments={"friends": {"members": members}}))
    server.answers[f"/v1/members/{address}"] = (200, {}, data)
    with followed(server, tmp_path) as follower:
        follower.ask()
        assert follower.served is not None
        assert follower.served.blobs[address].data == data
    del server.answers[f"/v1/members/{address}"]
    with followed(server, tmp_path) as again:
        assert again.served is not None
        assert again.served.blobs[address].data == data
    Shelf(tmp_path).forget_members(frozenset(), before=2e10)
    assert Shelf(tmp_path).load_members(address) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((401, PROBLEM, b"{}"), KeyRefused),
        ((403, PROBLEM, b"{}"), KeyRefused),
        ((401, {"content-type": "text/html"}, b"log in here"), Away),
        ((503, PROBLEM, b"{}"), Away),
        ((302, {"location": "http://127.0.0.1:9/"}, b""), Away),
    ],
    ids=["revoked", "client key", "a portal", "busy", "moved"],
)
def test_only_the_servers_own_refusal_of_a_key_counts(
    server: Server, tmp_path: Path, answer: Given, kind: type[Exception]
) -> None:
    server.answers["/v1/snapshot"] = answer
    with followed(server, tmp_path) as follower, pytest.raises(kind):
        follower.ask()


@contextmanager
def relayed(server: Server, directory: Path) -> Iterator[tuple[Relay, Follower]]:
    """A relay whose threads do not run."""
    with urllib3.PoolManager() as pool:
        relay = Relay(server.url, EdgeState(), Shelf(directory), lambda *_: None, pool)
        upstream = Upstream(pool, server.url, SERVER)
        follower = Follower(SERVER, upstream, relay.shelf, relay.show, relay.kill_heard)
        relay.followers.append(follower)
        yield relay, follower


def _ask(relay: Relay, method: str, path: str, secret: str, body: bytes = b"") -> Answer:
    return _sent(relay, method, path, {"authorization": f"Bearer {secret}"}, body)


def _sent(relay: Relay, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    return ask(build(relay.state, routes(relay)), method, path, headers=headers, body=body)


def test_other_keys_open_nothing_and_a_refused_one_no_more(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        assert _ask(relay, "GET", "/v1/snapshot", SERVER).body == a_snapshot()
        assert _ask(relay, "GET", "/v1/snapshot", "eq_server_cc_3").status == 401
        server.answers["/v1/snapshot"] = (401, PROBLEM, b"{}")
        follower._asked()
        assert _ask(relay, "GET", "/v1/snapshot", SERVER).status == 401
        server.say(a_snapshot())
        follower._asked()
        assert _ask(relay, "GET", "/v1/snapshot", SERVER).status == 200


def test_a_relay_tells_a_relay_below_what_it_was_told(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        assert _ask(relay, "GET", "/v1/relay", SERVER).json() == json.loads(facts())


def test_client_keys_open_what_the_server_says_they_are_of(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        relay.client_keys.append(ClientKey(CLIENT, Upstream(relay.pool, server.url, CLIENT)))
        relay.show()
        assert _evaluated(relay) == 401, "whose it is has not been told"
        server.answers["/v1/relay"] = (200, {}, facts(kind="client"))
        assert relay.check_client_keys()
        assert _evaluated(relay) == 200
        assert _ask(relay, "GET", "/v1/snapshot", CLIENT).status == 403
        server.answers["/v1/relay"] = (503, {}, b"")
        assert relay.check_client_keys(), "it is known, and stays so while the server is away"
        server.answers["/v1/relay"] = (401, PROBLEM, b"{}")
        relay.check_client_keys()
        assert _evaluated(relay) == 401
        relay.tidy()
    kept = Shelf(tmp_path).load_facts(CLIENT)
    assert kept is not None
    assert (kept.environment, kept.kind) == ("production", "client")
    assert Shelf(tmp_path).load_facts("eq_client_cc_3") is None


def _evaluated(relay: Relay) -> int:
    app = Starlette(routes=[*ofrep.routes(relay.state, Streams.__new__(Streams))])
    path = "/ofrep/v1/evaluate/flags/fee"
    return ask(app, "POST", path, headers={"authorization": f"Bearer {CLIENT}"}, body=b"{}").status


def test_events_are_passed_on_and_answered_as_above(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    server.answers["/v1/events"] = (400, PROBLEM, b'{"title":"Not a batch of events"}')
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        answer = _ask(relay, "POST", "/v1/events", SERVER, b'{"events":')
        assert (answer.status, answer.body) == (400, b'{"title":"Not a batch of events"}')
        path, headers, body = server.asked[-1]
        assert (path, body) == ("/v1/events", b'{"events":')
        assert headers["authorization"] == f"Bearer {SERVER}"
        assert headers["user-agent"] == "equipoise-relay"
        assert _ask(relay, "POST", "/v1/events", "eq_server_cc_3").status == 401


def test_who_sends_events_is_passed_on(server: Server, tmp_path: Path) -> None:
    server.say(a_snapshot())
    server.answers["/v1/events"] = (200, {}, b"{}")
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        sent = {"authorization": f"Bearer {SERVER}", "user-agent": "shop/2.4", "x-other": "kept here"}
        assert _sent(relay, "POST", "/v1/events", sent, b"{}").status == 200
        headers = server.asked[-1][1]
        assert headers["user-agent"] == "shop/2.4"
        assert "x-other" not in headers


BASIC = {"authorization": "Basic " + b64encode(f"{SERVER}:".encode()).decode()}
SIGNED = json.dumps({"writeKey": SERVER, "batch": []}).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [(BASIC, b"{}"), ({}, SIGNED), ({"content-encoding": "gzip"}, gzip.compress(SIGNED))],
    ids=["user name", "in the body", "in a packed body"],
)
def test_segments_calls_are_passed_on_wherever_they_have_their_key(
    server: Server, tmp_path: Path, headers: dict[str, str], body: bytes
) -> None:
    server.say(a_snapshot())
    server.answers["/v1/segment/v1/batch"] = (200, {}, b'{"success": true}')
    with relayed(server, tmp_path) as (relay, follower):
        follower.ask()
        answer = _sent(relay, "POST", "/v1/segment/v1/batch", headers, body)
        assert (answer.status, answer.json()) == (200, {"success": True})
        path, passed, taken = server.asked[-1]
        assert (path, taken) == ("/v1/segment/v1/batch", body)
        assert passed["authorization"] == f"Bearer {SERVER}"
        assert _sent(relay, "POST", "/v1/segment/v1/track", {}, b"{}").status == 401
        assert _sent(relay, "POST", "/v1/events", BASIC, b"{}").status == 401


def test_keys_of_the_wrong_kind_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EQUIPOISE_RELAY_KEYS", raising=False)
    run = CliRunner()
    without = run.invoke(command, ["--upstream", "http://127.0.0.1:9"])
    assert "at least one server key" in without.output
    wrong = run.invoke(command, ["--upstream", "http://127.0.0.1:9", "--key", "eq_client_bb_secretsecret"])
    assert "no server keys: eq_client_bb_sec…" in wrong.output
    assert "secretsecret" not in wrong.output
