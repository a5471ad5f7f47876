"""Prints what a flood of events does to memory and to flags: `python bench/overload.py --clients 80`.

Starts a server and a worker of its own on a fresh directory. A process of its own asks for a snapshot and for
evaluations at a steady pace, first while nothing else happens, then while the clients of `ingest.py` send
batches over as many connections as told, each as fast as it is answered and deaf to Retry-After: eight are as
many as the server can take in, so eighty are ten times that. A 200 says that the batch is on disk, a 503
that nothing of it was read. In truth the clients are other machines: so those that send are polite to the
scheduler, and who asks for flags goes before all else, idle or not, where the system allows it.
On Linux niceness counts within a session alone: start this in one of its own, on a machine that does nothing
else, or what is measured is the neighbours (`setsid -w python bench/overload.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest import Server, a_process, family

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
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.values import FlagType, FlagVariant
now = datetime.now(UTC)
operator = Author("machine", "operator", "operator")
user_id = create_user(operator, CreateUser("ada@example.com", "Ada", "long enough", True), now=now)
project = create_project(reads.actor_of_user(user_id), CreateProject("shop", "Shop"), now=now)
actor = reads.actor_of_user(user_id)
variants = (FlagVariant("on", True), FlagVariant("off", False))
for number in range(50):
    key = f"flag{number}"
    create_flag(actor, CreateFlag(project.id, key, key, FlagType.BOOLEAN, variants, "off", "on"), now=now)
key = issue_sdk_key(actor, IssueSdkKey(project.environment("production").id, KeyKind.SERVER, "web"), now=now)
print(key.secret)
"""
# Asks at a fixed pace whatever the answers do: a wait is counted from when the question was due. The kinds
# take turns within the pace: asked at once, the first would be compared with the last, as chance has it.
PROBE = """
import contextlib, json, os, socket, sys, threading, time
with contextlib.suppress(OSError, AttributeError):
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
port, key, seconds, pace = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
context = json.dumps({"context": {"targetingKey": "user-1"}}).encode()

def request(method, path, body=b""):
    head = f"{method} {path} HTTP/1.1\\r\\nHost: bench\\r\\nAuthorization: Bearer {key}\\r\\n"
    head += f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
    return head.encode() + body

def answered(link):
    received = b""
    while b"\\r\\n\\r\\n" not in received:
        received += link.recv(65536)
    head, _, body = received.partition(b"\\r\\n\\r\\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\\r\\n")[0])
    while len(body) < length:
        body += link.recv(65536)
    assert head.startswith(b"HTTP/1.1 200"), head

def ask(question, waits, place):
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ended = began = time.perf_counter()
    due = began + place * pace / len(questions)
    while due < began + seconds:
        time.sleep(max(0.0, due - ended))
        asked = due if ended > due else time.perf_counter()
        link.sendall(question)
        answered(link)
        ended = time.perf_counter()
        waits.append(ended - asked)
        due += pace

questions = {
    "snapshot": request("GET", "/v1/snapshot"),
    "one flag": request("POST", "/ofrep/v1/evaluate/flags/flag7", context),
    "all flags": request("POST", "/ofrep/v1/evaluate/flags", context),
}
waits = {name: [] for name in questions}
threads = [threading.Thread(target=ask, args=(questions[name], waits[name], place))
           for place, name in enumerate(questions)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(waits))
"""
# As many connections as told, each as fast as it is answered; batches are written before the clock starts.
FLOOD = """
import json, selectors, socket, sys, threading, time, uuid
from datetime import UTC, datetime
port, key, seconds = int(sys.argv[1]), sys.argv[2], float(sys.argv[5])
clients, size = int(sys.argv[3]), int(sys.argv[4])
now = datetime.now(UTC).isoformat()

def request():
    events = [{"kind": "track", "id": str(uuid.uuid4()), "at": now, "name": "page", "units": {"user": "u"},
               "value": n * 0.25, "properties": {"path": "/shop", "device": "phone"}} for n in range(size)]
    body = json.dumps({"sent_at": now, "events": events}, separators=(",", ":")).encode()
    head = (f"POST /v1/events HTTP/1.1\\r\\nHost: bench\\r\\nAuthorization: Bearer {key}\\r\\n"
            f"Content-Type: application/json\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n")
    return head.encode() + body

requests = [request() for _ in range(16)]
counts = {}
waits = []
held = threading.Barrier(clients + 1)

def send(number):
    link = socket.create_connection(("127.0.0.1", port), timeout=120)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held.wait()
    turn = number
    while time.perf_counter() < until:
        asked = time.perf_counter()
        link.sendall(requests[turn % 16])
        received = b""
        while b"\\r\\n\\r\\n" not in received:
            received += link.recv(65536)
        head, _, body = received.partition(b"\\r\\n\\r\\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\\r\\n")[0])
        while len(body) < length:
            body += link.recv(65536)
        status = head[9:12].decode()
        counts[status] = counts.get(status, 0) + 1
        waits.append(time.perf_counter() - asked)
        turn += 1

threads = [threading.Thread(target=send, args=(number,)) for number in range(clients)]
until = time.perf_counter() + seconds + 1
for thread in threads: thread.start()
held.wait()
for thread in threads: thread.join()
waits.sort()
print(json.dumps({"counts": counts, "p50": waits[len(waits) // 2], "p99": waits[len(waits) * 99 // 100],
                  "seconds": seconds + 1}))
"""


POLITENESS = 10
"""The senders stand for other machines with processors of their own: here they step back for the server."""


@dataclass(slots=True)
class Memory:
    """Resident megabytes of a process and what it started, once a second."""

    pid: int
    seen: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watched(self) -> Iterator[Memory]:
        """Look until the end of the block."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self.seen.append(resident(self.pid))


def resident(pid: int) -> float:
    """Megabytes in memory of a process and what it started; what they share counts once."""
    total = 0
    for member in family(pid):
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{member}/smaps_rollup").read_text(), re.MULTILINE)
        total += int(found[1]) if found else 0
    return total / 1000


def asked(server: Server, seconds: float, chosen: argparse.Namespace) -> subprocess.Popen[str]:
    """Begin to ask for flags."""
    command = [sys.executable, "-c", PROBE, str(server.port), server.key, str(seconds), str(chosen.pace)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, list[float]]:
    """The waits by question, sorted."""
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, "flags were not answered"
    return {name: sorted(waits) for name, waits in json.loads(printed).items()}


def flooded(server: Server, chosen: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, object]]:
    """Ask for flags while events come in, after a moment in which the flood begins."""
    numbers = (chosen.clients, chosen.batch, chosen.seconds + 3)
    command = [sys.executable, "-c", FLOOD, str(server.port), server.key, *map(str, numbers)]
    politely = ["nice", "-n", str(POLITENESS)]
    flood = subprocess.Popen([*politely, *command], stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    waits = told(asked(server, chosen.seconds, chosen))
    printed, _ = flood.communicate(timeout=300)
    assert flood.returncode == 0, "the flood broke off"
    return waits, json.loads(printed)


def at(waits: list[float], share: float) -> float:
    """A quantile of sorted waits, in milliseconds."""
    return 1000 * waits[min(len(waits) - 1, int(len(waits) * share))]


@contextmanager
def an_installation(directory: str, chosen: argparse.Namespace) -> Iterator[Server]:
    """A server with fifty flags, and a worker that stores what it takes."""
    world = {**os.environ, "EQUIPOISE_DATA": directory, "EQUIPOISE_SECRET_KEY": "bench alone"}
    world["EQUIPOISE_FLAGS_FIRST"] = "0" if chosen.ordinary else ""
    made = subprocess.run(
        [sys.executable, "-c", SEED], env=world, check=True, stdout=subprocess.PIPE, text=True
    )
    program = [sys.executable, "-m", "equipoise_server.commands.main"]
    with a_process([*program, "serve", "--fd"], world, made.stdout.strip()) as server:
        working = subprocess.Popen([*program, "worker"], env=world) if not chosen.no_worker else None
        try:
            yield server
        finally:
            if working is not None:
                working.terminate()
                working.wait(60)


def report(idle: Mapping[str, list[float]], busy: Mapping[str, list[float]]) -> None:
    """What flags took, before and meanwhile."""
    for name, waits in idle.items():
        before, during = at(waits, 0.99), at(busy[name], 0.99)
        print(
            f"{name:>9}: p50 {at(waits, 0.5):6.2f} -> {at(busy[name], 0.5):6.2f} ms   "
            f"p99 {before:6.2f} -> {during:6.2f} ms   {during / before:5.2f} times   "
            f"p99.9 {at(waits, 0.999):6.2f} -> {at(busy[name], 0.999):6.2f} ms   ({len(busy[name])} asked)"
        )


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long flags are asked for, each time")
    parser.add_argument("--pace", type=float, default=0.01, help="seconds between two questions of a kind")
    parser.add_argument("--clients", type=int, default=80, help="connections that send at once")
    parser.add_argument("--batch", type=int, default=500, help="events a batch")
    parser.add_argument("--directory", help="where the server keeps its data; a fresh one inside it is used")
    parser.add_argument("--no-worker", action="store_true", help="leave what is taken in in the inbox")
    parser.add_argument("--ordinary", action="store_true", help="with EQUIPOISE_FLAGS_FIRST=0")
    chosen = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=chosen.directory) as directory,
        an_installation(directory, chosen) as server,
    ):
        told(asked(server, 2.0, chosen))  # warms up
        idle = told(asked(server, chosen.seconds, chosen))
        before = resident(server.process.pid)
        with Memory(server.process.pid).watched() as memory:
            busy, flood = flooded(server, chosen)
        after = told(asked(server, chosen.seconds / 2, chosen))
    counts = flood["counts"]
    assert isinstance(counts, dict)
    total = sum(counts.values())
    goes = "an ordinary thread" if chosen.ordinary else "first where it may"
    print(f"{chosen.clients} clients, batches of {chosen.batch} events, {os.cpu_count()} cores")
    print(f"the loop of flags is {goes}")
    print(
        f"batches answered: {total}, of them {', '.join(f'{n / total:.1%} {s}' for s, n in counts.items())}; "
        f"{counts.get('200', 0) * chosen.batch / float(str(flood['seconds'])):,.0f} events/s kept; "
        f"p50 {1000 * float(str(flood['p50'])):.0f} ms, p99 {1000 * float(str(flood['p99'])):.0f} ms"
    )
    halves = memory.seen[len(memory.seen) // 2 :]
    print(
        f"memory of serve, its taker included: {before:.0f} MB before, {max(memory.seen):.0f} MB at most, "
        f"median of the second half {statistics.median(halves):.0f} MB"
    )
    report(idle, busy)
    print("and afterwards, idle again:")
    report(idle, after)


if __name__ == "__main__":
    main()
