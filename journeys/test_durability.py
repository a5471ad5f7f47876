"""Whatever is killed when: what was acknowledged is stored once, and nothing is stored twice.

A real server and worker, eight writers that never stop, and kill -9 at moments drawn from a seed.
`EQUIPOISE_FULL=1` kills fifty times instead of six.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from event_writers import writing
from server_process import Scene, ServerProcess, eventually
from store_audit import held_against_the_store

KILLS = 50 if os.environ.get("EQUIPOISE_FULL") == "1" else 6
SEED = 20261122
# The taker is the process that `serve` forked for events; `storing` compacts all the time, beside the worker.
TARGETS = ("taker", "storing", "serve", "taker", "both", "storing", "taker", "worker")
STORING = Path(__file__).with_name("storing_all_the_time.py")
LONGEST_WAIT_FOR_STORING = 10.0


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry.parent.name))
    return found


def takers(server: ServerProcess) -> list[int]:
    """The process that takes events in: its keeper is the child of `serve`."""
    return [taker for keeper in children(server.pid("serve")) for taker in children(keeper)]


def wait_until_storing(data: Path) -> bool:
    """Wait for a file that the worker has not finished; whether there was one."""
    deadline = time.monotonic() + LONGEST_WAIT_FOR_STORING
    store, scratch = data / "events", data / "scratch"
    while time.monotonic() < deadline:
        if any(scratch.glob("*.ndjson")) or any(store.rglob("*.unfinished")):
            return True
        threading.Event().wait(0.001)
    return False


def kill(server: ServerProcess, target: str) -> bool:
    """Kill -9, and start again what does not come back by itself; whether files were being written."""
    was_storing = target == "storing" and wait_until_storing(server.data)
    if target == "taker":
        for taker in takers(server):
            os.kill(taker, signal.SIGKILL)
    if target == "storing":
        server.kill("storing")
        server.work_on("storing", STORING)
    if target in {"worker", "both"}:
        server.kill("worker")
    if target in {"serve", "both"}:
        server.kill("serve")
        server.serve()
    if target in {"worker", "both"}:
        server.work()
    return was_storing


def test_no_kill_loses_or_doubles_an_event(set_scene: Callable[[str], Scene]) -> None:
    scene, dice = set_scene("shop"), random.Random(SEED)
    scene.server.work()
    scene.server.work_on("storing", STORING)
    amid_storing = 0
    with writing([scene.server.port], scene.sdk_key) as ledger:
        for number in range(KILLS):
            ledger.wait_for("200", more=dice.randint(10, 80))
            amid_storing += kill(scene.server, TARGETS[number % len(TARGETS)])
        ledger.wait_for("200", more=20)
    assert ledger.answers["none"] + ledger.answers["503"] > 0, "no kill was noticed"
    assert amid_storing > 0, "no kill hit a compaction"
    scene.server.kill("storing")
    told = held_against_the_store(ledger, scene.server)
    print(f"{KILLS} kills, {amid_storing} of them amid compaction: {told}")


def test_the_taker_of_events_comes_back_by_itself_and_goes_with_its_server(
    set_scene: Callable[[str], Scene],
) -> None:
    server = set_scene("shop").server
    (first,) = takers(server)
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: takers(server) not in ([], [first]))
    (second,) = takers(server)
    server.kill("serve")
    assert eventually(lambda: not Path(f"/proc/{second}").exists())
