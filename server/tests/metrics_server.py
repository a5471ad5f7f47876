"""A Prometheus for tests: a real HTTP server on this machine that answers what a test put into it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from people import NOW
from scenes import Shop

from equipoise_server.sources.actions import CreateConnection, create_connection
from equipoise_server.sources.values import Connection, ConnectionKind

Answer = tuple[int, bytes, Mapping[str, str]]


@dataclass(slots=True)
class Metrics:
    """What the server answers to each query, and what it was asked."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    otherwise: Answer = (200, b"", {})
    asked: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def says(self, by_variant: Mapping[str, float | str], *, query: str = "", label: str = "variant") -> None:
        """One value per variant, as an instant vector; `query` "" is every query."""
        series = [
            {"metric": {label: variant} if label else {}, "value": [0, str(value)]}
            for variant, value in by_variant.items()
        ]
        self.tells({"resultType": "vector", "result": series}, query=query)

    def tells(self, data: object, *, query: str = "") -> None:
        """A successful answer with these data."""
        self.answer(200, json.dumps({"status": "success", "data": data}).encode(), query=query)

    def answer(self, status: int, body: bytes, *, query: str = "", **headers: str) -> None:
        """Any answer at all."""
        said = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        if query:
            self.answers[query] = said
        else:
            self.otherwise = said

    def for_query(self, query: str) -> Answer:
        """What it answers."""
        return self.answers.get(query, self.otherwise)


@contextmanager
def a_metrics_server() -> Iterator[Metrics]:
    """The server, listening; it says that there is no data until it is told otherwise."""
    metrics = Metrics()
    metrics.says({})

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            said = {name: values[0] for name, values in parse_qs(parts.query).items()}
            metrics.asked.append(
                {**said, "path": parts.path, **{f"@{k.lower()}": v for k, v in self.headers.items()}}
            )
            status, body, headers = metrics.for_query(said.get("query", ""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that it has there
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    metrics.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connected(shop: Shop, metrics: Metrics, key: str = "prometheus", password_from: str = "") -> Connection:
    """A connection of the shop to the server; the test's settings must allow 127.0.0.1."""
    command = CreateConnection(shop.project.id, key, ConnectionKind.PROMETHEUS, metrics.url, password_from)
    return create_connection(shop.owner, command, now=NOW)
