"""Several server processes over one PostgreSQL: what one commits, the others serve and stream at once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from installation import LONGEST_SECONDS, Installation, an_installation
from postgresql import postgresql
from serving import SEED, SOON, Served, a_server, until

__all__ = ["postgresql"]

pytestmark = pytest.mark.postgresql
LISTENERS = 4
"""Each of the two servers, and the process of each that takes events in."""
PLACE = "/api/v1/projects/shop/flags/banner/environments/production/"


@pytest.fixture(scope="module")
def pair(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """Two servers, as on two machines: one database, each with a data directory of its own."""
    with ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("DATABASE_URL", postgresql)
        first = an_installation(tmp_path_factory.mktemp("first"))
        keys = json.loads(first.run(SEED))
        elsewhere = tmp_path_factory.mktemp("second")
        second = Installation(elsewhere, {**first.environment, "EQUIPOISE_DATA": str(elsewhere)})
        servers = [Served(where, stack.enter_context(a_server(where))[0], keys) for where in (first, second)]
        for server in servers:
            until(lambda server=server: server.ask("GET", "/v1/health", "")[0] == 200, within=LONGEST_SECONDS)
        yield servers[0], servers[1]


def _is_killed(server: Served) -> bool:
    return json.loads(server.snapshot()[1])["flags"]["banner"]["killed"] is True


def test_a_kill_at_one_process_is_streamed_and_served_by_the_other(pair: tuple[Served, Served]) -> None:
    one, other = pair
    with other.stream() as stream:
        lines = iter(stream.readline, b"")
        until(lambda: next(lines) == b"event: revision\n", within=SOON)
        began = time.monotonic()
        assert one.ask("POST", PLACE + "kill", one.keys["token"], {"reason": "errors"})[0] == 200
        until(lambda: next(lines) == b"event: kill\n", within=SOON)
        streamed = time.monotonic() - began
        assert json.loads(next(lines).removeprefix(b"data: "))["flag"] == "banner"
    assert _is_killed(other)
    assert streamed < SOON
    assert other.ask("POST", PLACE + "unkill", one.keys["token"], {"reason": "mended"})[0] == 200
    until(lambda: not _is_killed(one), within=SOON)
    until(lambda: one.snapshot()[1] == other.snapshot()[1], within=SOON)


def test_processes_hear_again_after_the_database_ended_their_connections(
    pair: tuple[Served, Served],
) -> None:
    one, other = pair
    with psycopg.connect(one.installation.environment["DATABASE_URL"], autocommit=True) as link:
        listening = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
        before = {row[0] for row in link.execute(listening)}
        assert len(before) == LISTENERS
        link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        until(lambda: len({row[0] for row in link.execute(listening)} - before) == LISTENERS, within=20)
    assert one.ask("POST", PLACE + "kill", one.keys["token"], {"reason": "errors"})[0] == 200
    until(lambda: _is_killed(other), within=SOON)
    assert one.ask("POST", PLACE + "unkill", one.keys["token"], {"reason": "mended"})[0] == 200


LISTEN = """
from threading import Event
from equipoise_server.edge.notifications import Notifications, can_notify
assert can_notify()
woken = Event()
notifications = Notifications(woken.set)
notifications.start()
assert woken.wait(30)
woken.clear()
print("listening", flush=True)
assert woken.wait(30)
notifications.stop()
print("woken", flush=True)
"""


def test_a_commit_wakes_who_listens_without_any_polling(pair: tuple[Served, Served]) -> None:
    one, other = pair
    listener = other.installation.start(LISTEN)
    assert listener.stdout is not None
    assert listener.stdout.readline() == "listening\n"
    assert one.ask("POST", PLACE + "kill", one.keys["token"], {"reason": "errors"})[0] == 200
    assert listener.communicate(timeout=30)[0] == "woken\n"
    assert one.ask("POST", PLACE + "unkill", one.keys["token"], {"reason": "mended"})[0] == 200
