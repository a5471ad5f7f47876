"""`equipoise sources`: tables and queries that metrics read, the connections to them, and looks at them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click

from equipoise_cli.answers import JsonObject, part
from equipoise_cli.choices import json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.looks import print_estimate, print_exposures, print_preview, print_reading
from equipoise_cli.printing import print_json, print_table

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def sources() -> None:
    """Tables and queries that metrics read besides events."""


@sources.command("list")
@project_option
@json_option
def list_sources(*, project: str, as_json: bool) -> None:
    """List the project's sources."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/sources"))
    if as_json:
        print_json(found)
        return
    print_table(("source", "name", "connection", "reads"), (_row(one) for one in found))


@sources.command()
@click.argument("key")
@click.option("--kind", type=click.Choice(["files", "postgresql", "prometheus"]), required=True)
@click.option("--location", required=True, help="A directory or .duckdb file, or postgresql://role@host/db.")
@click.option("--password-from", default="", help="env:EQUIPOISE_SOURCE_… or file:NAME, on the server.")
@project_option
@json_option
def connect(*, key: str, kind: str, location: str, password_from: str, project: str, as_json: bool) -> None:
    """Add the connection KEY. A password is never sent: say where the server finds it."""
    body: JsonObject = {
        "key": key, "kind": kind, "location": location, "password_from": password_from
    }  # fmt: skip
    with Connection(access()) as connection:
        made = connection.post(f"/projects/{project}/connections", body)
    _told(made, f"Connected as {made.get('key')}.", as_json=as_json)


@sources.command()
@click.argument("file", type=EXISTING_FILE)
@project_option
@json_option
def add(*, file: Path, project: str, as_json: bool) -> None:
    """Add the source that FILE (TOML or JSON) describes; its columns are looked for at once."""
    with Connection(access()) as connection:
        made = connection.post(f"/projects/{project}/sources", _document(file))
    _told(made, f"Added {made.get('ref')}.", as_json=as_json)


@sources.command()
@click.argument("key")
@project_option
@json_option
def estimate(*, key: str, project: str, as_json: bool) -> None:
    """Tell what a preview of KEY would cost, where the engine says so."""
    with Connection(access()) as connection:
        answer = connection.get(f"/projects/{project}/sources/{key}/estimate")
    if as_json:
        print_json(answer)
    elif part(answer, "estimate"):
        print_estimate(part(answer, "estimate"))
    else:
        click.echo("This engine tells no estimate.")


@sources.command()
@click.argument("key")
@project_option
@json_option
def preview(*, key: str, project: str, as_json: bool) -> None:
    """Look at the last 28 days of KEY: rows with shortened ids, how much, and how numbers spread."""
    with Connection(access()) as connection:
        answer = connection.get(f"/projects/{project}/sources/{key}/preview")
    if as_json:
        print_json(answer)
    else:
        print_preview(answer)


@sources.command()
@click.argument("experiment")
@click.option("--look", is_flag=True, help="Read the table: rows by variant, and what is odd about them.")
@project_option
@json_option
def exposures(*, experiment: str, look: bool, project: str, as_json: bool) -> None:
    """Tell which table EXPERIMENT reads its exposures from, and how far."""
    path = f"/projects/{project}/experiments/{experiment}/exposures"
    with Connection(access()) as connection:
        answer = connection.get(f"{path}/preview" if look else path)
    if as_json:
        print_json(answer)
    elif look:
        print_exposures(answer)
    else:
        print_reading(answer)


def _row(source: JsonObject) -> tuple[object, ...]:
    shape = part(source, "shape")
    return source.get("ref"), source.get("name"), shape.get("connection"), shape.get("table") or "a query"


def _told(made: JsonObject, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        click.echo(sentence)


def _document(file: Path) -> JsonObject:
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (UnicodeDecodeError, ValueError) as fault:
        raise click.UsageError(f"{file} is neither TOML nor JSON in UTF-8: {fault}.") from fault
    if not isinstance(found, dict):
        raise click.UsageError(f"{file} describes no source; write name = …, key = … and [shape].")
    return found
