"""The demo's child processes: all of them end, whoever ends first."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipoise_server.commands.demo_processes import DemoFailed, Household, ended_by_signals, is_free

# Says that it is there, then waits for the end, which it may refuse to hear.
WAITS = "import signal; open({file!r}, 'w').write('here'); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


@pytest.fixture
def household(tmp_path: Path) -> Household:
    return Household(tmp_path, dict(os.environ), stop_within_seconds=0.3)


def _program(script: str, file: Path) -> list[str]:
    return [sys.executable, "-c", script.format(file=str(file))]


def _is_there(file: Path) -> bool:
    pause = threading.Event()
    return any(file.exists() or pause.wait(0.02) for _ in range(500))


def test_stopping_ends_every_process_even_one_that_does_not_listen(
    household: Household, tmp_path: Path
) -> None:
    household.start("calm", _program(WAITS, tmp_path / "calm.here"))
    household.start("deaf", _program(DEAF, tmp_path / "deaf.here"))
    assert _is_there(tmp_path / "calm.here")
    assert _is_there(tmp_path / "deaf.here")
    processes = household.process_ids
    household.stop()
    for process_id in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process_id, 0)


def test_a_process_that_ends_by_itself_ends_the_demo_and_is_named(household: Household) -> None:
    household.start("worker", [sys.executable, "-c", "raise SystemExit(3)"])
    assert household.over.wait(20)
    assert "“worker” has ended" in household.why_it_ended()
    household.stop()


def test_a_step_that_fails_is_named_with_its_log(household: Household, tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match=r"“migrate” has failed; see .*migrate\.log"):
        household.run("migrate", [sys.executable, "-c", "raise SystemExit('no disk')"])
    assert "no disk" in (tmp_path / "migrate.log").read_text()


def test_the_end_interrupts_a_step(household: Household, tmp_path: Path) -> None:
    household.over.set()
    with pytest.raises(DemoFailed, match="Stopped before"):
        household.run("seed", _program(WAITS, tmp_path / "seed.here"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_the_end_and_its_handler_is_put_back(number: signal.Signals) -> None:
    over = threading.Event()
    before = signal.getsignal(number)
    with ended_by_signals(over):
        os.kill(os.getpid(), number)
        assert over.wait(5)
    assert signal.getsignal(number) == before


def test_a_server_that_never_starts_is_given_up_with_its_name(household: Household) -> None:
    household.start("serve", [sys.executable, "-c", "raise SystemExit(1)"])
    with pytest.raises(DemoFailed, match="“serve” has ended"):
        household.await_health(1)


def test_a_port_in_use_is_not_free(unused_port: int, listening_port: int) -> None:
    assert is_free(unused_port)
    assert not is_free(listening_port)


@pytest.fixture
def listening_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
