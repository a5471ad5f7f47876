"""Holds the sums of every kind of metric on other engines against DuckDB's, on as many units as asked.

    make .venv/.engines
    PYTHONPATH=.venv/engines .venv/bin/python bench/engines.py --units 1000000

All run on this machine; nothing leaves it. Spark needs Java 17. Exits with 1 when a number differs by
more than a billionth. `make engines` does the same on few units, against plain Python.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
os.environ.setdefault("EQUIPOISE_DATA", tempfile.gettempdir())
sys.path.insert(0, str(Path(__file__).parents[1] / "server/tests"))
import django

django.setup()

from engine_runs import Running, on_clickhouse, on_duckdb, on_postgresql, on_spark  # noqa: E402
from large_history import largest_difference, statements, write_large_history  # noqa: E402
from postgresql import a_server  # noqa: E402

LARGEST_DIFFERENCE = 1e-9
Files = Mapping[str, Path]


def main() -> int:
    """Draw a history, compute it on each engine, compare; 1 when one differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engines", nargs="*", default=["spark"], help="postgresql, clickhouse, spark")
    parser.add_argument("--units", type=int, default=10_000)
    chosen = parser.parse_args()
    openers: dict[str, Callable[[Files], AbstractContextManager[Running]]] = {
        "postgresql": _on_own_postgresql,
        "clickhouse": on_clickhouse,
        "spark": on_spark,
    }
    faults = 0
    with tempfile.TemporaryDirectory() as directory:
        files = write_large_history(Path(directory), chosen.units)
        wanted = _measured("duckdb", on_duckdb, files)
        for name in chosen.engines:
            found = _measured(name, openers[name], files)
            for statement, rows in wanted.items():
                differs = largest_difference(found[statement], rows)
                print(f"  {statement:10} differs from DuckDB by {differs:.1e} at most")
                faults += differs > LARGEST_DIFFERENCE
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"this process held {peak:.1f} GiB at most")
    return 1 if faults else 0


def _measured(
    name: str, opener: Callable[[Files], AbstractContextManager[Running]], files: Files
) -> dict[str, list[tuple[object, ...]]]:
    """Every statement's rows on one engine; says how long each took."""
    found = {}
    with opener(files) as running:
        for statement, written in statements(running.engine).items():
            began = time.perf_counter()
            found[statement] = sorted((tuple(row) for row in running.run(written)), key=str)
            took = time.perf_counter() - began
            rows, width = len(found[statement]), len(found[statement][0])
            print(f"{name:12}{statement:10}{rows} rows of {width}, {took:.1f} s")
    return found


@contextmanager
def _on_own_postgresql(files: Files) -> Iterator[Running]:
    with a_server() as address, on_postgresql(files, address) as running:
        yield running


if __name__ == "__main__":
    sys.exit(main())
