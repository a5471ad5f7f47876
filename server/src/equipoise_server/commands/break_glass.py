"""`equipoise-server break-glass`: kills that need no database. Run it where a server process runs."""

from __future__ import annotations

import getpass
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from equipoise_server.foundation import break_glass
from equipoise_server.foundation.break_glass import Kill, Level, NoSuchKill, Target, UnreadableFile

HEARD_WITHIN_SECONDS = 2.5


def _user() -> str:
    """Who uses this shell; in a container a user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


@click.group("break-glass")
def command() -> None:
    """Kill when the database cannot be used: every server process on this data directory serves it."""


@command.command("kill")
@click.option("--project", required=True, help="The project's key.")
@click.option("--environment", required=True, help="The environment's key.")
@click.option("--flag", help="Kill this flag alone.")
@click.option("--group", help="Kill this group of flags.")
@click.option("--experiment", help="Kill this experiment: control for everybody it enrolled.")
@click.option("--reason", required=True, help="Why: it stands in the audit log later.")
@click.option("--by", default=_user, help="Who kills; the user of this shell, unless said otherwise.")
def kill(
    *, project: str, environment: str, flag: str | None, group: str | None, experiment: str | None,
    reason: str, by: str,
) -> None:  # fmt: skip
    """Serve the off variant from now on: of one flag, a group, or the whole environment."""
    keys = {Level.FLAG: flag, Level.GROUP: group, Level.EXPERIMENT: experiment}
    named = [(level, key) for level, key in keys.items() if key]
    if len(named) > 1:
        raise click.UsageError(
            "Name one flag, one group or one experiment; none kills the whole environment."
        )
    level, key = named[0] if named else (Level.ENVIRONMENT, "")
    target, directory = Target(project, environment, level, key), _directory()
    try:
        made = break_glass.kill(directory, target, by=by, reason=reason, at=_now())
    except (UnreadableFile, OSError) as trouble:
        raise click.ClickException(f"Nothing was killed: {trouble}") from trouble
    click.echo(f"Kill {made.number} is on disk: {target}. Servers here serve it within a second.")
    heard = _heard(directory, made.number)
    if heard is None:
        click.echo("The database has not heard of it. Check the spelling: what does not exist is not killed.")
        click.echo(f"To take it back: equipoise-server break-glass lift {made.number}")
    elif heard.trouble:
        raise click.ClickException(f"Nothing was killed: {heard.trouble}")
    else:
        click.echo("The database has it, too: take it back on its page.")


@command.command("lift")
@click.argument("number", type=int)
@click.option("--by", default=_user, help="Who lifts; the user of this shell, unless said otherwise.")
def lift(number: int, by: str) -> None:
    """Take a kill back that the database has not heard of yet; any other is taken back on its page."""
    try:
        lifted = break_glass.lift(_directory(), number, by=by, at=_now())
    except (NoSuchKill, UnreadableFile, OSError) as trouble:
        raise click.ClickException(str(trouble)) from trouble
    click.echo(f"Kill {number} is lifted: {lifted.target}.")


@command.command("list")
def show() -> None:
    """List the kills, and what the database made of them."""
    try:
        kills = break_glass.read(_directory()).kills
    except (UnreadableFile, OSError) as trouble:
        raise click.ClickException(str(trouble)) from trouble
    for known in kills:
        said = f"{known.target}  {state_of(known)}  by {known.by}: {known.reason}"
        click.echo(f"{known.number:>4}  {known.at[:19]}  {said}")
    if not kills:
        click.echo("There are none.")


def state_of(kill: Kill) -> str:
    """What became of a kill, in a few words."""
    if kill.trouble:
        return f"not taken over: {kill.trouble}"
    word = "lifted" if kill.is_lifted else "killed"
    return word if kill.adopted is None else f"{word}, in the database since revision {kill.adopted[1]}"


def _directory() -> Path:
    """Where servers look; they make it, so a place that is missing is the wrong one."""
    directory = break_glass.data_directory()
    if not directory.is_dir():
        told = f"No server keeps its data in {directory}. Set EQUIPOISE_DATA to that of “serve”."
        raise click.ClickException(told)
    return directory


def _heard(directory: Path, number: int) -> Kill | None:
    """The kill as the database took it; None when it has not heard of it in the time that a server takes."""
    until = time.monotonic() + HEARD_WITHIN_SECONDS
    while time.monotonic() < until:
        found = [kill for kill in break_glass.read(directory).kills if kill.number == number]
        if found and not found[0].is_open:
            return found[0]
        time.sleep(0.1)
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
