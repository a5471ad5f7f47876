"""Commands about jobs: what waits, runs and failed; try again, cancel; and whether a worker lives."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, number, part, parts
from equipoise_cli.choices import json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

STATES = ("scheduled", "queued", "running", "retrying", "failed", "done", "cancelled")


@click.group()
def jobs() -> None:
    """Work that is done by itself: refreshes, audits, compaction."""


@jobs.command("list")
@project_option
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@json_option
def list_jobs(project: str, state: str | None, *, as_json: bool) -> None:
    """List jobs, the newest first; says first when no worker lives."""
    query = {} if state is None else {"state": state}
    with Connection(access()) as connection:
        worker = connection.get(f"/projects/{project}/worker")
        found = list(connection.items(f"/projects/{project}/jobs", **query))
    if as_json:
        print_json(found)
        return
    if worker.get("is_down"):
        click.echo("No worker lives: nothing of this is done. Start `equipoise-server worker`.", err=True)
    print_table(
        ("id", "job", "about", "state", "attempts", "due", "progress or reason"),
        (
            (
                job.get("id"), job.get("title"), job.get("label"), job.get("state"), job.get("attempts"),
                job.get("due_at"), _says(job),
            )
            for job in found
        ),
    )  # fmt: skip


@jobs.command("show")
@click.argument("job", type=int)
@project_option
@json_option
def show_job(job: int, project: str, *, as_json: bool) -> None:
    """Show one job: how far it is, what it took, and why it failed."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/jobs/{job}")
    if as_json:
        print_json(found)
        return
    _print_job(found)


def _act(verb: str, *, words: str) -> click.Command:
    """The command `retry` or `cancel`; they differ in the verb alone."""

    @click.command(verb, help=words)
    @click.argument("job", type=int)
    @project_option
    @click.option("--reason", default="", help="Why; it is kept in the audit record.")
    @json_option
    def command(*, job: int, project: str, reason: str, as_json: bool) -> None:
        with Connection(access()) as connection:
            found = connection.post(f"/projects/{project}/jobs/{job}/{verb}", {"reason": reason})
        if as_json:
            print_json(found)
            return
        _print_job(found)

    return command


jobs.add_command(_act("retry", words="Try a failed job again now."))
jobs.add_command(_act("cancel", words="Stop a job at its next step; what it made before stays."))


@click.command("refresh")
@click.argument("key")
@project_option
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@json_option
def refresh_experiment(*, key: str, project: str, reason: str, as_json: bool) -> None:
    """Make an experiment's report again as soon as a worker is free. It never adds a look."""
    with Connection(access()) as connection:
        found = connection.post(f"/projects/{project}/experiments/{key}/refresh", {"reason": reason})
    if as_json:
        print_json(found)
        return
    _print_job(found)


def _print_job(found: JsonObject) -> None:
    about = f" of {found.get('label')}" if found.get("label") else ""
    state = "stopping" if found.get("is_stopping") else found.get("state")
    click.echo(f"{found.get('id')}: {found.get('title')}{about} is {state}.")
    if says := _says(found):
        click.echo(says)
    cost = part(found, "cost")
    if cost:
        seconds = number(cost, "cpu_seconds") or 0.0
        click.echo(
            f"It read {number(cost, 'rows_read') or 0:,.0f} rows, {number(cost, 'bytes_read') or 0:,.0f} "
            f"bytes, and took {seconds:.2f} processor seconds."
        )


def _says(job: JsonObject) -> str:
    progress = part(job, "progress")
    if progress:
        steps = f" (step {int(number(progress, 'done') or 0) + 1} of {progress.get('of')})"
        return f"{progress.get('phase')}{steps if progress.get('of') else ''}"
    return " ".join(
        f"{one.get('field')}: {one.get('message')}" if one.get("field") else str(one.get("message"))
        for one in parts(job, "problems")
    )
