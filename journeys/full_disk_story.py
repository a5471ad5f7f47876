"""A server and its worker on a small disk that fills up and is emptied again; argument: the disk."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from event_writers import writing
from server_process import Scene, ServerProcess
from store_audit import flags_are_served, held_against_the_store, kill_is_taken, refused_alone

HERE = Path(__file__).parent


def fill(path: Path) -> None:
    """Write until there is no room for a byte."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass


def main(disk: Path) -> None:
    """Live through a full disk."""
    server = ServerProcess(disk / "data")
    try:
        server.migrate()
        known = server.run_script(HERE / "scene.py", "shop")
        server.serve()
        server.work()
        scene = Scene(server, known["sdk_key"], known["token"])
        with writing([server.port], scene.sdk_key) as ledger:
            ledger.wait_for("200", more=20)
            fill(disk / "filler")
            refused_alone(ledger, "507")
            assert flags_are_served(scene)
            assert kill_is_taken(scene)
            (disk / "filler").unlink()
            ledger.wait_for("200", more=20)
        print(held_against_the_store(ledger, server))
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
