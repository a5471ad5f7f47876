"""Launches as processes: two people who launch at the same moment never share a flag or a slot."""

from __future__ import annotations

import fcntl
from itertools import pairwise
from pathlib import Path

import pytest
from installation import LONGEST_SECONDS, Installation, an_installation

TESTS = Path(__file__).parents[1]
PATH = f"sys.path.insert(0, {str(TESTS)!r})\n"
DRAFTS = """
from scenes import a_design, a_draft_experiment, a_shop
shop = a_shop()
for number in range(6):
    a_draft_experiment(shop, f"rival-{number}", flag="button")
    plan = a_design(f"flag-{number}", layer="shared", slot_share=0.3)
    a_draft_experiment(shop, f"neighbour-{number}", plan, flag=f"flag-{number}")
"""
LAUNCH_ALL = """
import fcntl
from equipoise_server.access.reads import operator_actor
from equipoise_server.access.models import Project
from equipoise_server.access import reads as access
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import Launch, launch
from equipoise_server.foundation.refusals import Refusal
project = access.project(Project.objects.get().pk)
drafts = sorted(reads.experiments_of(project.id), key=lambda one: one.key, reverse=sys.argv[1] == "down")
print("ready", flush=True)
fcntl.flock(open(sys.argv[2]), fcntl.LOCK_SH)
for draft in drafts:
    try:
        launch(operator_actor(), Launch(draft.id, project.environment("production").id, draft.version),
               now=datetime.now(UTC))
    except Refusal:
        continue
    print("launched", draft.key, flush=True)
"""
LOOK = """
from equipoise_server.access.models import Environment
from equipoise_server.experiments.reads import layers_of
for layer in layers_of(Environment.objects.get(key="production").pk):
    for first, end, key in layer.taken:
        print(layer.key, first, end)
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return an_installation(tmp_path)


def test_two_processes_that_launch_everything_at_once_share_neither_flag_nor_slot(
    installation: Installation, tmp_path: Path
) -> None:
    installation.run(PATH + DRAFTS)
    gate = tmp_path / "gate"
    with gate.open("w") as held_shut:
        fcntl.flock(held_shut, fcntl.LOCK_EX)
        people = [installation.start(LAUNCH_ALL, order, str(gate)) for order in ("up", "down")]
        for process in people:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
    printed = [process.communicate(timeout=LONGEST_SECONDS)[0] for process in people]
    assert [process.returncode for process in people] == [0, 0]
    launched = [line.split()[1] for text in printed for line in text.splitlines()]
    assert len(launched) == len(set(launched))
    assert sorted(key.partition("-")[0] for key in launched) == ["neighbour"] * 3 + ["rival"]
    held = [line.split() for line in installation.run(LOOK).splitlines()]
    shared = sorted((int(first), int(end)) for layer, first, end in held if layer == "shared")
    assert len(shared) == 3
    assert all(end <= first for (_, end), (first, _) in pairwise(shared))
