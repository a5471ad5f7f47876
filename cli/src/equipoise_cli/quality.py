"""Commands about events: what became of them, why some are in quarantine, and replaying those."""

from __future__ import annotations

from collections.abc import Sequence

import click

from equipoise_cli.answers import JsonObject, part
from equipoise_cli.choices import environment_option, json_option, project_option
from equipoise_cli.configuration import access
from equipoise_cli.connection import Connection
from equipoise_cli.printing import print_json, print_table

_NUMBERS = ("received", "accepted", "duplicates", "quarantined", "waiting", "erased", "late", "dropped")
_REPAIRS = ("set_unit_type", "rename_unit_type", "rename_property", "rename_member")


@click.group()
def quality() -> None:
    """Data quality: where events went, and the quarantine."""


@quality.command("show")
@click.option("--days", default=7, show_default=True, help="Today and the UTC days before it.")
@project_option
@environment_option
@json_option
def show(days: int, project: str, environment: str, as_json: bool) -> None:
    """Six numbers that add up, by day and by sender."""
    with Connection(access()) as connection:
        found = connection.get(f"{_place(project, environment)}/data-quality", days=str(days))
    if as_json:
        print_json(found)
        return
    rows = [("all", *_counts(found))]
    rows += [(str(day.get("day")), *_counts(day)) for day in _objects(found, "days")]
    print_table(("day", *_NUMBERS), rows)
    click.echo()
    senders = [(_sender(line), *_counts(line)) for line in _objects(found, "senders")]
    print_table(("sender", *_NUMBERS), senders)


@quality.command("faults")
@project_option
@environment_option
@json_option
def faults(project: str, environment: str, as_json: bool) -> None:
    """Why events are in quarantine, the most frequent reason first."""
    with Connection(access()) as connection:
        found = list(connection.items(f"{_place(project, environment)}/quarantine"))
    if as_json:
        print_json(found)
        return
    rows = (
        (one.get("key"), one.get("events"), one.get("kept"), one.get("last_at"), "; ".join(_texts(one)))
        for one in found
    )
    print_table(("key", "events", "can be replayed", "last", "problems"), rows)


@quality.command("replay")
@click.argument("fault")
@click.option(
    "--repair",
    "repairs",
    multiple=True,
    metavar="KIND:OLD:NEW",
    help=f"What to put right first; KIND is one of {', '.join(_REPAIRS)}. Several are made in their order.",
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be accepted.")
@click.option("--reason", default="", help="Why; it is kept in the audit record.")
@project_option
@environment_option
@json_option
def replay(
    *, fault: str, repairs: tuple[str, ...], dry_run: bool, reason: str, project: str, environment: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Judge the events of one reason again; what is still refused stays in quarantine."""
    body: JsonObject = {"fault": fault, "repairs": _repairs(repairs), "reason": reason}
    door = "preview" if dry_run else "replays"
    with Connection(access()) as connection:
        answer = connection.post(f"{_place(project, environment)}/quarantine/{door}", body)
    if as_json:
        print_json(answer)
    elif dry_run:
        click.echo(f"{answer.get('accepted')} of {answer.get('chosen')} events would be accepted.")
        for problem, count in part(answer, "reasons").items():
            click.echo(f"  {count} would stay: {problem}")
    else:
        click.echo(f"{answer.get('chosen')} events will be judged again by the worker.")


def _place(project: str, environment: str) -> str:
    return f"/projects/{project}/environments/{environment}"


def _repairs(given: Sequence[str]) -> list[JsonObject]:
    made: list[JsonObject] = []
    for text in given:
        kind, *names = text.split(":")
        wanted = 2 if kind != "set_unit_type" else 1
        if kind not in _REPAIRS or len(names) != wanted:
            told = f"{text}: write set_unit_type:NEW, or KIND:OLD:NEW with KIND of {', '.join(_REPAIRS[1:])}."
            raise click.BadParameter(told, param_hint="--repair")
        made.append({"kind": kind, "old": names[0] if wanted > 1 else "", "new": names[-1]})
    return made


def _counts(line: JsonObject) -> tuple[object, ...]:
    numbers = part(line, "numbers")
    return tuple(numbers.get(name) for name in _NUMBERS)


def _objects(found: JsonObject, name: str) -> list[JsonObject]:
    items = found.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _texts(fault: JsonObject) -> list[str]:
    problems = fault.get("problems")
    return [str(problem) for problem in problems] if isinstance(problems, list) else []


def _sender(line: JsonObject) -> str:
    return " · ".join(str(line[name]) for name in ("sender_key", "program") if line.get(name))
