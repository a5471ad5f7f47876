"""Commands about experiments: list, show, report, launch, stop; and those about who takes part."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, part, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.jobs import refresh_experiment
from equipoise_cli.printing import print_json, print_table
from equipoise_cli.reports import print_report
from equipoise_cli.traffic import pause_ramp, preview_draft, resume_ramp, widen_experiment


@click.group()
def experiment() -> None:
    """Experiments of a project."""


@experiment.command("list")
@project_option
@click.option("--status", help="Only those that are draft, running, stopped, decided or archived.")
@json_option
def list_experiments(project: str, status: str | None, *, as_json: bool) -> None:
    """List experiments with what is known about them."""
    query = {} if status is None else {"status": status}
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/experiments", **query))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "status", "verdict", "name"),
        ((e.get("key"), e.get("status"), part(e, "verdict").get("state"), e.get("name")) for e in found),
    )


@experiment.command("show")
@click.argument("key")
@project_option
@json_option
def show_experiment(key: str, project: str, *, as_json: bool) -> None:
    """Show an experiment's plan and state."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/experiments/{key}")
    if as_json:
        print_json(found)
        return
    _print_experiment(found)


@experiment.command("report")
@click.argument("key")
@project_option
@json_option
def show_report(key: str, project: str, *, as_json: bool) -> None:
    """Show the last report, or why there are no results."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/experiments/{key}/report")
    if as_json:
        print_json(found)
        return
    print_report(found)


@experiment.command("launch")
@click.argument("key")
@project_option
@environment_option
@json_option
def launch_experiment(key: str, project: str, environment: str, *, as_json: bool) -> None:
    """Start a draft; everything that is missing is listed at once."""
    path = f"/projects/{project}/experiments/{key}"
    with Connection(access()) as connection:
        version = connection.get(path).get("version")
        found = connection.post(f"{path}/launch", {"environment": environment, "expected_version": version})
    if as_json:
        print_json(found)
        return
    click.echo(f"{key} is {found.get('status')} in {environment}.")


@experiment.command("stop")
@click.argument("key")
@project_option
@click.option("--reason", required=True, help="Why; it is kept in the audit record.")
@json_option
def stop_experiment(key: str, project: str, reason: str, *, as_json: bool) -> None:
    """End the run; everybody it enrolled gets the control."""
    with Connection(access()) as connection:
        found = connection.post(f"/projects/{project}/experiments/{key}/stop", {"reason": reason})
    if as_json:
        print_json(found)
        return
    click.echo(f"{key} is {found.get('status')}.")


@experiment.command("sign-false-alarm")
@click.argument("key")
@project_option
@click.option("--reason", required=True, help="What you looked at; it stays with the results.")
@json_option
def sign_false_alarm(key: str, project: str, reason: str, *, as_json: bool) -> None:
    """Sign that the lock of the split came by chance; two people do, once later units are in balance."""
    with Connection(access()) as connection:
        found = connection.post(f"/projects/{project}/experiments/{key}/false-alarm", {"reason": reason})
    if as_json:
        print_json(found)
    elif found.get("is_ended"):
        click.echo(f"Two people have signed: the lock of {key} has ended; the next refresh makes results.")
    else:
        click.echo(f"Signed. Somebody else has to sign {key}, too; then the lock ends.")


@experiment.command("add-metric")
@click.argument("key")
@click.argument("metric")
@project_option
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@json_option
def add_metric(key: str, metric: str, project: str, reason: str, *, as_json: bool) -> None:
    """Measure what runs by one more metric, a diagnostic, over its whole history."""
    path = f"/projects/{project}/experiments/{key}"
    with Connection(access()) as connection:
        body = {"metric": metric, "reason": reason, "expected_version": connection.get(path).get("version")}
        found = connection.post(f"{path}/metrics", body)
    if as_json:
        print_json(found)
        return
    click.echo(f"{key} is measured by {metric}, too, from the next refresh on.")


for command in (preview_draft, widen_experiment, pause_ramp, resume_ramp, refresh_experiment):
    experiment.add_command(command)


def _print_experiment(found: JsonObject) -> None:
    design = part(found, "design")
    click.echo(f"{found.get('key')} ({found.get('status')}): {found.get('name')}")
    click.echo(f"Hypothesis: {design.get('hypothesis')}")
    if sentence := part(found, "verdict").get("sentence"):
        click.echo(str(sentence))
    click.echo()
    print_table(
        ("arm", "weight", "serves"),
        (
            (arm.get("key"), arm.get("weight"), ", ".join(f"{f}={v}" for f, v in part(arm, "values").items()))
            for arm in parts(design, "arms")
        ),
    )
    click.echo()
    print_table(("metric", "role"), ((m.get("key"), m.get("role")) for m in parts(design, "metrics")))
    click.echo()
    print_table(
        ("iteration", "started", "planned end", "stopped"),
        (
            (run.get("number"), run.get("started_at"), run.get("planned_end_at"), run.get("stopped_at"))
            for run in parts(found, "iterations")
        ),
    )
