"""An HTTP server that gives snapshots and takes events, with faults to choose from."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from equipoise_engine import content_hash

Json = dict[str, Any]


def document(*, revision: int = 1, epoch: int = 1, value: str = "grey", **members: object) -> Json:
    """One string flag, "colour", in no experiment, and "button", in an experiment on everybody."""
    content: Json = {
        "format": 1,
        "project": "shop",
        "environment": "test",
        "epoch": epoch,
        "revision": revision,
        "default_unit_type": "user",
        "unit_types": ["user"],
        "layers": {"own": {"salt": "layersalt", "unit_type": "user"}},
        "experiments": {
            "trial": {
                "iteration": 1,
                "layer": "own",
                "unit_type": "user",
                "state": "running",
                "slots": [[0, 10000]],
                "salt": "splitsalt",
                "control": "control",
                "variants": [
                    {"key": "control", "weight": 1, "values": {"button": "off"}},
                    {"key": "treatment", "weight": 1, "values": {"button": "on"}},
                ],
            }
        },
        "flags": {
            "colour": {"type": "string", "variants": {"a": value}, "off": "a", "default": "a"},
            "number": {"type": "number", "variants": {"a": 2.5}, "off": "a", "default": "a"},
            "theme": {"type": "object", "variants": {"a": {"x": [1]}}, "off": "a", "default": "a"},
            "button": {
                "type": "boolean",
                "variants": {"on": True, "off": False},
                "off": "off",
                "default": "off",
                "experiments": ["trial"],
            },
        },
        **members,
    }
    return {**content, "hash": content_hash(content)}


def revision_event(revision: int, epoch: int = 1) -> str:
    """Write what a stream says of a revision."""
    return f'id: {epoch}.{revision}\nevent: revision\ndata: {{"epoch":{epoch},"revision":{revision}}}\n\n'


def kill_event(level: str, key: str, revision: int) -> str:
    """Write what a stream says of a kill."""
    data = {"level": level, "epoch": 1, "revision": revision} | ({level: key} if key else {})
    return f"id: 1.{revision}\nevent: kill\ndata: {json.dumps(data)}\n\n"


class FlagServer:
    """Serves `content`; `fault` is called instead of answering when it is set."""

    def __init__(self) -> None:
        self.content: Json = document()
        self.fault: Callable[[Handler], None] | None = None
        self.members: dict[str, bytes] = {}
        self.sign: Callable[[Json], str] | None = None
        self.stream: Callable[[Handler], None] = lambda handler: handler.answer(404)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.release = threading.Event()
        self.streams_opened = 0
        self._told: list[str] = []
        self._changed = threading.Condition()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._http.owner = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def tell(self, *events: str) -> None:
        """Say something on every open stream; it must be whole events."""
        with self._changed:
            self._told.extend(events)
            self._changed.notify_all()

    def follow(self, handler: Handler) -> None:
        """Answer a request for the stream: the current revision, then what is told, with quick heartbeats."""
        with self._changed:
            self.streams_opened += 1
            heard = len(self._told)
            self._changed.notify_all()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.close_connection = True
        first = f"retry: 10\n\n{revision_event(self.content['revision'], self.content['epoch'])}"
        with suppress(OSError):
            handler.wfile.write(first.encode())
            while not self.release.is_set():
                with self._changed:
                    if len(self._told) == heard:
                        self._changed.wait(0.02)
                    news, heard = self._told[heard:], len(self._told)
                handler.wfile.write("".join(news or [": beat\n\n"]).encode())

    def note(self, request: tuple[str, str, dict[str, str], bytes]) -> None:
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()

    def wait_for(self, count: int, method: str = "GET") -> None:
        """Wait until so many more requests have come in; all but the last have been dealt with."""
        with self._changed:
            wanted = self._count(method) + count
            assert self._changed.wait_for(lambda: self._count(method) >= wanted, 10), "no request came"

    def _count(self, method: str) -> int:
        return sum(request[0] == method for request in self.requests)

    @property
    def batches(self) -> list[Json]:
        """Return the bodies of all event requests."""
        return [json.loads(body) for method, _, _, body in self.requests if method == "POST"]

    @property
    def events(self) -> list[Json]:
        """Return all events, those sent twice included."""
        return [event for batch in self.batches for event in batch["events"]]


class Handler(BaseHTTPRequestHandler):
    """Answers as the server's `fault` says, or well."""

    protocol_version = "HTTP/1.1"
    owner: FlagServer

    def setup(self) -> None:
        self.owner = self.server.owner  # type: ignore[attr-defined]
        super().setup()

    def do_GET(self) -> None:
        if self.path == "/v1/stream":
            self.owner.stream(self)
        else:
            self._take(b"")

    def do_POST(self) -> None:
        self._take(self.rfile.read(int(self.headers["Content-Length"])))

    def _take(self, body: bytes) -> None:
        fault = self.owner.fault
        self.owner.note((self.command, self.path, dict(self.headers), body))
        if fault is not None:
            fault(self)
        elif self.path.startswith("/v1/members/"):
            found = self.owner.members.get(self.path.rpartition("/")[2])
            self.answer(404 if found is None else 200, found or b"")
        elif self.command == "POST":
            count = len(json.loads(body)["events"])
            self.answer(200, json.dumps({"accepted": count, "quarantined": []}).encode())
        else:
            self._give()

    def _give(self) -> None:
        etag = f'"{self.owner.content["hash"]}"'
        if self.headers["If-None-Match"] == etag:
            self.answer(304, b"", ETag=etag)
        else:
            sign = self.owner.sign
            signed = {} if sign is None else {"Equipoise_Signature": sign(self.owner.content)}
            self.answer(200, json.dumps(self.owner.content).encode(), ETag=etag, **signed)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def cut(self) -> None:
        """Promise more than is sent."""
        self.send_response(200)
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(b'{"format":1')
        self.close_connection = True

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.owner.release.wait(30)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep quiet."""
