"""Workers as processes: none runs a slot of another, and the work of a killed one is done again."""

from __future__ import annotations

import subprocess

import pytest
from installation import LONGEST_SECONDS, Installation, an_installation

SLOTS = 60

OPEN = """
from equipoise_server.foundation import due_work
for number in range(int(sys.argv[2])):
    due_work.schedule(sys.argv[1], str(number), due_at=datetime.now(UTC))
"""
DRAIN = """
from equipoise_server.foundation import due_work
KINDS = frozenset([sys.argv[1]])
while (work := due_work.claim(sys.argv[2], now=datetime.now(UTC), kinds=KINDS)) is not None:
    print(work.key, flush=True)
    due_work.finish(work, now=datetime.now(UTC))
"""
HOLD = """
from equipoise_server.foundation import due_work
KINDS = frozenset([sys.argv[1]])
work = due_work.claim("holder", now=datetime.now(UTC), kinds=KINDS)
print(work.key, flush=True)
import signal; signal.pause()
"""
AFTER_THE_LEASE = """
from equipoise_server.foundation import due_work
KINDS = frozenset([sys.argv[1]])
now = datetime.now(UTC)
early = due_work.claim("heir", now=now, kinds=KINDS)
late = due_work.claim("heir", now=now + due_work.LEASE + timedelta(seconds=1), kinds=KINDS)
print(early, late.key, late.attempts)
"""

# A worker that does real work on one kind: each effect is a row, written under the fence of its lease.
WORKER = """
from django.db import transaction
from equipoise_server.commands.worker import Worker
from equipoise_server.foundation import due_work, running
from equipoise_server.foundation.due_kinds import handles
from equipoise_server.foundation.models import RememberedAnswer

@handles(sys.argv[1])
def work(payload, now):
    key = payload["key"]
    if key == "0" and sys.argv[2] == "stalled":
        print("held", flush=True)
        sys.stdin.readline()  # stands still until the test lets it go on: no heart beat, then a commit
    with transaction.atomic():
        running.fence()
        RememberedAnswer.objects.create(owner=sys.argv[2], key=f"{sys.argv[1]}:{key}", created_at=now)

worker = Worker(sys.argv[2], periods={}, listen_seconds=3600.0)
worker.clock = lambda: datetime.now(UTC) + timedelta(seconds=float(sys.argv[3]))
while worker.step(frozenset([sys.argv[1]])):
    pass
print("done", flush=True)
"""
OPEN_WITH_PAYLOAD = """
from equipoise_server.foundation import due_work
for number in range(int(sys.argv[2])):
    key = str(number)
    due_work.schedule(sys.argv[1], key, due_at=datetime.now(UTC), payload={"key": key})
"""
EFFECTS = """
from equipoise_server.foundation.models import DueWork, RememberedAnswer
made = RememberedAnswer.objects.filter(key__startswith=sys.argv[1] + ":")
print(*sorted(made.values_list("key", flat=True)))
print(*sorted(set(made.values_list("owner", flat=True))))
print(DueWork.objects.filter(kind=sys.argv[1], finished_at=None).count())
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One database for the processes of this module."""
    return an_installation(tmp_path_factory.mktemp("installation"))


def test_two_workers_never_run_one_slot_twice(installation: Installation) -> None:
    installation.run(OPEN, "shared", str(SLOTS))
    workers = [installation.start(DRAIN, "shared", name) for name in ("ada", "bea")]
    printed = [worker.communicate(timeout=LONGEST_SECONDS)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    done = [key for lines in printed for key in lines]
    assert sorted(done, key=int) == [str(number) for number in range(SLOTS)]


def test_the_work_of_a_killed_worker_is_done_again_after_its_lease(installation: Installation) -> None:
    installation.run(OPEN, "killed", "1")
    holder = installation.start(HOLD, "killed")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "0\n"
    holder.kill()
    holder.communicate()
    assert installation.run(AFTER_THE_LEASE, "killed").split() == ["None", "0", "2"]


def effects(installation: Installation, kind: str) -> tuple[list[str], list[str], int]:
    """What was done, by whom, and how much is still open."""
    keys, owners, still_open = installation.run(EFFECTS, kind).split("\n")[:3]
    return keys.split(), owners.split(), int(still_open)


def test_what_a_worker_that_was_killed_had_in_hand_is_done_once_by_another(
    installation: Installation,
) -> None:
    installation.run(OPEN_WITH_PAYLOAD, "crash", "5")
    victim = installation.start(WORKER, "crash", "stalled", "0", stdin=subprocess.PIPE)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "held\n"
    victim.kill()
    victim.communicate()
    installation.run(WORKER, "crash", "heir", "31")
    keys, owners, still_open = effects(installation, "crash")
    assert keys == [f"crash:{number}" for number in range(5)]
    assert (owners, still_open) == (["heir"], 0)


def test_a_worker_that_stood_still_commits_nothing_of_what_another_has_done(
    installation: Installation,
) -> None:
    installation.run(OPEN_WITH_PAYLOAD, "stall", "1")
    stalled = installation.start(WORKER, "stall", "stalled", "0", stdin=subprocess.PIPE)
    assert stalled.stdout is not None
    assert stalled.stdout.readline() == "held\n"
    installation.run(WORKER, "stall", "heir", "31")
    printed, _ = stalled.communicate("go on\n", timeout=LONGEST_SECONDS)
    assert (printed, stalled.returncode) == ("done\n", 0)
    assert effects(installation, "stall") == (["stall:0"], ["heir"], 0)
