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
    sample = part(preview, "sample")
    rows = sample.get("rows")
    if isinstance(rows, list) and rows:
        click.echo("")
        print_table(texts(sample, "columns"), rows)
    click.echo(f"\n{preview.get('sql')}")


def print_estimate(estimate: JsonObject) -> None:
    """What the engine expected, if it told."""
    if estimate:
        click.echo(f"Expected: {estimate.get('rows'):,} rows, {estimate.get('bytes'):,} bytes.")
