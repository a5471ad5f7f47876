"""Stands between an application and its server, and does to snapshots what the world does."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

MEBIBYTE = 2**20
LARGE_MEBIBYTES, BLANK = 60, b" " * MEBIBYTE
OK, NOT_MODIFIED = 200, 304
PASSED = ("content-type", "etag", "equipoise-signature", "equipoise-age", "retry-after")

Mutate = Callable[[dict[str, Any]], bytes]


class OutageProxy:
    """Passes everything on until a `fault` is chosen: the name of one, or what to do to snapshots.

    refuse: nobody listens · hang: no answer · 503 · freeze: half an answer, then silence ·
    cut: half an answer · corrupt: one bit of it is another · oversize: more than anybody should read.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.fault: str | Mutate | None = None
        self.released = threading.Event()
        self._changed = threading.Condition()
        self._faulty = 0
        self._open_streams: list[http.client.HTTPConnection] = []
        self._http: _Listening | None = None
        self._listen(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._close()

    def break_by(self, fault: str | Mutate) -> None:
        """Let every answer suffer from now on, and end the streams."""
        self.released.clear()
        self._faulty = 0
        self.fault = fault
        self.end_streams()
        if fault == "refuse":
            self._close()

    def heal(self) -> None:
        """Pass everything on again."""
        self.fault = None
        self.released.set()
        if self._http is None:
            self._listen(self._port)

    def end_streams(self) -> None:
        while self._open_streams:
            socket = self._open_streams.pop().sock
            if socket is not None:
                with suppress(OSError):
                    socket.shutdown(2)

    def note_stream(self, connection: http.client.HTTPConnection) -> None:
        self._open_streams.append(connection)

    def note_fault(self) -> None:
        with self._changed:
            self._faulty += 1
            self._changed.notify_all()

    def wait_for_faults(self, count: int, within_seconds: float = 20.0) -> bool:
        """Wait until so many requests met the fault; of one client all but the last were dealt with."""
        with self._changed:
            return self._changed.wait_for(lambda: self._faulty >= count, within_seconds)

    def _listen(self, port: int) -> None:
        self._http = _Listening(("127.0.0.1", port), _Passing)
        self._http.owner = self
        self._port = self._http.server_port
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def _close(self) -> None:
        self.end_streams()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    owner: OutageProxy

    def handle_error(self, *_: object) -> None:
        """A client that leaves is none of our troubles."""


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listening

    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        self._pass(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _pass(self, body: bytes) -> None:
        proxy, fault = self.server.owner, self.server.owner.fault
        is_stream = self.path == "/v1/stream"
        if fault is not None and is_stream and not callable(fault):
            fault = "hang" if fault in {"hang", "freeze"} else "503"
        if fault in {"hang", "503"}:
            proxy.note_fault()
            self._say_nothing() if fault == "hang" else self._answer(503, b"", {})
            return
        upstream = http.client.HTTPConnection("127.0.0.1", proxy.upstream, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        if fault is not None:
            headers.pop("If-None-Match", None)
        upstream.request(self.command, self.path, body or None, headers)
        found = upstream.getresponse()
        if is_stream and found.status == OK:
            self._stream(upstream, found)
            return
        content, told = found.read(), {name: found.headers[name] for name in PASSED if name in found.headers}
        upstream.close()
        if self.path == "/v1/snapshot" and fault is not None:
            self._spoil(fault, content, told)
        else:
            self._answer(found.status, content, told)

    def _spoil(self, fault: str | Mutate, content: bytes, told: dict[str, str]) -> None:
        self.server.owner.note_fault()
        if callable(fault):
            self._answer(200, fault(json.loads(content)), told)
        elif fault in {"freeze", "cut"}:
            self._begin(200, len(content), told)
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.close_connection = True
            if fault == "freeze":
                self._say_nothing()
        elif fault == "corrupt":
            middle = len(content) // 2
            self._answer(200, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], told)
        else:
            self._begin(200, len(content) + LARGE_MEBIBYTES * MEBIBYTE, told)
            with suppress(OSError):
                self.wfile.write(content)
                for _ in range(LARGE_MEBIBYTES):
                    self.wfile.write(BLANK)
            self.close_connection = True

    def _stream(self, upstream: http.client.HTTPConnection, found: http.client.HTTPResponse) -> None:
        self.server.owner.note_stream(upstream)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.close_connection = True
        with suppress(OSError, http.client.HTTPException, ValueError):
            while passed := found.read1(65536):
                self.wfile.write(passed)
                self.wfile.flush()
        upstream.close()

    def _say_nothing(self) -> None:
        self.close_connection = True
        self.server.owner.released.wait(60)

    def _begin(self, status: int, length: int, told: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name, value)
        if status != NOT_MODIFIED:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, status: int, content: bytes, told: dict[str, str]) -> None:
        self._begin(status, len(content), told)
        with suppress(OSError):
            self.wfile.write(content)
