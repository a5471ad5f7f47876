"""Tests of applications: what they force is served, and the client counts what it does."""

from __future__ import annotations

import threading

import pytest
from flag_server import document
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import clustered, held_out, user

from equipoise_sdk import in_memory
from equipoise_sdk.timing import Stopwatch, _bucket, _upper_edge_ns


def test_a_forced_variant_is_served_to_everybody_within_the_block() -> None:
    client = in_memory(document())
    before = [client.peek("button", False, user(f"u{number}")).value for number in range(20)]
    for variant, value in (("on", True), ("off", False)):
        with client.forced({"button": variant}):
            assert {client.boolean("button", not value, user(f"u{number}")) for number in range(20)} == {
                value
            }
            assert client.boolean("button", not value, {}) is value
            assert client.string("colour", "", {}) == "grey"
    assert [client.peek("button", False, user(f"u{number}")).value for number in range(20)] == before
    assert client.recorded == ()


def test_forced_blocks_nest_and_end_with_errors() -> None:
    client = in_memory(document())
    with client.forced({"button": "on"}):
        with pytest.raises(ZeroDivisionError), client.forced({"button": "off"}):
            raise ZeroDivisionError
        assert client.boolean("button", False, {}) is True
    assert client.boolean("button", True, {}) is False


@pytest.mark.parametrize("content", [held_out(1_000_000), clustered(), document(killed=True)])
def test_a_forced_variant_comes_before_everything(content: dict[str, object]) -> None:
    client = in_memory(content)
    with client.forced({"button": "on"}):
        assert client.boolean("button", False, user("u1", city="berlin")) is True
    assert client.recorded == ()


def test_a_typo_in_a_test_is_told_with_what_there_is() -> None:
    client = in_memory(document())
    with (
        pytest.raises(ValueError, match="no flag 'buton'; there are: button, ") as told,
        client.forced({"buton": "on", "button": "green"}),
    ):
        pytest.fail("nothing is forced")
    assert "has no variant 'green'; it has: on, off" in str(told.value)


def test_other_threads_see_what_is_forced() -> None:
    client, seen = in_memory(document()), []
    with client.forced({"button": "on"}):
        thread = threading.Thread(target=lambda: seen.append(client.boolean("button", False, {})))
        thread.start()
        thread.join()
    assert seen == [True]


def test_evaluations_are_counted_and_timed() -> None:
    client = in_memory(document())
    assert client.status.evaluations.count == 0
    assert client.status.evaluations.p50_microseconds is None

    def work() -> None:
        for number in range(1_000):
            client.peek("button", False, user(f"u{number}"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = client.status.evaluations
    assert seen.count == client.status.evaluations.count == 4_000
    assert seen.p50_microseconds is not None
    assert seen.p99_microseconds is not None
    assert 0 < seen.p50_microseconds <= seen.p99_microseconds < 1e6


def test_quantiles_are_those_of_what_was_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    stopwatch = Stopwatch()
    for micros in [1] * 90 + [100] * 10:
        monkeypatch.setattr("equipoise_sdk.timing.perf_counter_ns", lambda micros=micros: micros * 1_000)
        stopwatch.note(0)
    seen = stopwatch.read
    assert 1 <= (seen.p50_microseconds or 0) <= 1.25
    assert 100 <= (seen.p99_microseconds or 0) <= 125


@settings(deadline=None)  # a machine may have other work
@given(st.integers(4, 2**47))
def test_a_time_lies_in_a_bucket_no_wider_than_a_quarter_of_it(ns: int) -> None:
    assert ns < _upper_edge_ns(_bucket(ns)) <= ns * 1.25 + 1
    assert _bucket(ns) >= _bucket(ns - 1)
