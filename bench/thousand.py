"""Whether one machine refreshes 1,000 experiments within the hour: `python bench/thousand.py --scale 1`.

At scale 1 there are 1,000 running experiments in 100 layers of ten (a unit is in at most one of a layer),
2 million units, 8 million pairs of unit and experiment, 10 million events in 28 days, and 40 metrics of which
each experiment takes ten. A smaller scale has fewer units and events, and as many experiments. Told are CPU
seconds and wall time of building the state, of the hour's refresh with opening and closing the file, and of
what each experiment's report asks the state; and the most memory that was used.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
from refresh import DAY, ENDS, HOUR, WEEK, Data, segments, timed

from equipoise_server.analysis.columns import columns_of
from equipoise_server.analysis.moments import Files
from equipoise_server.analysis.plan import Plan, Span
from equipoise_server.analysis.rollups.advance import advance
from equipoise_server.analysis.rollups.audit import moved_sums_mismatches
from equipoise_server.analysis.rollups.state import open_state
from equipoise_server.analysis.rollups.warehouse import RolledWarehouse, instant_of
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind

EXPERIMENTS, LAYERS, METRICS, EACH = 1_000, 100, 40, 10
UNITS, EVENTS, DAYS = 2_000_000, 10_000_000, 28
SHARE = 4
"""Percent of all units that are in some experiment of a layer."""
NAMES = ("purchase", "page", "cart", "error", "search", "share", "login", "help")
GOAL_SECONDS = 3_600.0
BEGINS = ENDS - DAYS * DAY
_EVENTS = """
CREATE TABLE events AS
WITH drawn AS (
  SELECT CAST(floor({units} * random() * random()) AS BIGINT) AS unit, random() AS late,
    CAST(floor(8 * random() * random()) AS INTEGER) AS kind, -ln(1 - random()) AS value,
    {begins} + CAST(floor(random() * ({ends} - {begins})) AS BIGINT) AS moment
  FROM range({events}))
SELECT uuid() AS id, 'user' AS unit_type, 'u' || drawn.unit || '-4f7c' AS unit,
  ({names})[1 + drawn.kind] AS name, make_timestamp(drawn.moment) AS derived_at, FALSE AS is_early,
  drawn.value AS value, CAST(NULL AS VARCHAR) AS properties,
  drawn.moment + CASE WHEN drawn.late < 0.01 THEN {day} ELSE 0 END AS arrives
FROM drawn
"""
_EXPOSURES = """
CREATE TABLE exposures AS
WITH pairs AS (
  SELECT u.unit, l.layer, hash(u.unit, l.layer) AS drawn
  FROM range({units}) AS u (unit), range({layers}) AS l (layer)
  WHERE hash(u.unit, l.layer, 1) % 100 < {share}
), seen AS (
  SELECT pairs.unit, 'e' || (10 * pairs.layer + pairs.drawn % 10) AS experiment,
    CASE WHEN pairs.drawn // 10 % 2 = 0 THEN 'control' ELSE 'treatment' END AS variant,
    {begins} + CAST(random() * ({ends} - {begins}) AS BIGINT) AS moment FROM pairs
)
SELECT uuid() AS id, 'user' AS unit_type, 'u' || seen.unit || '-4f7c' AS unit, seen.experiment,
  1 AS iteration, seen.variant, make_timestamp(seen.moment) AS derived_at, FALSE AS is_early,
  seen.moment AS arrives FROM seen
"""


def metrics() -> list[tuple[str, Definition]]:
    """40 metrics of 8 events: counts, sums with a covariate, conversions, and ratios."""
    found = []
    for number in range(METRICS):
        name, window = NAMES[number % len(NAMES)], WEEK if number % 3 else timedelta(days=3)
        count, amount = Fact(name), Fact(name, Aggregate.SUM)
        found.append(
            (
                f"m{number}",
                (
                    Definition(MetricKind.COUNT, count, window=window),
                    Definition(MetricKind.SUM, amount, window=window, covariate_days=14),
                    Definition(MetricKind.CONVERSION, count, window=window),
                    Definition(MetricKind.MEAN, amount, window=window),
                    Definition(MetricKind.RATIO, count, Fact("page"), window=window),
                )[number // len(NAMES)],
            )
        )
    return found


def plans() -> list[Plan]:
    """Each experiment has ten metrics; neighbours have other ones."""
    every = metrics()
    return [
        Plan(
            f"e{number}", 1, "user", ("control", "treatment"), instant_of(BEGINS),
            tuple(
                column for place in range(EACH)
                for column in columns_of(*every[(7 * number + 3 * place) % METRICS])
            ),
        )
        for number in range(EXPERIMENTS)
    ]  # fmt: skip


def rounds() -> list[tuple[int, int]]:
    """By day of arrival, then the last hour."""
    days = [BEGINS + day * DAY for day in range(DAYS)]
    return [*pairwise([*days, ENDS - HOUR, ENDS])]


def generate(directory: Path, scale: float) -> None:
    """One file per kind and round."""
    database = duckdb.connect(str(directory / "drawn.duckdb"), config={"threads": 2, "memory_limit": "4GB"})
    given = {
        "units": int(UNITS * scale), "events": int(EVENTS * scale), "begins": BEGINS, "ends": ENDS,
        "day": DAY, "names": [*NAMES], "layers": LAYERS, "share": SHARE,
    }  # fmt: skip
    database.execute("SELECT setseed(0.5)").fetchall()
    database.execute(_EVENTS.format(**given)).fetchall()
    database.execute(_EXPOSURES.format(**given)).fetchall()
    for kind, table in (("exposure", "exposures"), ("track", "events")):
        for number, (low, high) in enumerate(rounds(), 1):
            database.execute(
                f"COPY (SELECT t.* EXCLUDE (arrives), {number}::BIGINT AS arrival FROM {table} AS t"
                f" WHERE t.arrives >= {low} AND t.arrives < {high} ORDER BY t.unit)"
                f" TO '{directory}/{kind}-{number}.parquet' (FORMAT PARQUET, COMPRESSION ZSTD)"
            ).fetchall()
    database.close()
    (directory / "drawn.duckdb").unlink()


def measure(directory: Path) -> float:
    """The seconds of an hour's refresh of all experiments, with all that their reports ask the state."""
    data = Data(*(segments(directory, kind, rounds()) for kind in ("exposure", "track")))
    last, path, every = len(rounds()), directory / "state.duckdb", plans()

    def step(through: int) -> Callable[[], object]:
        def work() -> None:
            with open_state(path) as state:
                advance(state, every, data.until(through), now=rounds()[through - 1][1])

        return work

    timed("build the state of 27 days and 23 hours", step(last - 1))
    cpu, wall = timed("the refresh with the news of an hour", step(last))
    with open_state(path) as state:
        pairs, units = state.run("SELECT COUNT(*), COUNT(DISTINCT f.u) FROM firsts AS f")[0]
        print(f"{pairs:,} pairs of {units:,} units and {len(every):,} experiments;", end=" ")
        print(f"state file {path.stat().st_size / 2**20:,.0f} MiB")
    asked_cpu, asked_wall = timed(
        "what 1,000 reports ask the state, opening it each time", lambda: ask(path, every)
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with open_state(path) as state:
        is_exact = not moved_sums_mismatches(state, every)
    print(f"peak memory {memory:.2f} GiB; sums moved by the hour are those from rollups: {is_exact}")
    print(f"in all {cpu + asked_cpu:.1f} CPU s, {wall + asked_wall:.1f} s of the hour's {GOAL_SECONDS:.0f}")
    return wall + asked_wall


def ask(path: Path, every: list[Plan]) -> None:
    """Units per arm and day, moments, strangers and lost events, of each experiment by itself."""
    for plan in every:
        with open_state(path) as state:
            warehouse = RolledWarehouse(Files((), ()), state)
            now = instant_of(state.as_of)
            span = Span(now, now)
            warehouse.counts(plan, span)
            warehouse.moments(plan, span, {})
            warehouse.counts(plan, span)
            warehouse.strangers(plan, span)
            warehouse.unjoinable(plan, span)
            warehouse.close()


def main() -> int:
    """Generate, measure; 1 when the hour is not enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.generate:
        generate(chosen.generate, chosen.scale)
        return 0
    print(
        f"{EXPERIMENTS:,} experiments × {EACH} of {METRICS} metrics, {int(UNITS * chosen.scale):,} units,",
        end=" ",
    )
    print(f"{int(EVENTS * chosen.scale):,} events, {DAYS} days")
    with tempfile.TemporaryDirectory(prefix="equipoise-bench-") as name:
        again = f"{sys.executable} {__file__} --generate {name} --scale {chosen.scale}"
        if os.system(again):  # ourselves, so that drawing does not count as our memory
            return 1
        return 1 if measure(Path(name)) > GOAL_SECONDS else 0


if __name__ == "__main__":
    sys.exit(main())
