"""Commands about projects."""

from __future__ import annotations

import click

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
        ((p.get("key"), p.get("name"), ", ".join(_environment_keys(p))) for p in found),
    )


def _environment_keys(project: dict[str, object]) -> list[str]:
    environments = project.get("environments")
    if not isinstance(environments, list):
        return []
    return [str(e["key"]) for e in environments if isinstance(e, dict)]
