"""`equipoise metrics`: the catalogue as a file, looks at what metrics read, and certification."""

from __future__ import annotations

from pathlib import Path

import click

from equipoise_cli.answers import JsonObject, part, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.looks import print_preview
from equipoise_cli.printing import print_json, print_table

EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def metrics() -> None:
    """Metrics as YAML files."""


@metrics.command()
@project_option
def export(*, project: str) -> None:
    """Print the catalogue as a file that reads back the same."""
    with Connection(access()) as connection:
        click.echo(str(connection.get(f"/projects/{project}/metric-file").get("yaml", "")), nl=False)


@metrics.command()
@click.argument("file", type=EXISTING_FILE)
@project_option
@json_option
def plan(*, file: Path, project: str, as_json: bool) -> None:
    """Show what applying FILE would change; nothing is changed."""
    _send(file, f"/projects/{project}/metric-file/plan", as_json=as_json)


@metrics.command()
@click.argument("file", type=EXISTING_FILE)
@project_option
@json_option
def apply(*, file: Path, project: str, as_json: bool) -> None:
    """Make the catalogue say what FILE says, all or nothing; metrics it does not name stay."""
    _send(file, f"/projects/{project}/metric-file/apply", as_json=as_json)


@metrics.command()
@click.argument("key")
@project_option
@environment_option
@json_option
def preview(*, key: str, project: str, environment: str, as_json: bool) -> None:
    """Look at what the metric KEY reads: how much of late, how its numbers spread, and a few rows."""
    with Connection(access()) as connection:
        answer = connection.get(f"/projects/{project}/metrics/{key}/preview", environment=environment)
    if as_json:
        print_json(answer)
        return
    for fact in parts(answer, "facts"):
        click.echo(f"{fact.get('place')}: {fact.get('reads')}")
        print_preview(part(fact, "preview"))


@metrics.command()
@click.argument("key")
@click.option("--note", required=True, help="What you looked at before you vouch for it.")
@project_option
@json_option
def certify(*, key: str, note: str, project: str, as_json: bool) -> None:
    """Vouch for the newest version of the metric KEY; its author cannot."""
    path = f"/projects/{project}/metrics/{key}"
    with Connection(access()) as connection:
        edition = connection.get(path).get("edition")
        answer = connection.post(f"{path}/certify", {"note": note, "expected_version": edition})
    if as_json:
        print_json(answer)
        return
    click.echo(f"Certified {answer.get('key')} at version {answer.get('version')}.")


def _send(file: Path, path: str, *, as_json: bool) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as fault:
        raise click.UsageError(f"{file} is not text in UTF-8.") from fault
    with Connection(access()) as connection:
        answer = connection.post(path, {"yaml": text})
    if as_json:
        print_json(answer)
        return
    print_table(("metric", "step", "version", "changes"), (_row(one) for one in parts(answer, "steps")))


def _row(step: JsonObject) -> tuple[object, ...]:
    fields = step.get("fields")
    changes = ", ".join(map(str, fields)) if isinstance(fields, list) else ""
    return step.get("key"), step.get("step"), step.get("version"), changes
