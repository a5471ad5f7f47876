"""Commands about privacy: erasing units, how far that is, and how long raw events are kept."""

from __future__ import annotations

from pathlib import Path

import click

from equipoise_cli.answers import JsonObject, part
from equipoise_cli.choices import json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def privacy() -> None:
    """Erase units, and keep raw events for as long as they are needed."""


@privacy.command("erase")
@click.argument("file", type=EXISTING_FILE)
@click.option("--unit-type", required=True, help="The type of all of them, for example user.")
@click.option("--reason", default="", help="Why; it is kept for good, so name nobody in it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@project_option
@json_option
def erase(*, file: Path, unit_type: str, reason: str, yes: bool, project: str, as_json: bool) -> None:
    """Erase the units in FILE for good: one id a line, or the first column of a CSV; at most 10,000."""
    if not yes:
        click.confirm(f"Erase the {unit_type}s in {file} from {project} for good?", abort=True)
    with Connection(access()) as connection, file.open("rb") as data:
        asked = connection.upload(
            f"/projects/{project}/erasures/upload",
            (file.name, data),
            {"unit_type": unit_type, "reason": reason},
        )
    if as_json:
        print_json(asked)
        return
    click.echo(f"Erasure {asked.get('id')} of {asked.get('asked')} {unit_type}s is under way.")


@privacy.command("erasures")
@project_option
@json_option
def list_erasures(project: str, as_json: bool) -> None:
    """List erasures and how far they are; none names a unit."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/erasures"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "asked at", "by", "units", "step", "removed"),
        (
            (
                *(one.get("id"), one.get("asked_at"), one.get("asked_by"), one.get("asked")),
                *(one.get("step"), _removed(one)),
            )
            for one in found
        ),
    )


@privacy.command("show")
@click.argument("erasure")
@project_option
@json_option
def show(erasure: str, project: str, as_json: bool) -> None:
    """Show how far ERASURE is, and how much was taken out of where."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/erasures/{erasure}")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.get('asked')} {found.get('unit_type')}s, step {found.get('step')}.")
    if found.get("waits_for"):
        click.echo(f"It waits for {found['waits_for']}.")
    if found.get("removed"):
        click.echo(f"Taken out: {_removed(found)}.")


@privacy.command("retention")
@click.argument("environment")
@click.option("--events", default=None, help="Days to keep raw events, or “forever”.")
@click.option("--quarantine", type=int, default=None, help="Days to keep refused events.")
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@json_option
def retention(
    *, environment: str, events: str | None, quarantine: int | None, reason: str, project: str, as_json: bool
) -> None:
    """Show how long ENVIRONMENT keeps raw events and refused ones, or set it."""
    path = f"/projects/{project}/environments/{environment}/retention"
    with Connection(access()) as connection:
        found = connection.get(path)
        if events is not None or quarantine is not None:
            found = connection.put(path, _edit(found, events, quarantine, reason))
    if as_json:
        print_json(found)
        return
    kept = "for ever" if found.get("event_days") is None else f"for {found['event_days']} days"
    click.echo(f"Raw events are kept {kept}, refused ones for {found.get('quarantine_days')} days.")
    if found.get("waits_for"):
        click.echo(str(found["waits_for"]))


def _edit(held: JsonObject, events: str | None, quarantine: int | None, reason: str) -> JsonObject:
    days = held.get("event_days")
    if events is not None:
        if events != "forever" and not events.isdigit():
            raise click.BadParameter("Give a number of days, or forever.", param_hint="--events")
        days = None if events == "forever" else int(events)
    return {
        "event_days": days,
        "quarantine_days": held.get("quarantine_days") if quarantine is None else quarantine,
        "reason": reason,
        "expected_version": held.get("version"),
    }


def _removed(erasure: JsonObject) -> str:
    return ", ".join(f"{place} {count}" for place, count in part(erasure, "removed").items())
