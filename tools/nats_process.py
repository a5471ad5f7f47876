"""A real NATS server with JetStream on a directory of its own, which syncs before it answers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from server_process import eventually, free_port

PROGRAM = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or "nats-server"


@dataclass(slots=True)
class NatsProcess:
    """One server; killed and started again, it has what it acknowledged."""

    directory: Path
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / "nats.conf"
        configuration.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'jetstream {{ store_dir: "{self.directory}", sync_interval: always, max_file_store: 20GB }}\n'
        )
        with (self.directory / "nats.log").open("ab") as log:
            self._process = subprocess.Popen([PROGRAM, "-c", str(configuration)], stdout=log, stderr=log)
        if not eventually(self._listens):
            raise RuntimeError((self.directory / "nats.log").read_text())

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
