"""Which variant each unit of a list gets of a flag, as the SDKs would tell: for a mailing, or to look ahead.

Assigning exposes nobody. Who meets the variant later is exposed then.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import IO, NoReturn

from equipoise_engine import Snapshot
from equipoise_server.foundation.refusals import Invalid, Problem

MOST_ROWS = 200_000
LARGEST_FILE = 50_000_000


@dataclass(frozen=True, slots=True)
class UnitTable:
    """A CSV file as it was sent: ids in its first column, and in others what is known of them."""

    content: IO[bytes]
    byte_count: int
    unit_type: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """What one unit gets, and by which experiment; "" and None where by none."""

    unit: str
    variant: str
    reason: str
    experiment: str = ""
    iteration: int | None = None
    arm: str = ""


def assignments(
    snapshot: Snapshot, flag_key: str, table: UnitTable, *, now: datetime
) -> Iterator[Assignment]:
    """What each unit of a file gets, in the file's order. Raises Invalid with every fault of a row."""
    for unit, attributes in _rows(table):
        context = {"units": {table.unit_type: unit}, "attributes": attributes, "now": now.timestamp()}
        found = snapshot.evaluate(flag_key, context, None)
        place = found.enrolment
        told = found.variant or "", str(found.reason)
        if place is None:
            yield Assignment(unit, *told)
        else:
            yield Assignment(unit, *told, place.experiment, place.iteration, place.arm)


def _rows(table: UnitTable) -> Iterator[tuple[str, Mapping[str, object]]]:
    if table.byte_count > LARGEST_FILE:
        raise Invalid(Problem("file", f"A file may have {LARGEST_FILE:,} bytes; send it in parts."))
    text = io.TextIOWrapper(table.content, encoding="utf-8-sig", newline="")
    names: list[str] = []
    try:
        for number, row in enumerate(csv.reader(text, strict=True)):
            if number == 0 and row and _is_heading(row[0], table.unit_type):
                names = [name.strip() for name in row]
                continue
            if number > MOST_ROWS:
                raise Invalid(Problem("file", f"A file may have {MOST_ROWS:,} units; send it in parts."))
            if row and row[0].strip():
                yield row[0].strip(), _attributes(row, names, number + 1)
    except UnicodeDecodeError as fault:
        raise Invalid(Problem("file", "The file is not UTF-8 text; export it as CSV in UTF-8.")) from fault
    except csv.Error as fault:
        raise Invalid(Problem("file", f"The file is no CSV: {fault}.")) from fault
    finally:
        text.detach()


def _is_heading(first: str, unit_type: str) -> bool:
    return first.strip().lower() in {"unit", "id", "unit_id", unit_type, f"{unit_type}_id"}


def _attributes(row: list[str], names: list[str], line: int) -> Mapping[str, object]:
    if len(row) > max(1, len(names)):
        told = f"Line {line} has {len(row)} columns; a heading that begins with “unit” has to name them."
        raise Invalid(Problem("file", told))
    return {name: _value(text) for name, text in zip(names[1:], row[1:], strict=False) if text != ""}


def _value(text: str) -> object:
    """true, 3 and "3" as JSON has them; anything else is text."""
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return text


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)  # NaN and Infinity are words, here as in JSON
