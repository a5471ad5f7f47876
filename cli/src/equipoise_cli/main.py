"""`equipoise`: the management API from a terminal or a pipeline. Composes the commands; knows no resource.

Exit codes: 0 done, 1 the server refused, 2 the command line is wrong, 3 the server did not answer.
"""

from __future__ import annotations

import click

from equipoise_cli.configuration import Access, remember
from equipoise_cli.connection import Connection
from equipoise_cli.experiments import experiment
from equipoise_cli.filters import traffic_filter
from equipoise_cli.flags import explain, flag, flags, preview
from equipoise_cli.groups import group, groups
from equipoise_cli.health import health
from equipoise_cli.imports import import_file
from equipoise_cli.jobs import jobs
from equipoise_cli.metrics import metrics
from equipoise_cli.privacy import privacy
from equipoise_cli.projects import projects
from equipoise_cli.quality import quality
from equipoise_cli.segments import segment, segments
from equipoise_cli.sources import sources
from equipoise_cli.traffic import holdout, layer


@click.group()
@click.version_option(package_name="equipoise-cli")
def main() -> None:
    """Feature flags and experiments of an Equipoise server."""


@main.command()
@click.option("--server", required=True, help="Where the server is, for example http://127.0.0.1:8000.")
@click.option("--token", required=True, help="A management token of yours.", prompt=True, hide_input=True)
def login(server: str, token: str) -> None:
    """Check a token and keep it for later commands, in a file that only you can read."""
    access = Access(server.rstrip("/"), token)
    with Connection(access) as connection:
        keys = [str(project.get("key")) for project in connection.items("/projects")]
    path = remember(access)
    click.echo(f"Kept in {path}. You can see: {', '.join(keys) or 'no project yet'}.")


for command in (
    *(projects, flags, flag, groups, group, segments, segment, preview, explain),
    *(
        experiment,
        layer,
        holdout,
        traffic_filter,
        metrics,
        sources,
        import_file,
        privacy,
        jobs,
        quality,
        health,
    ),
):
    main.add_command(command)
