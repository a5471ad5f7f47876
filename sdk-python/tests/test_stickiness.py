"""A unit keeps the cluster in which it was first met, when there is somewhere to keep it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_worlds import clustered, user
from test_streams import until

from equipoise_sdk import MemoryStickyStore, SqliteStickyStore, StickyStore, in_memory

Made = Callable[[], StickyStore]


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StickyStore]:
    """Every implementation of the port; what they must do is the same."""
    if request.param == "memory":
        yield MemoryStickyStore()
        return
    kept = SqliteStickyStore(tmp_path / "clusters")
    yield kept
    kept.close()


def test_a_store_keeps_the_first(store: StickyStore) -> None:
    assert store.get("trial:1", "u1") is None
    store.keep("trial:1", "u1", "berlin")
    store.keep("trial:1", "u1", "paris")
    assert store.get("trial:1", "u1") == "berlin"


def test_a_store_keeps_iterations_and_units_apart(store: StickyStore) -> None:
    store.keep("trial:1", "u1", "berlin")
    store.keep("trial:2", "u1", "paris")
    store.keep("trial:1", "u2", "rome")
    found = [store.get(*key) for key in (("trial:1", "u1"), ("trial:2", "u1"), ("trial:1", "u2"))]
    assert found == ["berlin", "paris", "rome"]


def test_a_store_may_be_used_by_many_threads(store: StickyStore) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 100):
            store.keep("trial:1", f"u{number % 150}", "berlin")
            assert store.get("trial:1", f"u{number % 150}") == "berlin"

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 50, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.get("trial:1", f"u{number}") == "berlin" for number in range(150))


def test_memory_forgets_the_unit_met_longest_ago() -> None:
    store = MemoryStickyStore(size=2)
    for unit in ("u1", "u2"):
        store.keep("trial:1", unit, "berlin")
    assert store.get("trial:1", "u1") == "berlin"
    store.keep("trial:1", "u3", "berlin")
    assert [store.get("trial:1", unit) for unit in ("u1", "u2", "u3")] == ["berlin", None, "berlin"]


def test_a_file_outlives_the_process_and_is_shared(tmp_path: Path) -> None:
    first = SqliteStickyStore(tmp_path / "clusters")
    other = SqliteStickyStore(tmp_path / "clusters", size=1)
    first.keep("trial:1", "u1", "berlin")
    until(lambda: other.get("trial:1", "u1") == "berlin")
    other.keep("trial:1", "u2", "rome")
    first.close()
    other.close()
    later = SqliteStickyStore(tmp_path / "clusters")
    assert [later.get("trial:1", unit) for unit in ("u1", "u2")] == ["berlin", "rome"]
    later.close()


def test_the_first_process_to_write_wins(tmp_path: Path) -> None:
    first, other = (SqliteStickyStore(tmp_path / "clusters") for _ in range(2))
    first.keep("trial:1", "u1", "berlin")
    with sqlite3.connect(tmp_path / "clusters") as file:
        until(lambda: file.execute("SELECT COUNT(*) FROM first_clusters").fetchone() == (1,))
    file.close()
    other._near.keep("trial:1", "u1", "paris")
    other._waiting.put(("trial:1", "u1", "paris"))
    until(lambda: other.get("trial:1", "u1") == "berlin")
    first.close()
    other.close()


def test_a_forked_child_shares_the_file(tmp_path: Path) -> None:
    store = SqliteStickyStore(tmp_path / "clusters")
    store.keep("trial:1", "u1", "berlin")
    child = os.fork()
    if child == 0:
        store.keep("trial:1", "u2", "rome")
        store.close()
        os._exit(0 if store._near.get("trial:1", "u1") == "berlin" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get("trial:1", "u2") == "rome"
    store.close()


def arm(client: object, unit: str, city: str) -> object:
    return client.peek("button", False, user(unit, city=city)).variant  # type: ignore[attr-defined]


CITIES = [f"city-{number}" for number in range(20)]


def test_a_unit_that_moves_keeps_its_arm_from_its_first_exposure_on(store: StickyStore) -> None:
    client, following = in_memory(clustered(), sticky_store=store), in_memory(clustered())
    arms = {city: arm(following, "u1", city) for city in CITIES}
    assert set(arms.values()) == {"on", "off"}
    client.boolean("button", False, user("u1", city=CITIES[0]))
    assert {arm(client, "u1", city) for city in CITIES} == {arms[CITIES[0]]}
    assert {
        decision.variant for decision in client.peek_all(user("u1", city=CITIES[1])) if decision.place
    } == {arms[CITIES[0]]}
    assert [arm(client, "u2", city) for city in CITIES] == list(arms.values())


def test_peeking_keeps_nothing(store: StickyStore) -> None:
    client = in_memory(clustered(), sticky_store=store)
    arm(client, "u1", CITIES[0])
    assert store.get("trial:1", "u1") is None


def test_a_restart_lets_units_go(store: StickyStore) -> None:
    in_memory(clustered(), sticky_store=store).boolean("button", False, user("u1", city=CITIES[0]))
    again = in_memory(clustered(iteration=2), sticky_store=store)
    assert {arm(again, "u1", city) for city in CITIES} == {"on", "off"}


def test_what_the_application_brings_along_comes_first(store: StickyStore) -> None:
    client = in_memory(clustered(), sticky_store=store)
    client.boolean("button", False, user("u1", city=CITIES[0]))
    context = {**user("u1", city=CITIES[0]), "clusters": {"trial:1": "atlantis"}}
    enrolment = client.peek("button", False, context).enrolment
    assert enrolment is not None
    assert enrolment.cluster == "atlantis"


class _Broken:
    def get(self, iteration: str, unit: str) -> str | None:
        raise sqlite3.OperationalError(iteration + unit)

    def keep(self, iteration: str, unit: str, cluster: str) -> None:
        raise sqlite3.OperationalError(iteration + unit + cluster)


def test_a_store_that_fails_fails_no_evaluation_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    client, following = in_memory(clustered(), sticky_store=_Broken()), in_memory(clustered())
    for city in CITIES:
        assert arm(client, "u1", city) == arm(following, "u1", city)
    client.boolean("button", False, user("u1", city=CITIES[0]))
    assert len(caplog.records) == 1
    assert len(client.recorded) == 1


def test_a_file_that_cannot_be_written_leaves_the_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "clusters"
    store = SqliteStickyStore(path)
    with sqlite3.connect(path) as file:
        file.execute("DROP TABLE first_clusters")
        file.execute("CREATE VIEW first_clusters AS SELECT 1 AS iteration, 2 AS unit, 3 AS cluster")
    file.close()
    store.keep("trial:1", "u1", "berlin")
    assert store.get("trial:1", "u1") == "berlin"
    store.close()
    assert "first clusters cannot be kept" in caplog.text
