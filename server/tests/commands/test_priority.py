"""Who goes first on a busy machine: the loop of flags, where the system allows it, but nothing it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import ServerProcess

from equipoise_server.commands import priority

FIRST = os.SCHED_RR | os.SCHED_RESET_ON_FORK
TOLD = """
import os, subprocess, sys, threading
from equipoise_server.commands import priority
went = priority.go_first()
policies = [os.sched_getscheduler(0)]
beside = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
beside.start()
beside.join()
print(went, *policies, flush=True)
subprocess.run([sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"])
"""


def is_allowed() -> bool:
    """Whether this system lets a process of ours go first."""
    asked = "import os; os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))"
    tried = subprocess.run([sys.executable, "-c", asked], check=False, stderr=subprocess.DEVNULL)
    return tried.returncode == 0 and len(os.sched_getaffinity(0)) > 1


def policies_of(server: ServerProcess) -> list[int]:
    """Of the process that answers for flags, of the keeper, and of who takes events in."""
    found = [server.pid("serve")]
    while True:
        children = Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split()
        if not children:
            return [os.sched_getscheduler(process) for process in found]
        found.append(int(children[0]))


def test_one_thread_goes_first_and_what_it_starts_is_ordinary() -> None:
    printed = subprocess.run([sys.executable, "-c", TOLD], check=True, stdout=subprocess.PIPE, text=True)
    policy = FIRST if is_allowed() else os.SCHED_OTHER
    assert printed.stdout.split() == [str(is_allowed()), *map(str, (policy, os.SCHED_OTHER, os.SCHED_OTHER))]


def test_without_leave_it_stays_ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert not priority.go_first()


def test_one_processor_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(os, "sched_setscheduler", lambda *given: asked.append(given))
    assert not priority.go_first()
    assert asked == []


@pytest.mark.parametrize("wanted", ["", "0"])
def test_the_server_lets_flags_go_first_unless_told_not_to(tmp_path: Path, wanted: str) -> None:
    server = ServerProcess(tmp_path / "data", settings={"EQUIPOISE_FLAGS_FIRST": wanted})
    server.migrate()
    server.serve()
    try:
        first = FIRST if is_allowed() and wanted != "0" else os.SCHED_OTHER
        assert policies_of(server) == [first, os.SCHED_OTHER, os.SCHED_OTHER]
    finally:
        server.stop()
