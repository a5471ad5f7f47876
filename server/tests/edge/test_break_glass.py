"""Break-glass: kills that need no database are served at once, and audited when it is back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from installation import LONGEST_SECONDS, an_installation
from postgresql import postgresql
from serving import SEED, SOON, Served, a_server, until

__all__ = ["postgresql"]

pytestmark = pytest.mark.postgresql
PLACE = "/api/v1/projects/shop/flags/banner/environments/production/"
COMMAND = [sys.executable, "-m", "equipoise_server.commands.main", "break-glass"]
TARGET = ["--project", "shop", "--environment", "production"]
DONE, TOLD = frozenset({0}), frozenset({0, 1})
"""Told, when the server has heard of a kill in time."""


@pytest.fixture(scope="module")
def served(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over PostgreSQL."""
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("DATABASE_URL", postgresql)
        installation = an_installation(tmp_path_factory.mktemp("served"))
        keys = json.loads(installation.run(SEED))
        server = Served(installation, stack.enter_context(a_server(installation))[0], keys)
        until(lambda: server.ask("GET", "/v1/health", "")[0] == 200, within=LONGEST_SECONDS)
        yield server


@contextmanager
def stalled(server: Served) -> Iterator[None]:
    """Every process of the database stands still, as behind a disk that does not answer."""
    with psycopg.connect(server.installation.environment["DATABASE_URL"]) as link:
        row = link.execute("SELECT current_setting('data_directory')").fetchone()
    assert row is not None
    leader = int((Path(row[0]) / "postmaster.pid").read_text().split("\n", 1)[0])
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(leader)], capture_output=True, text=True, check=True
    )
    processes = [leader, *map(int, found.stdout.split())]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.fixture(autouse=True)
def _alive(served: Served) -> None:
    """Begin with nothing killed."""
    assert served.ask("POST", PLACE + "unkill", served.keys["token"], {"reason": "mended"})[0] == 200
    until(lambda: not is_killed(served), within=SOON)


def break_glass(server: Served, *arguments: str, ends: frozenset[int] = DONE) -> str:
    """Run the operator's command."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=server.installation.environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in ends, done.stderr
    return done.stdout


def content(server: Served) -> dict[str, dict[str, dict[str, object]]]:
    """The snapshot that SDKs get."""
    found: dict[str, dict[str, dict[str, object]]] = json.loads(server.snapshot()[1])
    return found


def is_killed(server: Served) -> bool:
    """Whether SDKs are told that the banner is killed."""
    return content(server)["flags"]["banner"]["killed"] is True


def number(server: Served) -> int:
    """The revision that SDKs see."""
    return int(str(content(server)["revision"]))


def audited(server: Served) -> list[dict[str, object]]:
    """The audit records, newest first."""
    listed = json.loads(server.ask("GET", "/api/v1/projects/shop/audit", server.keys["token"])[1])
    records: list[dict[str, object]] = listed["items"]
    return records


def test_a_kill_waits_two_seconds_for_a_lock_and_is_then_refused_for_good(served: Served) -> None:
    before = number(served)
    with psycopg.connect(served.installation.environment["DATABASE_URL"]) as link:
        link.execute("SELECT * FROM foundation_environmentrevision FOR UPDATE")
        began = time.monotonic()
        status, answer = served.ask("POST", PLACE + "kill", served.keys["token"], {"reason": "errors"})
        took = time.monotonic() - began
        assert (status, json.loads(answer)["code"]) == (503, "unavailable")
        assert "break-glass" in json.loads(answer)["detail"]
        assert took < 2 + SOON
    assert served.ask("POST", PLACE + "kill", served.keys["token"], {"reason": "errors"})[0] == 200
    until(lambda: number(served) == before + 1, within=SOON)


def test_a_kill_by_break_glass_is_served_and_streamed_while_the_database_stands_still(served: Served) -> None:
    before = number(served)
    with served.stream() as stream:
        lines = iter(stream.readline, b"")
        until(lambda: next(lines) == b"event: revision\n", within=SOON)
        with stalled(served):
            began = time.monotonic()
            status, _ = served.ask("POST", PLACE + "kill", served.keys["token"], {"reason": "errors"})
            assert status == 503
            assert time.monotonic() - began < 4 + SOON
            assert "on disk" in break_glass(
                served, "kill", *TARGET, "--flag", "banner", "--reason", "errors", "--by", "ada"
            )
            until(lambda: next(lines) == b"event: kill\n", within=SOON)
            assert json.loads(next(lines).removeprefix(b"data: "))["flag"] == "banner"
            assert is_killed(served)
            assert before < number(served)
            assert "killed  by ada" in break_glass(served, "list")
    laid_over = number(served)
    until(lambda: "in the database" in break_glass(served, "list"), within=30)
    until(lambda: number(served) > laid_over, within=SOON)
    assert is_killed(served)
    record = audited(served)[0]
    assert record["action"] == "break_glass.kill"


def test_a_lifted_kill_is_over_at_once_and_revisions_never_go_back(served: Served) -> None:
    seen = [number(served)]
    with stalled(served):
        break_glass(served, "kill", *TARGET, "--reason", "all is wrong", "--by", "ada")
        until(lambda: content(served)["killed"] is True, within=SOON)  # type: ignore[comparison-overlap]  # a truth at the top
        seen.append(number(served))
        listed = break_glass(served, "list").splitlines()
        break_glass(served, "lift", listed[-1].split()[0])
        until(lambda: content(served)["killed"] is False, within=SOON)  # type: ignore[comparison-overlap]  # as above
        seen.append(number(served))
    until(lambda: "lifted, in the database" in break_glass(served, "list"), within=30)
    until(lambda: number(served) > seen[-1], within=SOON)
    seen.append(number(served))
    assert seen == sorted(set(seen))
    assert audited(served)[0]["action"] == "break_glass.lift"


def test_a_kill_of_what_does_not_exist_is_told_and_holds_nothing_up(served: Served) -> None:
    break_glass(served, "kill", *TARGET, "--flag", "no-such", "--reason", "a typo", ends=TOLD)
    elsewhere = ["--project", "no-such", "--environment", "x"]
    break_glass(served, "kill", *elsewhere, "--reason", "a typo", ends=TOLD)
    until(lambda: break_glass(served, "list").count("not taken over") == 2, within=30)
    assert served.ask("POST", PLACE + "kill", served.keys["token"], {"reason": "errors"})[0] == 200
    until(lambda: is_killed(served), within=SOON)
