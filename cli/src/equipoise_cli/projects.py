"""Commands about projects."""

from __future__ import annotations

import click

from equipoise_cli.answers import parts
from equipoise_cli.choices import json_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table


@click.group()
def projects() -> None:
    """The projects that you can see."""


@projects.command("list")
@json_option
def list_projects(as_json: bool) -> None:
    """List projects with their environments."""
    with Connection(access()) as connection:
        found = list(connection.items("/projects"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "environments"),
        (
            (p.get("key"), p.get("name"), ", ".join(str(e.get("key")) for e in parts(p, "environments")))
            for p in found
        ),
    )
