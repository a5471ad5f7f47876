"""Which server the command line speaks to, and with which token: the environment, then a private file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import click

OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Access:
    """A server's address and a management token for it."""

    server: str
    token: str


def configuration_file() -> Path:
    """Where `equipoise login` keeps what it was given; EQUIPOISE_CONFIG moves it."""
    moved = os.environ.get("EQUIPOISE_CONFIG", "")
    return Path(moved) if moved else Path(click.get_app_dir("equipoise")) / "cli.json"


def remember(access: Access) -> Path:
    """Keep the access for later commands, readable by its owner alone."""
    path = configuration_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.unlink(missing_ok=True)
    # Private from its first byte: a mode set afterwards would leave a moment in which others can read it.
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
        json.dump({"server": access.server, "token": access.token}, file)
    written.replace(path)
    return path


def access() -> Access:
    """The access to use now; a usage error that says what is missing and how to give it."""
    kept = _kept()
    server = os.environ.get("EQUIPOISE_SERVER", "") or kept.get("server", "")
    token = os.environ.get("EQUIPOISE_TOKEN", "") or kept.get("token", "")
    if not server or not token:
        missing = " and ".join(name for name, held in (("server", server), ("token", token)) if not held)
        raise click.UsageError(
            f"No {missing} known. Run `equipoise login --server URL --token TOKEN`, "
            "or set EQUIPOISE_SERVER and EQUIPOISE_TOKEN."
        )
    return Access(server.rstrip("/"), token)


def _kept() -> dict[str, str]:
    path = configuration_file()
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise click.UsageError(f"{path} cannot be read; run `equipoise login` again.")
    return {key: value for key, value in content.items() if isinstance(value, str)}
