"""An installation of its own: real processes on a real database, for what one process cannot show."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo

LONGEST_SECONDS = 300.0
"""What a process that ends by itself may take: it is not timed, and the machine may do much other work."""
PRELUDE = """
import os, sys
from datetime import UTC, datetime, timedelta
os.environ["DJANGO_SETTINGS_MODULE"] = "equipoise_server.foundation.settings"
import django
django.setup()
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where it lies, and the environment of its processes."""

    directory: Path
    environment: dict[str, str]

    def start(self, script: str, *arguments: str, stdin: int | None = None) -> subprocess.Popen[str]:
        """Start a process that knows the product; its standard output can be read."""
        command = [sys.executable, "-c", PRELUDE + script, *arguments]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.directory, stdin=stdin, stdout=subprocess.PIPE, text=True
        )

    def run(self, script: str, *arguments: str) -> str:
        """Run a process to its end; what it printed."""
        process = self.start(script, *arguments)
        printed, _ = process.communicate(timeout=LONGEST_SECONDS)
        assert process.returncode == 0, printed
        return printed


def an_installation(directory: Path) -> Installation:
    """A fresh installation on the kind of database that this run is about."""
    environment = {**os.environ, "EQUIPOISE_DATA": str(directory), "EQUIPOISE_SECRET_KEY": "tests alone"}
    if environment.get("DATABASE_URL"):
        environment["DATABASE_URL"] = _fresh_database(environment["DATABASE_URL"])
    made = Installation(directory, environment)
    made.run("from django.core.management import call_command; call_command('migrate', verbosity=0)")
    return made


def _fresh_database(server: str) -> str:
    """The URL of a new database on the same server; it goes when the server goes."""
    name = f"installation_{uuid4().hex}"
    with psycopg.connect(make_conninfo(server), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    base, _, query = server.partition("?")
    return f"{base.rpartition('/')[0]}/{name}?{query}"
