"""How answers look in a terminal: aligned tables for people, the answer itself for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

UNKNOWN = "–"


def print_json(answer: object) -> None:
    """Print an answer for a program."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headings, as wide as their longest cell."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(headings, *cells, strict=True)]
    for line in ([heading.upper() for heading in headings], *cells):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _cell(value: object) -> str:
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def text_of(value: object) -> str:
    """A flag's value as JSON would write it, text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
