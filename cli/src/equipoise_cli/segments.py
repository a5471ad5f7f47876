"""Commands about segments: which there are, who is in a list, and filling one from a file."""

from __future__ import annotations

from pathlib import Path

import click

from equipoise_cli.answers import part
from equipoise_cli.choices import json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def segments() -> None:
    """All segments of a project."""


@segments.command("list")
@project_option
@json_option
def list_segments(project: str, as_json: bool) -> None:
    """List segments; lists of units with their size."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/segments"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "kind", "members"),
        (
            (
                s.get("key"),
                s.get("name"),
                "list" if s.get("members") else "condition",
                part(s, "members").get("member_count", "") if s.get("members") else "",
            )
            for s in found
        ),
    )


@click.group()
def segment() -> None:
    """One segment."""


@segment.command("upload")
@click.argument("key")
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--how", type=click.Choice(["replace", "append", "remove"]), default="replace", show_default=True
)
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@json_option
def upload(*, key: str, file: Path, how: str, reason: str, project: str, as_json: bool) -> None:
    """Change the list KEY by the unit ids in FILE: one a line, or the first column of a CSV."""
    path = f"/projects/{project}/segments/{key}/members/upload"
    with Connection(access()) as connection, file.open("rb") as data:
        changed = connection.upload(path, (file.name, data), {"how": how, "reason": reason})
    if as_json:
        print_json(changed)
        return
    members = part(changed, "members")
    click.echo(f"{key} has {members.get('member_count')} {members.get('unit_type')}s now.")


@segment.command("has")
@click.argument("key")
@click.argument("unit")
@project_option
@json_option
def has(key: str, unit: str, project: str, as_json: bool) -> None:
    """Say whether UNIT is in the list KEY."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/segments/{key}/members", unit=unit)
    if as_json:
        print_json(found)
        return
    click.echo(f"{unit} is {'in' if found.get('is_member') else 'not in'} {key}.")
