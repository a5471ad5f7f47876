"""Keeps what studies found in one JSON file: `python -m simulations.stored FILE [--ci] [study …]`.

It knows the file and the studies' two sizes, nothing of what a study asks.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypedDict

from simulations.study import Row, StudyResult, told

DIGITS = 6  # significant: the same seed tells the same file
FULL_SIZE, CI_SIZE = "full", "ci"


class StoredRow(TypedDict):
    """A row as the file holds it; None stands for no limit."""

    name: str
    measured: float
    lowest: float | None
    highest: float | None
    is_foil: bool


class StoredStudy(TypedDict):
    """A study as the file holds it."""

    title: str
    asks: str
    size: str
    replications: int
    seconds: float
    rows: list[StoredRow]


@dataclass(frozen=True, slots=True)
class Kept:
    """One study's result, what it asked, at which size it ran and for how long (processor seconds)."""

    asks: str
    size: str
    seconds: float
    result: StudyResult


def study_names() -> list[str]:
    """The modules of all studies, S1 first."""
    return sorted(path.stem for path in Path(__file__).parent.glob("s[0-9]*.py"))


def run(name: str, *, size: str, seed: int = 1) -> Kept:
    """Run one study at its full or at its CI size."""
    module = import_module(f"simulations.{name}")
    started = time.process_time()
    result = module.study(module.FULL if size == FULL_SIZE else module.CI, seed)
    asks = " ".join(str(module.__doc__).partition("\n\n")[0].split()).partition(": ")[2]
    return Kept(asks, size, time.process_time() - started, result)


def read(path: Path) -> dict[str, Kept]:
    """All kept studies by module name; nothing when there is no file."""
    if not path.exists():
        return {}
    return {name: _from_json(held) for name, held in json.loads(path.read_text()).items()}


def write(path: Path, kept: dict[str, Kept]) -> None:
    """Write all studies in the order of their names."""
    held = {name: _to_json(kept[name]) for name in sorted(kept)}
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n")


def _to_json(kept: Kept) -> StoredStudy:
    return {
        "title": kept.result.title,
        "asks": kept.asks,
        "size": kept.size,
        "replications": kept.result.replications,
        "seconds": round(kept.seconds, 1),
        "rows": [_row_to_json(row) for row in kept.result.rows],
    }


def _row_to_json(row: Row) -> StoredRow:
    return {
        "name": row.name,
        "measured": _rounded(float(row.measured)),
        "lowest": None if math.isinf(row.lowest) else _rounded(float(row.lowest)),
        "highest": None if math.isinf(row.highest) else _rounded(float(row.highest)),
        "is_foil": row.is_foil,
    }


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _from_json(held: StoredStudy) -> Kept:
    rows = tuple(_row_from_json(row) for row in held["rows"])
    result = StudyResult(held["title"], held["replications"], rows)
    return Kept(held["asks"], held["size"], held["seconds"], result)


def _row_from_json(row: StoredRow) -> Row:
    lowest = -math.inf if row["lowest"] is None else row["lowest"]
    highest = math.inf if row["highest"] is None else row["highest"]
    return Row(row["name"], row["measured"], lowest, highest, row["is_foil"])


def main(arguments: list[str]) -> int:
    """Run the named studies, or all, one after the other; keep each as soon as it is there."""
    parser = argparse.ArgumentParser(
        prog="simulations.stored", description="Run studies and keep what they find."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("studies", nargs="*", help="modules such as s01_peeking; all when none is named")
    parser.add_argument("--ci", action="store_true", help="the size that runs in every build")
    asked = parser.parse_intermixed_args(arguments)
    passed = True
    for name in asked.studies or study_names():
        found = run(name, size=CI_SIZE if asked.ci else FULL_SIZE)
        write(asked.file, read(asked.file) | {name: found})
        sys.stdout.write(told(found.result, found.seconds) + "\n")
        sys.stdout.flush()
        passed = passed and found.result.passed
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
