"""Starting the demo: it says what is in the way, and never shows half a demo."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from equipoise_server.commands.demo import STATE, clear_unless_complete
from equipoise_server.commands.main import main


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A demo that was filled."""
    filled = tmp_path / "demo"
    filled.mkdir()
    (filled / STATE).write_text("{}")
    return filled


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        refused = CliRunner().invoke(main, ["demo", "--port", str(port)])
    assert refused.exit_code == 1
    assert f"Port {port} is in use" in refused.stderr
    assert "EQUIPOISE_PORT" in refused.stderr


def test_a_filled_demo_is_kept(directory: Path) -> None:
    clear_unless_complete(directory, fresh=False)
    assert directory.exists()


def test_a_fresh_start_throws_only_the_demo_away(directory: Path) -> None:
    neighbour = directory.parent / "equipoise.sqlite3"
    neighbour.write_text("the real thing")
    clear_unless_complete(directory, fresh=True)
    assert not directory.exists()
    assert neighbour.exists()


def test_what_an_interrupted_start_left_behind_is_thrown_away(directory: Path) -> None:
    (directory / STATE).unlink()
    clear_unless_complete(directory, fresh=False)
    assert not directory.exists()
