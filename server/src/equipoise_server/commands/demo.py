"""`equipoise-server demo`: a populated Equipoise with live traffic, in a directory of its own.

Starts the same processes that an operator would, lets `demo_seed` fill an empty directory, and stays in front
of them until Ctrl-C. Touches nothing outside `<data>/demo`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import click

from equipoise_server.commands.demo_people import ACCOUNTS, PASSWORD
from equipoise_server.commands.demo_processes import DemoFailed, Household, ended_by_signals, is_free
from equipoise_server.foundation.private_files import make_directory

STATE = "demo.json"
SHOP = "equipoise_shop"
LIVE_VISITORS_PER_SECOND = 1


@click.command()
@click.option("--port", envvar="EQUIPOISE_PORT", default=8000, show_default=True, help="Where to listen.")
@click.option("--fresh", is_flag=True, help="Throw away the demo's data and start from nothing.")
def demo(port: int, fresh: bool) -> None:
    """Run the product, populated, with live traffic. Stop it with Ctrl-C."""
    directory = Path(os.environ.get("EQUIPOISE_DATA", "data")).resolve() / "demo"
    if find_spec(SHOP) is None:
        raise click.ClickException(
            "The demo needs its shop: pip install equipoise-shop, or run make demo in a checkout."
        )
    if not is_free(port):
        raise click.ClickException(
            f"Port {port} is in use. Choose another with --port or EQUIPOISE_PORT, for example: "
            f"EQUIPOISE_PORT={port + 1} make demo"
        )
    clear_unless_complete(directory, fresh=fresh)
    for place in (directory.parent, directory, directory / "logs"):
        make_directory(place)
    household = Household(directory / "logs", _environment(directory))
    with ended_by_signals(household.over):
        try:
            _run(household, directory, port)
        except DemoFailed as failed:
            raise click.ClickException(str(failed)) from failed
        finally:
            household.stop()


def clear_unless_complete(directory: Path, *, fresh: bool) -> None:
    """Half a demo is worse than none: what an interrupted start left behind is thrown away, too."""
    if directory.exists() and (fresh or not (directory / STATE).exists()):
        shutil.rmtree(directory)


def _environment(directory: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    return {
        **inherited,
        "EQUIPOISE_DATA": str(directory),
        "EQUIPOISE_ALLOW_BACKFILL": "1",
        "XDG_CACHE_HOME": str(directory / "cache"),
        "PYTHONUNBUFFERED": "1",
    }


def _run(household: Household, directory: Path, port: int) -> None:
    server = f"http://127.0.0.1:{port}"
    is_new = not (directory / STATE).exists()
    if is_new:
        click.echo("Filling the demo; this takes about a minute, once.")
    household.run("migrate", _server_command("migrate"))
    household.start("serve", [*_server_command("serve"), "--port", str(port)])
    household.await_health(port)
    if is_new:
        seed = [sys.executable, "-m", "equipoise_server.commands.demo_seed"]
        household.run("seed", [*seed, "--server", server, "--state", str(directory / STATE)], shows=True)
    household.start("worker", _server_command("worker"))
    key = json.loads((directory / STATE).read_text())["sdk_key"]
    shop = [sys.executable, "-m", f"{SHOP}.main", "live", "--server", server, "--key", key]
    household.start("shop", [*shop, "--rate", str(LIVE_VISITORS_PER_SECOND)])
    click.echo(_welcome(server, directory))
    household.over.wait()
    if why := household.why_it_ended():
        raise DemoFailed(why)
    click.echo("\nStopping.")


def _server_command(name: str) -> list[str]:
    return [sys.executable, "-m", "equipoise_server.commands.main", name]


def _welcome(server: str, directory: Path) -> str:
    called = sys.argv[0]  # as it was typed: the virtual environment need not be on the path
    command = called if called.endswith("equipoise-server") else "equipoise-server"
    accounts = "\n".join(f"    {a.email:<20} {a.role:<14} {a.does}" for a in ACCOUNTS)
    return f"""
  Equipoise is ready:  {server}

  Sign in with the password  {PASSWORD}  as
{accounts}

  Simulated visitors walk through the shop now, so the numbers move.
  Data and logs: {directory}   Stop: Ctrl-C   Start over: {command} demo --fresh
"""
