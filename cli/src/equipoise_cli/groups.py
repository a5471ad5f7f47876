"""Commands about groups of flags: which there are, and killing one."""

from __future__ import annotations

import click

from equipoise_cli.answers import part
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table


@click.group()
def groups() -> None:
    """All groups of flags of a project."""


@groups.command("list")
@project_option
@json_option
def list_groups(project: str, as_json: bool) -> None:
    """List groups, their flags, and where they are killed."""
    with Connection(access()) as connection:
        found = list(connection.items(f"/projects/{project}/groups"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "flags", "killed in"),
        ((g.get("key"), g.get("name"), _flags(g), ", ".join(part(g, "killed"))) for g in found),
    )


@click.group()
def group() -> None:
    """One group of flags."""


def _switch(verb: str, *, words: str) -> click.Command:
    """The command `kill` or `unkill`; they differ in the verb alone."""

    @click.command(verb, help=words)
    @click.argument("key")
    @project_option
    @environment_option
    @click.option("--reason", default="", help="Why; it is kept in the audit record.")
    @json_option
    def command(*, key: str, project: str, environment: str, reason: str, as_json: bool) -> None:
        path = f"/projects/{project}/groups/{key}/environments/{environment}/{verb}"
        with Connection(access()) as connection:
            changed = connection.post(path, {"reason": reason})
        if as_json:
            print_json(changed)
            return
        state = "killed" if environment in part(changed, "killed") else "on"
        click.echo(f"The group {key} is {state} in {environment}: {_flags(changed) or 'no flags'}.")

    return command


def _flags(group: dict[str, object]) -> str:
    flags = group.get("flags")
    return ", ".join(map(str, flags)) if isinstance(flags, list) else ""


group.add_command(_switch("kill", words="Serve the off variants of its flags at once; what runs is stopped."))
group.add_command(_switch("unkill", words="Serve by the flags' own settings again."))
