"""Prints how soon open streams see a change: `python bench/streams.py --streams 2000 --changes 20`.

Starts a server of its own on a fresh directory, opens the streams over loopback, and kills and revives
one flag over the management API. With `--crash` it then kills the server and starts it again: the streams
come back as the SDK does. With `--flood` eight clients send batches of 500 events all the while, as fast as
they are answered; with `--churn 0.1` a tenth of the readers is replaced after each change. Times run from
before the API is asked, so they hold the commit as well.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from equipoise_sdk.listening import LONGEST_WAIT_SECONDS
from equipoise_sdk.retries import BackOff

PLACE = "/api/v1/projects/shop/flags/banner/environments/production/"
SEED = """
import json, os
from datetime import UTC, datetime, timedelta
os.environ["DJANGO_SETTINGS_MODULE"] = "equipoise_server.foundation.settings"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from equipoise_server.access import reads
from equipoise_server.access.actions import *
from equipoise_server.access.values import KeyKind
from equipoise_server.audit.values import Author
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.values import FlagType, FlagVariant
now = datetime.now(UTC)
operator = Author("machine", "operator", "operator")
user_id = create_user(operator, CreateUser("ada@example.com", "Ada", "long enough", True), now=now)
project = create_project(reads.actor_of_user(user_id), CreateProject("shop", "Shop"), now=now)
actor = reads.actor_of_user(user_id)
for key in ["banner", *(f"flag{n}" for n in range(FLAGS))]:
    variants = (FlagVariant("on", True), FlagVariant("off", False))
    create_flag(actor, CreateFlag(project.id, key, key, FlagType.BOOLEAN, variants, "off", "on"), now=now)
key = issue_sdk_key(actor, IssueSdkKey(project.environment("production").id, KeyKind.SERVER, "web"), now=now)
print(json.dumps([key.secret, issue_api_token(user_id, "bench", life=timedelta(hours=1), now=now)]))
"""
REVISION = re.compile(rb'event: revision\ndata: \{"epoch":\d+,"revision":(\d+)\}')


@dataclass(slots=True)
class Arrivals:
    """When each revision came in, over all streams."""

    at: dict[int, list[float]] = field(default_factory=dict)
    open: int = 0
    lost: int = 0
    returned: list[float] = field(default_factory=list)

    def note(self, revision: int) -> None:
        """One stream saw a revision."""
        self.at.setdefault(revision, []).append(time.perf_counter())


class Reader(asyncio.Protocol):
    """One stream, as cheap as can be: what is measured is the server."""

    def __init__(self, request: bytes, arrivals: Arrivals) -> None:
        self._request, self._arrivals = request, arrivals
        self._tail = b""
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self.patience = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note the revisions in what came."""
        self._tail += data
        if hint := re.search(rb"retry: (\d+)", data):
            self.patience = int(hint[1]) / 1000
        for found in REVISION.finditer(self._tail):
            self._arrivals.note(int(found[1]))
        self._tail = self._tail[self._tail.rfind(b"\n\n") + 2 :]
        if not self.answered.done():
            is_in = data.startswith(b"HTTP/1.1 200")
            asked = re.search(rb"retry-after: (\d+)", data)
            self.patience = float(asked[1]) if asked else 0.0
            self._arrivals.open += is_in
            self.answered.set_result(is_in)
            if not is_in:
                self._transport.close()

    def leave(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_lost(self, _cause: Exception | None) -> None:
        """Count it."""
        self.ended.set_result(None)
        if not self.answered.done():
            self.answered.set_result(False)
        elif self.answered.result():
            self._arrivals.lost += 1


@dataclass(slots=True)
class Server:
    """A running server: its process, how to start it, its port, an SDK key and an API token."""

    start: Callable[[], subprocess.Popen[bytes]]
    port: int
    key: str
    token: str
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.process = self.start()

    def crash(self) -> None:
        """Kill it and start it again."""
        self.process.kill()
        self.process.wait(timeout=10)
        self.process = self.start()

    def post(self, path: str) -> int:
        """One request to the API; its status."""
        return ask(self.port, "POST", path, self.token)

    def cpu_seconds(self) -> float:
        """The processor time it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def a_server(flags: int) -> Iterator[Server]:
    """A server on a fresh directory, until the measurement is over."""
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.create_server(("127.0.0.1", 0), backlog=2048) as door,
    ):
        world = {**os.environ, "EQUIPOISE_DATA": directory, "EQUIPOISE_SECRET_KEY": "bench alone"}
        seed = [sys.executable, "-c", SEED.replace("FLAGS", str(flags))]
        made = subprocess.run(seed, env=world, check=True, capture_output=True, text=True)
        key, token = json.loads(made.stdout)
        serve = ["equipoise_server.commands.main", "serve", "--fd", str(door.fileno())]
        command = [sys.executable, "-m", *serve]
        server = Server(
            lambda: subprocess.Popen(command, env=world, pass_fds=[door.fileno()]),
            door.getsockname()[1],
            key,
            token,
        )
        try:
            yield server
        finally:
            began = time.perf_counter()
            server.process.terminate()
            server.process.wait(timeout=60)
            print(f"SIGTERM with the streams open: ended after {time.perf_counter() - began:.1f} s")


FLOOD = """
import http.client, json, sys, threading, uuid
from datetime import UTC, datetime
port, key = int(sys.argv[1]), sys.argv[2]
sent = 0

def send():
    global sent
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    while True:
        now = datetime.now(UTC).isoformat()
        events = [
            {"kind": "track", "id": str(uuid.uuid4()), "at": now, "name": "page", "units": {"user": f"u{n}"}}
            for n in range(500)
        ]
        link.request("POST", "/v1/events", json.dumps({"sent_at": now, "events": events}), headers)
        answer = link.getresponse()
        answer.read()
        sent += 500 * (answer.status == 200)

for _ in range(8):
    threading.Thread(target=send, daemon=True).start()
sys.stdin.read()
print(sent)
"""


@contextmanager
def a_flood(server: Server) -> Iterator[None]:
    """Events without end, from a process of its own; prints how many were acknowledged."""
    began = time.perf_counter()
    command = [sys.executable, "-c", FLOOD, str(server.port), server.key]
    flood = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        sent, _ = flood.communicate(timeout=60)
        took = time.perf_counter() - began
        print(f"meanwhile {int(sent):,} events were acknowledged, {int(sent) / took:,.0f} a second")


def ask(port: int, method: str, path: str, token: str) -> int:
    """One request; its status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps({"reason": "bench"}), headers)
    status = connection.getresponse().status
    connection.close()
    return status


async def open_streams(count: int, server: Server, arrivals: Arrivals) -> list[Reader]:
    """Open them all, coming back while there is no room."""
    gate = asyncio.Semaphore(100)

    async def one() -> Reader:
        while True:
            async with gate:
                reader = await _asked(server, arrivals)
            if reader is not None and reader.answered.result():
                return reader
            await asyncio.sleep(0.5)

    return list(await asyncio.gather(*(one() for _ in range(count))))


async def churn(readers: list[Reader], share: float, server: Server, arrivals: Arrivals) -> None:
    """Let some readers leave, and as many others come."""
    leaving = random.sample(range(len(readers)), int(share * len(readers)))
    for place in leaving:
        readers[place].leave()
    await asyncio.gather(*(readers[place].ended for place in leaving))
    arrivals.lost -= len(leaving)
    for place, reader in zip(leaving, await open_streams(len(leaving), server, arrivals), strict=True):
        readers[place] = reader


async def come_back(lost: Reader, server: Server, arrivals: Arrivals) -> None:
    """Wait for the end of a stream, and open it again with the patience of the SDK."""
    await lost.ended
    back_off = BackOff(random.random, longest_seconds=LONGEST_WAIT_SECONDS)
    patience = lost.patience
    while True:
        await asyncio.sleep(back_off.failed(patience))
        reader = await _asked(server, arrivals)
        if reader is not None and reader.answered.result():
            arrivals.returned.append(time.perf_counter())
            return
        patience = 0.0 if reader is None else reader.patience


async def _asked(server: Server, arrivals: Arrivals) -> Reader | None:
    """Ask for one stream; None when nobody answers."""
    request = f"GET /v1/stream HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {server.key}\r\n\r\n"
    loop = asyncio.get_running_loop()
    try:
        _, reader = await loop.create_connection(
            lambda: Reader(request.encode(), arrivals), "127.0.0.1", server.port
        )
    except OSError:
        return None
    await reader.answered
    return reader


async def crash(readers: list[Reader], server: Server, arrivals: Arrivals) -> None:
    """Kill the server, start it again at once, and print how the streams come back."""
    returning = [asyncio.create_task(come_back(reader, server, arrivals)) for reader in readers]
    await asyncio.sleep(0)
    killed_at = time.perf_counter()
    server.crash()
    await asyncio.wait(returning, timeout=90)
    delays = sorted(at - killed_at for at in arrivals.returned)
    slots = Counter(int(4 * delay) for delay in delays)
    print(
        f"after SIGKILL {len(delays)} of {len(readers)} streams came back, "
        f"the last after {delays[-1]:.1f} s; "
        f"the busiest quarter of a second saw {max(slots.values()) / len(readers):.0%} of them"
    )


async def measure(chosen: argparse.Namespace, server: Server) -> None:
    """Open the streams, make the changes, print what was seen."""
    streams, changes = chosen.streams, chosen.changes
    arrivals = Arrivals()
    began = time.perf_counter()
    readers = await open_streams(streams, server, arrivals)
    print(f"{arrivals.open} streams open after {time.perf_counter() - began:.1f} s")
    await asyncio.sleep(1)
    last = max(arrivals.at)
    delays, answers, missed = [], [], 0
    used = server.cpu_seconds()
    for number in range(changes):
        began = time.perf_counter()
        path = PLACE + ("kill" if number % 2 == 0 else "unkill")
        assert await asyncio.to_thread(server.post, path) == 200
        answers.append(time.perf_counter() - began)
        await asyncio.sleep(1)
        last += 1
        seen = arrivals.at.get(last, [])
        delays += [at - began for at in seen]
        missed += streams - len(seen)
        if chosen.churn:
            await churn(readers, chosen.churn, server, arrivals)
    print(
        f"{changes} changes: p50 {_ms(delays, 0.5)}, p99 {_ms(delays, 0.99)}, max {_ms(delays, 1)}; "
        f"{missed} of {streams * changes} missed, {arrivals.lost} streams lost; "
        f"the API itself answered in {_ms(answers, 0.5)}; "
        f"{1000 * (server.cpu_seconds() - used) / changes:.0f} ms of processor a change"
    )
    if chosen.crash:
        await crash(readers, server, arrivals)


def _ms(seconds: list[float], share: float) -> str:
    ranked = sorted(seconds)
    return f"{1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]:.0f} ms"


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--changes", type=int, default=20)
    parser.add_argument("--flags", type=int, default=20, help="how many more flags the snapshot holds")
    parser.add_argument("--crash", action="store_true", help="kill the server afterwards and start it again")
    parser.add_argument("--flood", action="store_true", help="send events all the while, without end")
    parser.add_argument(
        "--churn", type=float, default=0.0, help="share of the readers replaced after a change"
    )
    chosen = parser.parse_args()
    with a_server(chosen.flags) as server:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError):
                if ask(server.port, "GET", "/v1/health", server.token) == 200:
                    break
            time.sleep(0.1)
        with a_flood(server) if chosen.flood else nullcontext():
            asyncio.run(measure(chosen, server))


if __name__ == "__main__":
    main()
