"""`equipoise import`: a past experiment from a file of raw data and a mapping of its columns."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import click

from equipoise_cli.answers import part
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json
from equipoise_cli.reports import print_report

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--mapping", type=EXISTING_FILE, required=True, help="What the columns mean: a .toml or .json file."
)
@project_option
@environment_option
@json_option
def import_file(*, file: Path, mapping: Path, project: str, environment: str, as_json: bool) -> None:
    """Import FILE (CSV, CSV.gz or Parquet) as a finished experiment, and show its report.

    Importing the same file again adds nothing.
    """
    fields = {"environment": environment, "mapping": json.dumps(_read_mapping(mapping), default=str)}
    with Connection(access()) as connection, file.open("rb") as data:
        imported = connection.upload(f"/projects/{project}/imports", (file.name, data), fields)
    if as_json:
        print_json(imported)
        return
    print_report(part(imported, "report"))


def _read_mapping(path: Path) -> dict[str, object]:
    """The mapping as JSON would have it; dates of TOML become RFC 3339."""
    text = path.read_text(encoding="utf-8")
    try:
        content: object = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as fault:
        raise click.UsageError(f"{path} is neither TOML nor JSON: {fault}") from fault
    if not isinstance(content, dict):
        raise click.UsageError(f"{path} must hold one object.")
    return content
