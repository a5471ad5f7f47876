"""`equipoise traffic-filter`: which units leave every analysis of a project."""

from __future__ import annotations

import json
from pathlib import Path

import click

from equipoise_cli.answers import JsonObject, parts
from equipoise_cli.choices import json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("traffic-filter")
def traffic_filter() -> None:
    """Bots, colleagues and tests: units that leave every analysis."""


@traffic_filter.command("show")
@project_option
@json_option
def show_filter(*, project: str, as_json: bool) -> None:
    """Show the rules that experiments which start now will keep."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/traffic-filter")
    _told(found, as_json=as_json)


@traffic_filter.command("set")
@click.argument("file", type=EXISTING_FILE)
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@json_option
def set_filter(*, file: Path, reason: str, project: str, as_json: bool) -> None:
    """Set all rules from FILE, a JSON list of them; an empty list leaves nobody out."""
    try:
        rules = json.loads(file.read_text())
    except ValueError as fault:
        raise click.ClickException(f"{file} is not JSON: {fault}") from fault
    path = f"/projects/{project}/traffic-filter"
    with Connection(access()) as connection:
        version = connection.get(path).get("version")
        made = connection.put(path, {"rules": rules, "reason": reason, "expected_version": version})
    _told(made, as_json=as_json)


def _told(found: JsonObject, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    rules = parts(found, "rules")
    click.echo(f"Version {found.get('version')}, {len(rules)} rules.")
    if rules:
        print_table(("key", "name", "test", "limit"), ((_row(rule)) for rule in rules))


def _row(rule: JsonObject) -> tuple[object, ...]:
    if rule.get("test") != "attribute":
        return rule.get("key"), rule.get("name"), rule.get("test"), f"more than {rule.get('most')}"
    values = rule.get("values")
    told = " or ".join(map(str, values)) if isinstance(values, list) else ""
    return rule.get("key"), rule.get("name"), rule.get("attribute"), f"{rule.get('operator')} {told}"
