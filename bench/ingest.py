"""Prints how many durable events a second one server process takes: `python bench/ingest.py --seconds 10`.

Starts a server of its own on a fresh directory. Clients in a process of their own send batches over loopback,
written before the clock starts, as fast as they are answered; a 200 says that the batch is on disk. The same
clients then send the same batches to a plain Starlette endpoint of one process that decodes the JSON and
keeps nothing: what HTTP and JSON cost without any promise. `--directory` says which disk is measured.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

GOAL = 200_000
SEED = """
import json, os
from datetime import UTC, datetime
os.environ["DJANGO_SETTINGS_MODULE"] = "equipoise_server.foundation.settings"
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from equipoise_server.access import reads
from equipoise_server.access.actions import *
from equipoise_server.access.values import KeyKind
from equipoise_server.audit.values import Author
now = datetime.now(UTC)
operator = Author("machine", "operator", "operator")
user_id = create_user(operator, CreateUser("ada@example.com", "Ada", "long enough", True), now=now)
project = create_project(reads.actor_of_user(user_id), CreateProject("shop", "Shop"), now=now)
actor = reads.actor_of_user(user_id)
key = issue_sdk_key(actor, IssueSdkKey(project.environment("production").id, KeyKind.SERVER, "web"), now=now)
print(key.secret)
"""
BASELINE = """
import sys
import msgspec, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def events(request):
    return JSONResponse({"accepted": len(msgspec.json.decode(await request.body())["events"])})

async def health(request):
    return JSONResponse({})

routes = [Route("/v1/events", events, methods=["POST"]), Route("/v1/health", health)]
uvicorn.run(Starlette(routes=routes), fd=int(sys.argv[1]), log_level="error")
"""
# Bytes and sockets alone: clients must not be what is measured.
SENDERS = """
import json, socket, sys, threading, time, uuid
from datetime import UTC, datetime
port, key, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[6])
clients, batch, kinds = map(int, sys.argv[3:6])

def event(number, now):
    user = f"user-{uuid.uuid4().hex[:12]}"
    if number % 4:
        return {"kind": "track", "id": str(uuid.uuid4()), "at": now, "name": "page", "units": {"user": user},
                "value": number * 0.25, "properties": {"path": "/shop", "device": "phone"}}
    return {"kind": "exposure", "id": str(uuid.uuid4()), "at": now, "experiment": "checkout", "iteration": 1,
            "flag": "checkout", "variant": "treatment", "unit_type": "user", "unit": user, "revision": 42}

def request():
    now = datetime.now(UTC).isoformat()
    body = json.dumps({"sent_at": now, "events": [event(n, now) for n in range(batch)]},
                      separators=(",", ":")).encode()
    head = (f"POST /v1/events HTTP/1.1\\r\\nHost: bench\\r\\nAuthorization: Bearer {key}\\r\\n"
            f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n")
    return head.encode() + body

def answer(link):
    received = b""
    while b"\\r\\n\\r\\n" not in received:
        received += link.recv(65536)
    head, _, body = received.partition(b"\\r\\n\\r\\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\\r\\n")[0])
    while len(body) < length:
        body += link.recv(65536)
    assert head.startswith(b"HTTP/1.1 200"), (head, body)
    assert json.loads(body)["accepted"] == batch, body

def send(own, taken):
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    turn = 0
    while time.perf_counter() < until:
        asked = time.perf_counter()
        link.sendall(own[turn % len(own)])
        answer(link)
        taken.append(time.perf_counter() - asked)
        turn += 1

requests = [[request() for _ in range(kinds)] for _ in range(clients)]
taken = [[] for _ in range(clients)]
began = time.perf_counter()
until = began + seconds
threads = [threading.Thread(target=send, args=pair) for pair in zip(requests, taken)]
for thread in threads: thread.start()
for thread in threads: thread.join()
waits = sorted(wait for one in taken for wait in one)
print(json.dumps({"events": batch * len(waits), "seconds": time.perf_counter() - began,
                  "p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100],
                  "bytes": len(requests[0][0]), "cpu": time.process_time()}))
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run saw. Seconds; `cpu` of the server, `sending_cpu` of the clients."""

    events: int
    seconds: float
    p50: float
    p99: float
    batch_bytes: int
    cpu: float
    sending_cpu: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    def __str__(self) -> str:
        """One line of the table."""
        return (
            f"{self.rate:>9,.0f} events/s   p50 {1000 * self.p50:5.1f} ms   p99 {1000 * self.p99:5.1f} ms   "
            f"{1e6 * self.cpu / self.events:5.2f} µs of processor an event, "
            f"{1e6 * self.sending_cpu / self.events:4.2f} µs for sending it"
        )


@dataclass(frozen=True, slots=True)
class Server:
    """A running process that takes events."""

    process: subprocess.Popen[bytes]
    port: int
    key: str

    def cpu_seconds(self) -> float:
        """The processor time that it and what it started have used so far."""
        ticks = 0
        for pid in family(self.process.pid):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def answers(self) -> bool:
        """Whether it is up."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with suppress(OSError):
            link.request("GET", "/v1/health")
            return link.getresponse().status == 200
        return False


def family(pid: int) -> list[int]:
    """A process and all that it has started, directly or not."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


@contextmanager
def a_process(command: list[str], world: dict[str, str], key: str) -> Iterator[Server]:
    """A process with an open door; the command is given the door's number as its last argument."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as door:
        # uvicorn takes a door that it is given for a local one, and would leave this to us.
        door.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = door.fileno()
        process = subprocess.Popen([*command, str(number)], env=world, pass_fds=[number])
        server = Server(process, door.getsockname()[1], key)
        try:
            deadline = time.monotonic() + 30
            while not server.answers() and time.monotonic() < deadline:
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextmanager
def equipoise(directory: str) -> Iterator[Server]:
    """The server on a fresh directory."""
    world = {**os.environ, "EQUIPOISE_DATA": directory, "EQUIPOISE_SECRET_KEY": "bench alone"}
    seed = [sys.executable, "-c", SEED]
    made = subprocess.run(seed, env=world, check=True, stdout=subprocess.PIPE, text=True)
    command = [sys.executable, "-m", "equipoise_server.commands.main", "serve", "--fd"]
    with a_process(command, world, made.stdout.strip()) as server:
        yield server


def measure(server: Server, chosen: argparse.Namespace) -> Taken:
    """Send for a while, after a moment for warming up."""
    warm = _sent(server, chosen, min(1.0, chosen.seconds))
    assert warm["events"] > 0
    used = server.cpu_seconds()
    told = _sent(server, chosen, chosen.seconds)
    used = server.cpu_seconds() - used
    return Taken(
        int(told["events"]), told["seconds"], told["p50"], told["p99"], int(told["bytes"]), used, told["cpu"]
    )


def _sent(server: Server, chosen: argparse.Namespace, seconds: float) -> dict[str, float]:
    numbers = (chosen.clients, chosen.batch, chosen.kinds, seconds)
    command = [sys.executable, "-c", SENDERS, str(server.port), server.key, *map(str, numbers)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=seconds + 60)
    told: dict[str, float] = json.loads(done.stdout)
    return told


def durable_in(directory: str) -> int:
    """How many events the inboxes hold on disk."""
    total = 0
    for path in Path(directory).rglob("inbox/*.sqlite3"):
        with sqlite3.connect(path) as database:
            total += database.execute("SELECT coalesce(sum(good), 0) FROM batches").fetchone()[0]
    return total


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each of the two is measured")
    parser.add_argument("--clients", type=int, default=8, help="connections that send at once")
    parser.add_argument("--batch", type=int, default=500, help="events a batch")
    parser.add_argument("--kinds", type=int, default=4, help="different batches a connection sends in turn")
    parser.add_argument("--directory", help="where the server keeps its data; a fresh one inside it is used")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        with equipoise(directory) as server:
            ours = measure(server, chosen)
        held = durable_in(directory)
    with a_process([sys.executable, "-c", BASELINE], dict(os.environ), "eq_server_none") as server:
        plain = measure(server, chosen)
    size = ours.batch_bytes / 1000
    print(
        f"{chosen.clients} clients, batches of {chosen.batch} events ({size:.0f} kB), {os.cpu_count()} cores"
    )
    print(f"Equipoise, durable   {ours}")
    print(f"plain, not kept      {plain}")
    print(
        f"durable / plain {ours.rate / plain.rate:.2f}; durable / goal of {GOAL:,} {ours.rate / GOAL:.2f}; "
        f"{held:,} events on disk, of which {ours.events:,} were acknowledged while measured"
    )
    assert held >= ours.events, "something acknowledged is not on disk"


if __name__ == "__main__":
    main()
