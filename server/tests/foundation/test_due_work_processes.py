"""Workers as processes: none runs a slot of another, and the work of a killed one is done again."""

from __future__ import annotations

import pytest
from installation import Installation, an_installation

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


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """One database for the processes of this module."""
    return an_installation(tmp_path_factory.mktemp("installation"))


def test_two_workers_never_run_one_slot_twice(installation: Installation) -> None:
    installation.run(OPEN, "shared", str(SLOTS))
    workers = [installation.start(DRAIN, "shared", name) for name in ("ada", "bea")]
    printed = [worker.communicate(timeout=60)[0].split() for worker in workers]
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
