"""Commands about who takes part: widen, pause and resume ramps, preview a draft, layers and holdouts."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, number, part, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

PARTS = 1_000_000
SLOTS = 10_000


@click.command("widen")
@click.argument("key")
@click.argument("percent", type=click.FloatRange(0, 100, min_open=True))
@project_option
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@json_option
def widen_experiment(key: str, percent: float, project: str, reason: str, *, as_json: bool) -> None:
    """Let a larger share take part; nobody leaves and nobody changes arms."""
    path = f"/projects/{project}/experiments/{key}"
    with Connection(access()) as connection:
        version = connection.get(path).get("version")
        body = {"parts_per_million": round(percent * PARTS / 100), "reason": reason}
        found = connection.post(f"{path}/widen", {**body, "expected_version": version})
    if as_json:
        print_json(found)
        return
    click.echo(f"{percent:g} % take part in {key}.")


@click.command("pause")
@click.argument("key")
@project_option
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@json_option
def pause_ramp(key: str, project: str, reason: str, *, as_json: bool) -> None:
    """Pause the ramp: the share stays as it is."""
    found = _moved_ramp(f"/projects/{project}/experiments/{key}/ramp/pause", reason)
    print_json(found) if as_json else click.echo(f"{key}: the ramp is paused.")


@click.command("resume")
@click.argument("key")
@project_option
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@json_option
def resume_ramp(key: str, project: str, reason: str, *, as_json: bool) -> None:
    """Go on with the ramp; its steps move back by the length of the pause."""
    found = _moved_ramp(f"/projects/{project}/experiments/{key}/ramp/resume", reason)
    print_json(found) if as_json else click.echo(f"{key}: the ramp goes on.")


def _moved_ramp(path: str, reason: str) -> JsonObject:
    with Connection(access()) as connection:
        return connection.post(path, {"reason": reason})


@click.command("preview")
@click.argument("key")
@project_option
@environment_option
@json_option
def preview_draft(key: str, project: str, environment: str, *, as_json: bool) -> None:
    """Show who would get what if a draft were launched now, and how many a day could take part."""
    path = f"/projects/{project}/experiments/{key}/preview/{environment}"
    with Connection(access()) as connection:
        found = connection.get(path)
        if as_json:
            print_json(found)
            return
        size = connection.get(f"{path}/audience")
    missing = found.get("missing")
    if isinstance(missing, list) and missing:
        click.echo("Not yet: " + " ".join(map(str, missing)))
    else:
        rest = {name: found.get(name) for name in ("held", "elsewhere", "outside")}
        heading = ("of made-up eligible units", str(found.get("units")))
        print_table(heading, {**part(found, "arms"), **rest}.items())
    daily = number(size, "units_per_day")
    if daily is None:
        click.echo(f"How many are eligible a day is not known: {size.get('reason')}.")
    else:
        days = number(size, "days") or 0.0
        click.echo(f"{daily:,.0f} eligible units a day, going by the last {days:g} days.")


@click.group()
def layer() -> None:
    """Layers of an environment."""


@layer.command("list")
@project_option
@environment_option
@json_option
def list_layers(project: str, environment: str, *, as_json: bool) -> None:
    """List layers with what is free and who holds what."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/environments/{environment}/layers"))
    if as_json:
        print_json(found)
        return
    rows = []
    for one in found:
        free = one.get("free_slots")
        holders = [str(taken.get("experiment")) for taken in parts(one, "taken")]
        nested = [f"layer {inner.get('layer')}" for inner in parts(one, "domains")]
        share = f"{free / SLOTS * 100:g} %" if isinstance(free, int) else ""
        rows.append((one.get("key"), one.get("unit_type"), share, ", ".join([*holders, *nested])))
    print_table(("key", "by", "free", "held by"), rows)


@click.group()
def holdout() -> None:
    """Holdouts that may cover a project."""


@holdout.command("list")
@project_option
@json_option
def list_holdouts(project: str, *, as_json: bool) -> None:
    """List holdouts with their share and season."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/holdouts"))
    if as_json:
        print_json(found)
        return
    rows = []
    for one in found:
        share, season = one.get("parts_per_million"), parts(one, "seasons")[-1]
        ends = one.get("closed_at") or season.get("ends_at")
        percent = f"{share / PARTS * 100:g} %" if isinstance(share, int) else ""
        rows.append((one.get("key"), percent, one.get("unit_type"), season.get("number"), ends))
    print_table(("key", "share", "by", "season", "until"), rows)


@holdout.command("show")
@click.argument("key")
@project_option
@json_option
def show_holdout(key: str, project: str, *, as_json: bool) -> None:
    """Show which flags a holdout keeps back, and what its units get."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/holdouts/{key}")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.get('key')}: {found.get('name')}")
    print_table(
        ("flag", "baseline", "since"),
        ((one.get("flag_key"), one.get("baseline"), one.get("since")) for one in parts(found, "covered")),
    )
