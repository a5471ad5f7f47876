"""`equipoise import`: a past experiment from a file of raw data and a mapping of its columns."""

from __future__ import annotations

from pathlib import Path

import click

from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json
from equipoise_cli.reports import print_report

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("file", type=EXISTING_FILE, required=False)
@click.option("--source", default="", help="A source whose rows are the exposures, instead of a file.")
@click.option("--mapping", type=EXISTING_FILE, required=True, help="What the columns mean, as TOML or JSON.")
@project_option
@environment_option
@json_option
def import_file(
    *, file: Path | None, source: str, mapping: Path, project: str, environment: str, as_json: bool
) -> None:
    """Import FILE (CSV, CSV.gz or Parquet), or a source, as a finished experiment, and show its report.

    Importing the same file again adds nothing.
    """
    if (file is None) is (source == ""):
        raise click.UsageError("Give either a FILE or --source.")
    fields = {"environment": environment, "mapping": _text_of(mapping)}
    path = f"/projects/{project}/imports"
    with Connection(access()) as connection:
        if file is None:
            made = connection.upload(path, None, {**fields, "source": source})
        else:
            with file.open("rb") as data:
                made = connection.upload(path, (file.name, data), fields)
        report = connection.get(f"/projects/{project}/experiments/{made.get('experiment')}/report")
    if as_json:
        print_json(report)
        return
    click.echo(f"Imported as {made.get('experiment')}.")
    print_report(report)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise click.UsageError(f"{path} is not text in UTF-8.") from fault
