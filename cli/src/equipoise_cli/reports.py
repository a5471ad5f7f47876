"""A report as a small table. Shows what the API gives and computes nothing; a withheld one has no number."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, number, part, parts, texts
from equipoise_cli.printing import UNKNOWN, print_table


def print_report(report: JsonObject) -> None:
    """Print the sentence, the arms and, unless they are withheld, the results."""
    click.echo(f"{report.get('verdict')}: {report.get('sentence')}")
    click.echo()
    print_table(
        ("arm", "exposed units", "planned share"),
        (
            (a.get("name") or a.get("arm"), a.get("exposed"), _percent(a, "planned_share"))
            for a in parts(report, "arms")
        ),
    )
    click.echo(f"Sample ratio: {part(report, 'srm').get('state')} (p = {_p_value(part(report, 'srm'))})")
    for note in parts(report, "notes"):
        click.echo(f"{note.get('level')}: {note.get('title')}. {note.get('message')}")
    click.echo()
    if report.get("results") is None:
        _print_withheld(part(report, "withheld"))
    else:
        _print_results(part(report, "results"))


def _print_withheld(withheld: JsonObject) -> None:
    click.echo(str(withheld.get("title")))
    click.echo(str(withheld.get("explanation")))
    for check in texts(withheld, "what_to_check"):
        click.echo(f"  - {check}")


def _print_results(results: JsonObject) -> None:
    print_table(
        ("metric", "role", "arm", "control", "treatment", "lift", "interval", "conclusion", "why unknown"),
        (
            (
                row.get("name"),
                row.get("role"),
                row.get("arm"),
                _plain(row, "control_value"),
                _plain(row, "treatment_value"),
                _percent(row, "lift"),
                _interval(part(row, "lift_interval")),
                part(row, "guardrail").get("state") or row.get("conclusion"),
                row.get("reason"),
            )
            for row in parts(results, "rows")
        ),
    )
    click.echo(f"Intervals: {results.get('method')}; data up to {results.get('looked_at')}.")


def _interval(interval: JsonObject) -> str:
    return f"{_percent(interval, 'low')} … {_percent(interval, 'high')}" if interval else UNKNOWN


def _percent(found: JsonObject, name: str) -> str:
    value = number(found, name)
    return UNKNOWN if value is None else f"{100 * value:.2f} %"


def _plain(found: JsonObject, name: str) -> str:
    value = number(found, name)
    return UNKNOWN if value is None else f"{value:,.6g}"


def _p_value(srm: JsonObject) -> str:
    value = number(srm, "p_value")
    return UNKNOWN if value is None else f"{value:.2g}"
