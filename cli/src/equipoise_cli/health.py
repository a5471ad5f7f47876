"""`equipoise health`: health checks of a flag, which promote, hold and kill, and what they found."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, part, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import UNKNOWN, print_json, print_table

COLUMNS = ("variant", "value", "against control", "sample", "state", "why")


@click.group()
def health() -> None:
    """Health checks of flags: they promote, hold and kill, and decide nothing."""


@health.command("list")
@click.argument("flag")
@project_option
@environment_option
@json_option
def list_checks(*, flag: str, project: str, environment: str, as_json: bool) -> None:
    """List the checks of FLAG and where they stand."""
    with Connection(access()) as connection:
        found = list(connection.items(_place(project, flag, environment)))
    if as_json:
        print_json(found)
        return
    print_table(("check", "state", "since", "when it fails", "why"), (_row(one) for one in found))


@health.command()
@click.argument("flag")
@click.argument("check")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@project_option
@environment_option
@json_option
def results(*, flag: str, check: str, limit: int, project: str, environment: str, as_json: bool) -> None:
    """List the last looks of CHECK, newest first."""
    with Connection(access()) as connection:
        answer = connection.get(f"{_place(project, flag, environment)}/{check}/results", limit=str(limit))
    found = parts(answer, "items")
    if as_json:
        print_json(found)
        return
    rows = (
        (look.get("at"), *_reading(reading))
        for look in found
        for reading in parts(part(look, "finding"), "readings") or [part(look, "finding")]
    )
    print_table(("at", *COLUMNS), rows)


@health.command()
@click.argument("flag")
@click.argument("check")
@project_option
@environment_option
@json_option
def test(*, flag: str, check: str, project: str, environment: str, as_json: bool) -> None:
    """Ask now and show what each variant got. Nothing is kept, and nothing follows."""
    with Connection(access()) as connection:
        found = connection.post(f"{_place(project, flag, environment)}/{check}/test", {})
    if as_json:
        print_json(found)
        return
    click.echo(" ".join(str(said) for said in (found.get("state"), found.get("told")) if said))
    if parts(found, "readings"):
        print_table(COLUMNS, (_reading(reading) for reading in parts(found, "readings")))


def _place(project: str, flag: str, environment: str) -> str:
    return f"/projects/{project}/flags/{flag}/environments/{environment}/health-checks"


def _row(check: JsonObject) -> tuple[object, ...]:
    standing = part(check, "standing")
    follows = part(check, "plan").get("on_failure")
    return check.get("key"), standing.get("state"), standing.get("since"), follows, standing.get("told")


def _reading(reading: JsonObject) -> tuple[object, ...]:
    held = (reading.get(name) for name in ("value", "compared", "sample"))
    numbers = (UNKNOWN if number is None else number for number in held)
    return reading.get("variant") or "all", *numbers, reading.get("state"), reading.get("told")
