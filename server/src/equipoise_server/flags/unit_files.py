"""Reads unit ids from a text or CSV file, a line at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from equipoise_server.foundation.refusals import Invalid, Problem

LONGEST_LINE = 10_000
LARGEST_FILE = 2**29


@dataclass(frozen=True, slots=True)
class UnitFile:
    """A file of unit ids as it was sent."""

    content: IO[bytes]
    name: str
    byte_count: int


def unit_ids(file: UnitFile, unit_type: str) -> Iterator[str]:
    """The ids in a file, which is CSV when its name ends in .csv."""
    if file.byte_count > LARGEST_FILE:
        raise Invalid(Problem("file", f"A file may have {LARGEST_FILE:,} bytes; send it in parts."))
    return _ids(file.content, is_csv=file.name.lower().endswith(".csv"), unit_type=unit_type)


def _ids(file: IO[bytes], *, is_csv: bool, unit_type: str) -> Iterator[str]:
    """The ids in a file: one a line, or the first column of a CSV. Empty lines and a heading do not count.

    A heading is a first line that says “unit”, “id”, “unit_id” or the unit type, with or without “_id”.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline=None)
    headings = {"unit", "id", "unit_id", unit_type, f"{unit_type}_id"}
    try:
        ids = _first_column(text) if is_csv else (line.strip() for line in _lines(text))
        for place, unit in enumerate(ids):
            if unit and not (place == 0 and unit.lower() in headings):
                yield unit
    except UnicodeDecodeError as fault:
        raise Invalid(Problem("file", "The file is not UTF-8 text; export it as CSV in UTF-8.")) from fault
    except csv.Error as fault:
        raise Invalid(Problem("file", f"The file is no CSV: {fault}.")) from fault
    finally:
        text.detach()


def _first_column(text: io.TextIOWrapper) -> Iterator[str]:
    for row in csv.reader(_lines(text), strict=True):
        yield row[0].strip() if row else ""


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Lines of bounded length: a file without line ends is not read as one."""
    while line := text.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            told = f"A line has more than {LONGEST_LINE:,} characters; write one unit id a line."
            raise Invalid(Problem("file", told))
        yield line
