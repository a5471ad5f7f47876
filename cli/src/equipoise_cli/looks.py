"""How previews look in a terminal: how much there is, how numbers spread, a few rows, the statement."""

from __future__ import annotations

import click

from equipoise_cli.answers import JsonObject, number, part, parts, texts
from equipoise_cli.printing import print_table

_SPREAD = ("minimum", "lower_quartile", "median", "upper_quartile", "maximum", "zero_share", "missing_share")
_HEADINGS = ("number", "least", "quartile", "median", "quartile", "most", "zero", "missing")


def print_preview(preview: JsonObject) -> None:
    """One preview."""
    for one in parts(preview, "recent"):
        click.echo(f"Last {one.get('days')} days: {one.get('rows'):,} rows of {one.get('units'):,} units.")
    cost = part(preview, "cost")
    click.echo(f"Read in {number(cost, 'seconds') or 0:.2f} seconds.")
    print_estimate(part(preview, "estimate"))
    spreads = parts(preview, "distributions")
    if spreads:
        print_table(_HEADINGS, ((one.get("name"), *map(one.get, _SPREAD)) for one in spreads))
    _print_rows(preview)


def print_exposures(look: JsonObject) -> None:
    """A table of exposures: rows by variant, what is odd about them, a few rows, the statement."""
    click.echo(f"{look.get('source')}: {look.get('rows'):,} rows of {look.get('units'):,} units.")
    values = [
        (one["value"], one["arm"] or "none", one["rows"], one["units"]) for one in parts(look, "by_value")
    ]
    print_table(("value", "variant", "rows", "units"), values)
    for note in texts(look, "notes"):
        click.echo(f"* {note}")
    _print_rows(look)


def print_reading(answer: JsonObject) -> None:
    """Which table is read, and how far."""
    table, reading = part(answer, "table"), part(answer, "last_reading")
    if not table:
        click.echo("SDKs send the exposures of this experiment.")
        return
    click.echo(f"Assigned outside; exposures are read from {table.get('source')}.")
    if reading:
        cost = part(reading, "cost")
        click.echo(
            f"Read at {reading.get('read_at')} up to {reading.get('seen_until')}: {cost.get('rows'):,} rows"
            f" in {number(cost, 'seconds') or 0:.2f} seconds, {reading.get('taken'):,} new exposures."
        )
    else:
        click.echo("It was not read yet.")


def print_estimate(estimate: JsonObject) -> None:
    """What the engine expected, if it told."""
    if estimate:
        click.echo(f"Expected: {estimate.get('rows'):,} rows, {estimate.get('bytes'):,} bytes.")


def _print_rows(preview: JsonObject) -> None:
    sample = part(preview, "sample")
    rows = sample.get("rows")
    if isinstance(rows, list) and rows:
        click.echo("")
        print_table(texts(sample, "columns"), rows)
    click.echo(f"\n{preview.get('sql')}")
