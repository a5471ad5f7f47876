"""The health door tells whether a worker lives; flags need none, so nothing else changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asking import ask

from equipoise_server.edge.app import build
from equipoise_server.edge.polling import Poller, ask_for_workers
from equipoise_server.edge.state import EdgeState, View
from equipoise_server.foundation import worker_beats


class Seconds:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def told(state: EdgeState) -> object:
    answer = ask(build(state), "GET", "/v1/health")
    assert answer.status == 200
    return answer.json().get("worker")


@pytest.mark.django_db
def test_health_tells_a_worker_that_lives_and_one_that_fell_silent() -> None:
    clock = Seconds()
    state = EdgeState(clock)
    state.swap(View({}, {}, clock.now))
    assert told(state) is None, "a relay knows no worker"
    ask_for_workers(state)
    assert told(state) == {"status": "down", "last_seen_seconds": None}
    now = datetime.now(UTC)
    worker_beats.beat("one", started_at=now, now=now)
    ask_for_workers(state)
    assert told(state)["status"] == "ok"  # type: ignore[index]  # an object, as above
    worker_beats.beat("one", started_at=now, now=now - timedelta(minutes=2))
    ask_for_workers(state)
    assert told(state)["status"] == "down"  # type: ignore[index]  # as above


@pytest.mark.django_db
def test_a_worker_counts_as_silent_while_the_database_does_not_answer() -> None:
    clock = Seconds()
    state = EdgeState(clock)
    state.swap(View({}, {}, clock.now + 60))
    now = datetime.now(UTC)
    worker_beats.beat("one", started_at=now, now=now)
    ask_for_workers(state)
    clock.now += 61
    assert told(state)["status"] == "down"  # type: ignore[index]  # as above


def test_the_workers_are_asked_for_now_and_then_not_in_every_round() -> None:
    clock, asked = Seconds(), []
    poller = Poller(EdgeState(clock), refresh=lambda _: None, ask_for_workers=asked.append)
    for _ in range(20):
        poller.tick()
        clock.now += 0.5
    assert len(asked) == 2
