"""Commands about flags: what they are, what they serve, kills, and why one unit gets what it gets."""

from __future__ import annotations

import json

import click

from equipoise_cli.answers import JsonObject, part, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import UNKNOWN, print_json, print_table, text_of


@click.group()
def flags() -> None:
    """All flags of a project."""


@flags.command("list")
@project_option
@json_option
def list_flags(project: str, as_json: bool) -> None:
    """List flags and the environments in which they are killed."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/flags"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "type", "kind", "name", "killed in"),
        (
            (f.get("key"), f.get("type"), f.get("kind"), f.get("name"), ", ".join(_killed_in(f)))
            for f in found
        ),
    )


@click.group()
def flag() -> None:
    """One flag."""


@flag.command("show")
@click.argument("key")
@project_option
@json_option
def show_flag(key: str, project: str, as_json: bool) -> None:
    """Show what a flag serves in every environment."""
    with Connection(access()) as connection:
        found = connection.get(f"/projects/{project}/flags/{key}")
    if as_json:
        print_json(found)
        return
    click.echo(f"{found.get('key')} ({found.get('type')}): {found.get('name')}")
    print_table(
        ("variant", "value"), ((v.get("key"), text_of(v.get("value"))) for v in parts(found, "variants"))
    )
    click.echo()
    print_table(
        ("environment", "state", "default", "off", "rules", "held by"),
        (
            (
                name,
                "killed" if s.get("killed_at") else "on",
                s.get("default"),
                s.get("off"),
                len(parts(s, "rules")),
                ", ".join(str(pin.get("experiment_key")) for pin in parts(s, "pins")),
            )
            for name in part(found, "settings")
            for s in (part(part(found, "settings"), name),)
        ),
    )


def _switch(verb: str, *, words: str) -> click.Command:
    """The command `kill` or `unkill`; they differ in the verb alone."""

    @click.command(verb, help=words)
    @click.argument("key")
    @project_option
    @environment_option
    @click.option("--reason", default="", help="Why; it is kept in the audit record.")
    @json_option
    def command(*, key: str, project: str, environment: str, reason: str, as_json: bool) -> None:
        path = f"/projects/{project}/flags/{key}/environments/{environment}/{verb}"
        with Connection(access()) as connection:
            settings = connection.post(path, {"reason": reason})
        if as_json:
            print_json(settings)
            return
        state = "killed" if settings.get("killed_at") else "on"
        served = settings.get("off") if settings.get("killed_at") else "what its rules say"
        click.echo(f"{key} is {state} in {environment}: it serves {served}.")

    return command


flag.add_command(_switch("kill", words="Serve the off variant at once; what runs on the flag is stopped."))
flag.add_command(_switch("unkill", words="Serve by the rules again; stopped experiments stay stopped."))


@flag.command("share")
@click.argument("key")
@click.argument("percent", type=click.FloatRange(0, 100))
@click.option("--rule", required=True, help="Id of the rollout rule; `flag show --json` has it.")
@click.option("--ring", default="", help="Name of the ring, when the rollout has rings.")
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@environment_option
@json_option
def set_share(
    *,
    key: str,
    percent: float,
    rule: str,
    ring: str,
    reason: str,
    project: str,
    environment: str,
    as_json: bool,
) -> None:
    """Roll a variant out to PERCENT of the units, now. Lowering pauses the rollout's schedule."""
    path = f"/projects/{project}/flags/{key}/environments/{environment}"
    body = {"rule": rule, "ring": ring, "parts_per_million": round(percent * 10_000), "reason": reason}
    with Connection(access()) as connection:
        version = connection.get(path).get("version")
        settings = connection.post(f"{path}/share", {**body, "expected_version": version})
    if as_json:
        print_json(settings)
        return
    click.echo(f"{key} rolls out to {percent:g} % in {environment}.")


@click.command()
@click.argument("overrides", metavar="FLAG=VARIANT…", nargs=-1, required=True)
@click.option("--hours", type=click.IntRange(1, 720), default=24, show_default=True)
@project_option
@environment_option
@json_option
def preview(*, overrides: tuple[str, ...], hours: int, project: str, environment: str, as_json: bool) -> None:
    """Make a link that shows chosen variants: append what is printed to an address of the application."""
    path = f"/projects/{project}/environments/{environment}/previews"
    with Connection(access()) as connection:
        made = connection.post(path, {"overrides": dict(map(_pair, overrides)), "hours": hours})
    if as_json:
        print_json(made)
        return
    click.echo(f"?{made.get('query')}")


@click.command()
@click.argument("key", metavar="FLAG")
@project_option
@environment_option
@click.option("--unit", "units", multiple=True, metavar="TYPE=ID", help="For example user=u1; repeatable.")
@click.option(
    "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="Repeatable; JSON or text."
)
@json_option
def explain(
    *,
    key: str,
    project: str,
    environment: str,
    units: tuple[str, ...],
    attributes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what a unit gets of FLAG now, and why, step by step. Nothing is counted as an exposure."""
    context = {
        "units": dict(map(_pair, units)),
        "attributes": {k: _value(v) for k, v in map(_pair, attributes)},
    }
    with Connection(access()) as connection:
        found = connection.post(
            f"/projects/{project}/environments/{environment}/explain", {"flag": key, "context": context}
        )
    if as_json:
        print_json(found)
        return
    decision = part(found, "decision")
    value, variant = text_of(decision.get("value")), decision.get("variant") or UNKNOWN
    click.echo(f"{key} = {value} (variant {variant}, {decision.get('reason')})")
    print_table(
        ("step", "about", "finding", "detail"),
        ((s.get("kind"), s.get("key"), s.get("finding"), _detail(s)) for s in parts(found, "steps")),
    )


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise click.UsageError(f"“{text}” is not NAME=VALUE.")
    return name, value


def _value(text: str) -> object:
    """An attribute as its type: true, 3 and "3" are read as JSON, anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _detail(step: JsonObject) -> str:
    return ", ".join(f"{name} {text_of(value)}" for name, value in part(step, "detail").items())


def _killed_in(flag: JsonObject) -> list[str]:
    settings = part(flag, "settings")
    return [name for name in settings if part(settings, name).get("killed_at")]
