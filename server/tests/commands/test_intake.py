"""The process that takes events in leaves nothing behind, however `serve` ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_process import ServerProcess, eventually


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_serve_made_for_its_processes_goes_with_it(
    tmp_path_factory: pytest.TempPathFactory, *, is_killed: bool
) -> None:
    directory = tmp_path_factory.mktemp("t")
    server = ServerProcess(tmp_path_factory.mktemp("data"), settings={"TMPDIR": str(directory)})
    server.migrate()
    server.serve()
    assert _left(directory) != []
    if is_killed:
        server.kill("serve")
    server.stop()
    assert eventually(lambda: _left(directory) == [])


def _left(directory: Path) -> list[str]:
    return [place.name for place in directory.glob("equipoise-*")]
