"""Commands about projects."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, parts
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table


@click.group()
def projects() -> None:
    """The projects that you can see."""


@projects.command("list")
@json_option
def list_projects(as_json: bool) -> None:
    """List projects with their environments."""
    with Connection(access()) as connection:
        found = list(connection.items("/projects"))
    if as_json:
        print_json(found)
        return
    print_table(
        ("key", "name", "environments"),
        (
            (p.get("key"), p.get("name"), ", ".join(str(e.get("key")) for e in parts(p, "environments")))
            for p in found
        ),
    )


@projects.command("exposure-tokens")
@click.argument("rule", type=click.Choice(["off", "issued", "required"]), required=False)
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@environment_option
@json_option
def exposure_tokens(*, rule: str | None, reason: str, project: str, environment: str, as_json: bool) -> None:
    """Show or set RULE: whether answers carry tokens of exposures, and whether client keys need them."""
    place = f"/projects/{project}/environments"
    with Connection(access()) as connection:
        if rule is None:
            found = _named(list(connection.items(place)), environment)
        else:
            asked: JsonObject = {"rule": rule, "reason": reason}
            found = connection.put(f"{place}/{environment}/exposure-tokens", asked)
    if as_json:
        print_json(found)
        return
    click.echo(f"Exposure tokens in {environment}: {found.get('exposure_tokens')}.")


@projects.command("rotate-token-key")
@click.option("--leaked", is_flag=True, help="Refuse at once whatever the keys before have signed.")
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@environment_option
def rotate_token_key(*, leaked: bool, reason: str, project: str, environment: str) -> None:
    """Sign exposure tokens with a new key."""
    with Connection(access()) as connection:
        connection.post(
            f"/projects/{project}/environments/{environment}/exposure-tokens/rotate",
            {"has_leaked": leaked, "reason": reason},
        )
    left = "earlier tokens are refused" if leaked else "earlier tokens are good until they expire"
    click.echo(f"Tokens in {environment} have a new key; {left}.")


def _named(environments: list[JsonObject], key: str) -> JsonObject:
    found = next((one for one in environments if one.get("key") == key), None)
    if found is None:
        known = ", ".join(str(one.get("key")) for one in environments)
        raise click.ClickException(f"The project has no environment “{key}”; it has: {known}.")
    return found
