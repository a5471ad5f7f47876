"""Compares answers of the flagd export: `check` asks PyPI's evaluator, `fixture` writes what Node's is asked.

cd server/tests
python flagd_export.py check --units 20000 --dialect v3
python flagd_export.py fixture --units 20000 --dialect v2 --directory DIRECTORY
node ../../journeys/flagd_export.mjs DIRECTORY
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from flagd_scene import DECIMAL, Json, a_document, answers, contexts, evaluated
from openfeature.contrib.tools.flagd.core import FlagdCore

from equipoise_engine import compile_snapshot
from equipoise_server.edge.flagd.dialects import Dialect
from equipoise_server.edge.flagd.export import exported


def definition(document: Json, dialect: Dialect) -> bytes:
    """The export of the scene."""
    faults = compile_snapshot(document).faults
    return exported(document, dialect, decimal_flags=DECIMAL, is_faulty=faults.__contains__).definition


def check(units: int, dialect: Dialect, *, ascii_only: bool) -> int:
    """How many answers of PyPI's evaluator differ from ours."""
    logging.getLogger("openfeature.contrib").setLevel(logging.CRITICAL)
    document = a_document()
    engine, core = compile_snapshot(document), FlagdCore()
    made = json.loads(definition(document, dialect))
    core.set_flags(made)
    types = {key: document["flags"][key]["type"] for key in made["flags"]}
    differing = 0
    for context in contexts(units, ascii_only=ascii_only):
        ours, theirs = answers(engine, list(types), context), evaluated(core, types, context)
        differing += sum(one != other for one, other in zip(ours, theirs, strict=True))
    print(f"{dialect}: {units} units, {len(types)} flags, {differing} of {units * len(types)} answers differ")
    return differing


def fixture(units: int, dialect: Dialect, directory: Path) -> None:
    """Write the definition, and a line for each unit: its context, and the variants and values it gets."""
    document = a_document()
    engine, made = compile_snapshot(document), definition(document, dialect)
    (directory / "definition.json").write_bytes(made)
    keys = list(json.loads(made)["flags"])
    types = {key: document["flags"][key]["type"] for key in keys}
    with (directory / "units.jsonl").open("w") as file:
        file.write(json.dumps(types) + "\n")
        for context in contexts(units, ascii_only=dialect is not Dialect.V3):
            file.write(json.dumps([context, answers(engine, keys, context)]) + "\n")


def main() -> int:
    """Do as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=["check", "fixture"])
    parser.add_argument("--directory", type=Path, default=Path())
    parser.add_argument("--units", type=int, default=20_000)
    parser.add_argument("--dialect", type=Dialect, default=Dialect.V3)
    parser.add_argument("--ascii", action="store_true", help="only ids that evaluators of v2 hash alike")
    chosen = parser.parse_args()
    if chosen.verb == "check":
        return 1 if check(chosen.units, chosen.dialect, ascii_only=chosen.ascii) else 0
    fixture(chosen.units, chosen.dialect, chosen.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
