"""What a refresh of 20 experiments × 10 metrics costs: `python bench/refresh.py --events 12000000`.

CPU seconds of the same numbers made five ways: one query per experiment and metric, one query per
experiment, one pass over all events for all experiments, everything from rollups, and a refresh by the news
of an hour and of a minute. The hour is compared with the one pass that yields what the hour keeps up to date:
per arm the units, crossers, sums and products of all numbers, which are held against the rollups'. Told
besides is a lesser pass: without the funnel, units that did nothing, crossers, and products of two numbers,
which ratios and covariates need. 42 days, a twelfth as many units as events, 1 % of the events 1 to 3 days
late, 0.1 % crossers.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, pairwise
from pathlib import Path

import duckdb
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "equipoise_server.foundation.settings")
os.environ.setdefault("EQUIPOISE_DATA", tempfile.gettempdir())
import django

django.setup()

from equipoise_server.analysis.columns import Column, Reduction, columns_of  # noqa: E402  # after the set-up
from equipoise_server.analysis.dialects.engines import DuckDb  # noqa: E402
from equipoise_server.analysis.dialects.measures import measure_of  # noqa: E402
from equipoise_server.analysis.dialects.raw import added  # noqa: E402
from equipoise_server.analysis.dialects.sql import DAY, micros  # noqa: E402
from equipoise_server.analysis.dialects.units import ADDITIVE, added_up, in_window, sums_query, y  # noqa: E402
from equipoise_server.analysis.plan import Plan, Span  # noqa: E402
from equipoise_server.analysis.query import raw_source  # noqa: E402
from equipoise_server.analysis.rollups import sums  # noqa: E402
from equipoise_server.analysis.rollups.advance import advance  # noqa: E402
from equipoise_server.analysis.rollups.arrivals import Arrived, Segment  # noqa: E402
from equipoise_server.analysis.rollups.audit import moved_sums_mismatches  # noqa: E402
from equipoise_server.analysis.rollups.shape import run_of  # noqa: E402
from equipoise_server.analysis.rollups.state import State, open_state  # noqa: E402
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind  # noqa: E402

DAYS, EXPERIMENTS = 42, 20
SHARES = (5, 10, 10, 20, 33)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, MINUTE = 3_600_000_000, 60_000_000
ENDS = micros(START) + DAYS * DAY
GOALS = {"rollups": 15, "hour": 100, "hour against one pass": 25, "minute": 2.0, "memory": 2.0}
WEEK = timedelta(days=7)
ORDER, PAGE = Fact("purchase"), Fact("page")
REVENUE = Fact("purchase", Aggregate.SUM)
METRICS = {
    "revenue": Definition(MetricKind.SUM, REVENUE, window=WEEK, covariate_days=14),
    "capped": Definition(MetricKind.SUM, REVENUE, window=WEEK, cap=300.0),
    "time": Definition(MetricKind.SUM, Fact("page", Aggregate.SUM), window=WEEK, covariate_days=14),
    "bought": Definition(MetricKind.CONVERSION, ORDER, window=WEEK),
    "orders": Definition(MetricKind.COUNT, ORDER, window=WEEK),
    "basket": Definition(MetricKind.MEAN, REVENUE, window=WEEK),
    "rate": Definition(MetricKind.RATIO, Fact("error"), PAGE, window=WEEK),
    "back": Definition(MetricKind.RETENTION, PAGE, delay=timedelta(days=1), window=WEEK),
    "slow": Definition(MetricKind.EXCEEDANCE, Fact("page", Aggregate.SUM), threshold=3.0, window=WEEK),
    "through": Definition(MetricKind.FUNNEL, Fact("cart"), steps=(ORDER,), window=WEEK),
}

_EVENTS = f"""
CREATE TABLE events AS
WITH drawn AS (
  SELECT CAST(floor({{units}} * random() * random()) AS BIGINT) AS unit, random() AS kind, random() AS late,
    {micros(START)} + CAST(floor(random() * {DAYS * DAY}) AS BIGINT) AS moment, -ln(1 - random()) AS value
  FROM range({{events}}))
SELECT uuid() AS id, 'user' AS unit_type, 'u' || drawn.unit || '-4f7c' AS unit,
  CASE WHEN drawn.kind < 0.62 THEN 'page' WHEN drawn.kind < 0.8 THEN 'cart'
    WHEN drawn.kind < 0.9 THEN 'purchase' ELSE 'error' END AS name,
  make_timestamp(drawn.moment) AS derived_at, FALSE AS is_early,
  CASE WHEN drawn.kind < 0.62 THEN drawn.value WHEN drawn.kind < 0.9 THEN drawn.value * 40 END AS value,
  CAST(NULL AS VARCHAR) AS properties,
  drawn.moment + CASE WHEN drawn.late < 0.01 THEN {DAY} + CAST(drawn.late * 200 * {DAY} AS BIGINT) ELSE 0 END
    AS arrives
FROM drawn
"""
_EXPOSURES = f"""
CREATE TABLE exposures AS
WITH pairs AS (
  SELECT e.experiment, e.since, u.unit, random() AS start, random() AS luck
  FROM experiments AS e, range({{units}}) AS u (unit)
  WHERE hash(u.unit, e.experiment) % 100 < e.share
), drawn AS (
  SELECT pairs.*, pairs.since + CAST(pairs.start * ({ENDS} - pairs.since) AS BIGINT) AS first_at,
    UNNEST(range(1 + CAST(floor(random() * 4) AS BIGINT))) AS nth FROM pairs
)
SELECT uuid() AS id, 'user' AS unit_type, 'u' || drawn.unit || '-4f7c' AS unit, drawn.experiment,
  1 AS iteration,
  CASE WHEN (hash(drawn.unit, drawn.experiment, 1) % 2 = 0) <> (drawn.luck < 0.001 AND drawn.nth > 0)
    THEN 'control' ELSE 'treatment' END AS variant,
  make_timestamp(drawn.moment) AS derived_at, FALSE AS is_early, drawn.moment AS arrives
FROM (SELECT d.*, d.first_at + CAST(d.nth * random() * 3 * {DAY} AS BIGINT) AS moment
  FROM drawn AS d) AS drawn
WHERE drawn.moment < {ENDS}
"""


@dataclass(frozen=True, slots=True)
class Data:
    """Files of both kinds, by round of arrival: the days, the last hour, its last minute."""

    exposures: tuple[Segment, ...]
    tracks: tuple[Segment, ...]

    def until(self, through: int) -> Arrived:
        """What had arrived after a round."""
        return Arrived(
            tuple(file for file in self.exposures if file.arrival <= through),
            tuple(file for file in self.tracks if file.arrival <= through),
            through,
        )


def generate(directory: Path, events: int) -> None:
    """Draw everything; one file per day of arrival, one for the last hour, one for its last minute."""
    database = duckdb.connect(str(directory / "drawn.duckdb"), config={"threads": 2, "memory_limit": "4GB"})
    database.execute("SELECT setseed(0.5)").fetchall()
    units = events // 12
    database.execute("CREATE TABLE experiments (experiment VARCHAR, share INTEGER, since BIGINT)")
    for number in range(EXPERIMENTS):
        since = micros(START) + (number % 4) * 7 * DAY
        database.execute(
            "INSERT INTO experiments VALUES (?, ?, ?)", [f"e{number}", SHARES[number % len(SHARES)], since]
        ).fetchall()
    database.execute(_EVENTS.format(events=events, units=units)).fetchall()
    database.execute(_EXPOSURES.format(units=units)).fetchall()
    for kind, table in (("exposure", "exposures"), ("track", "events")):
        for number, (low, high) in enumerate(rounds(), 1):
            database.execute(
                f"COPY (SELECT t.* EXCLUDE (arrives), {number}::BIGINT AS arrival FROM {table} AS t"
                f" WHERE t.arrives >= {low} AND t.arrives < {high} ORDER BY t.unit)"
                f" TO '{directory}/{kind}-{number}.parquet' (FORMAT PARQUET, COMPRESSION ZSTD)"
            ).fetchall()
    database.close()
    (directory / "drawn.duckdb").unlink()


def rounds() -> list[tuple[int, int]]:
    """When the events of each round arrived: by day, then the last hour, then its last minute."""
    days = [micros(START) + day * DAY for day in range(DAYS)]
    edges = [*days, ENDS - HOUR - MINUTE, ENDS - MINUTE, ENDS]
    return list(pairwise(edges))


def segments(directory: Path, kind: str, arrived: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
    """The files of a kind with their spans, by round of arrival; late ones make a file reach back."""
    found = []
    for number, (_, high) in enumerate(arrived, 1):
        path = directory / f"{kind}-{number}.parquet"
        row = duckdb.execute(
            "SELECT MIN(epoch_us(t.derived_at)), MAX(epoch_us(t.derived_at))"
            f" FROM read_parquet('{path}') AS t"
        ).fetchone()
        earliest, latest = row or (None, None)
        if earliest is not None:
            found.append(Segment(path, earliest, max(latest, high - 1), number))
    return tuple(found)


def plans() -> list[Plan]:
    """20 experiments with the same 10 metrics."""
    columns = tuple(column for key, one in METRICS.items() for column in columns_of(key, one))
    return [
        Plan(f"e{number}", 1, "user", ("control", "treatment"), START + (number % 4) * WEEK, columns)
        for number in range(EXPERIMENTS)
    ]  # fmt: skip


def timed(what: str, work: Callable[[], object], *, times: float = 1.0) -> tuple[float, float]:
    """CPU seconds and wall seconds of some work, told at once; `times` scales a sample up."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    scaled = f"  (measured {cpu:.2f} on a part, × {times:g})" if times != 1 else ""
    print(f"{what:58}{cpu * times:9.2f} CPU s {wall * times:9.2f} s{scaled}", flush=True)
    return cpu * times, wall * times


def raw_queries(data: Data, chosen: Sequence[Plan], *, by_metric: bool) -> None:
    """Sums straight from raw events, one statement per experiment, or per experiment and metric."""
    span = Span(START + timedelta(days=DAYS), START + timedelta(days=DAYS))
    for plan in chosen:
        keys = METRICS if by_metric else [""]
        for key in keys:
            columns = tuple(one for one in plan.columns if not key or one.name.split(":")[0] == key)
            part = replace(plan, columns=columns)
            source = raw_source(
                part, span, exposures=[f.path for f in data.exposures], tracks=[f.path for f in data.tracks]
            )
            query(sums_query(columns, source, {}).sql(dialect="duckdb"))


def one_pass(data: Data, *, is_whole: bool) -> list[tuple]:  # type: ignore[type-arg]  # sums of each arm
    """All experiments at once: every event joined to every first exposure of its unit.

    Whole: what rollups hold as well, (experiment, arm, crossed, units, sums, products of any two). Else only
    (experiment, arm, units, sums, squares), without the funnel and without units that did nothing.
    """
    columns = [one for one in plans()[0].columns if is_whole or one.reduction in ADDITIVE]
    measures = [measure_of(column) for column in columns if column.reduction in ADDITIVE]
    atoms = {one.name: added(DuckDb(), one).sql(dialect="duckdb") for one in measures}
    numbers = ", ".join(f"{final(column)} AS {y(place)}" for place, column in enumerate(columns))
    ys = [f"r.{y(place)}" for place in range(len(columns))]
    pairs = combinations_with_replacement(ys, 2) if is_whole else zip(ys, ys, strict=True)
    added_up_again = ", ".join(f"SUM({one})" for one in (*ys, *(f"{one} * {other}" for one, other in pairs)))
    crossed = "COUNT(*) FILTER (WHERE r.is_crossed), " if is_whole else ""
    return query(f"""
    WITH firsts AS (
      SELECT e.experiment, e.unit, ARG_MIN(e.variant, (e.derived_at, e.id)) AS arm,
        MIN(epoch_us(e.derived_at)) AS first_at, MIN(e.variant) <> MAX(e.variant) AS is_crossed
      FROM read_parquet({[str(f.path) for f in data.exposures]}) AS e GROUP BY e.experiment, e.unit
    ), atoms AS (
      SELECT track.unit, track.name, epoch_us(track.derived_at) AS moment,
        {", ".join(f"{one} AS {name}" for name, one in atoms.items())}
      FROM read_parquet({[str(f.path) for f in data.tracks]}) AS track WHERE NOT track.is_early
    ), done AS (
      SELECT f.experiment, f.unit, f.arm, f.is_crossed, f.first_at, a.moment,
        a.moment - f.first_at AS after, a.* EXCLUDE (unit, moment)
      FROM firsts AS f {"LEFT" if is_whole else ""} JOIN atoms AS a ON a.unit = f.unit
        AND a.moment >= f.first_at - {15 * DAY} AND a.moment < f.first_at + {7 * DAY}
    ), r AS (
      SELECT done.experiment, done.unit, ANY_VALUE(done.arm) AS arm,
        ANY_VALUE(done.is_crossed) AS is_crossed, {numbers} FROM done
      GROUP BY done.experiment, done.unit
    ) SELECT r.experiment, r.arm, {crossed}COUNT(*), {added_up_again} FROM r GROUP BY r.experiment, r.arm""")


def final(column: Column) -> str:
    """A column's number in the one pass. For two steps the first one's earliest, the other's last suffice."""
    if column.reduction is Reduction.FUNNEL:
        (step,), counted = column.steps, in_window(column).sql(dialect="duckdb")
        first, second = (f"{counted} AND done.name = '{fact.event}'" for fact in (column.fact, step))
        later = f"MAX(CASE WHEN {second} THEN done.moment END) > MIN(CASE WHEN {first} THEN done.moment END)"
        return f"CASE WHEN {later} THEN 1e0 ELSE 0e0 END"
    found = f"COALESCE({added_up(column).sql(dialect='duckdb')}, 0)"
    return found if column.cap is None else f"LEAST({found}, {column.cap})"


def query(statement: str) -> list[tuple]:  # type: ignore[type-arg]  # columns differ
    """Run a statement in memory, as the server does: one thread."""
    database = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": "6GB"})
    rows: list[tuple] = database.execute(statement).fetchall()  # type: ignore[type-arg]  # as above
    database.close()
    return rows


def largest_difference(rows: Sequence[Sequence[float]], evaluated: Mapping[str, sums.Evaluated]) -> float:
    """Between the whole pass and rollups, of crossed units and all sums and products of all arms."""
    arms = {(name, arm): held for name, found in evaluated.items() for arm, held in found.arms.items()}
    passed = {(row[0], row[1]): row[2:] for row in rows}
    if passed.keys() != arms.keys():
        return math.inf
    differences = [0.0]
    for key, (crossed, *numbers) in passed.items():
        held = arms[key]
        expected = [held.crossed, *held.gram[np.triu_indices(len(held.gram))]]
        differences += [
            abs(one - other) / max(abs(one), abs(other), 1.0)
            for one, other in zip((crossed, *numbers), expected, strict=True)
        ]
    return max(differences)


def from_rollups(state: State) -> dict[str, sums.Evaluated]:
    """All units of all experiments again, from rollups alone."""
    shifted = [(plan, [0.0] * len(plan.columns)) for plan in plans()]
    found = sums.evaluate_all(state, shifted, sums.Scope(ENDS, ENDS))
    return {plan.experiment: found[run_of(plan)] for plan in plans()}


def is_true(state: State) -> bool:
    """Sums moved by the hour and the minute against everything from rollups."""
    return not moved_sums_mismatches(state, plans())


def main() -> int:
    """Generate, measure, compare with the goals; 1 when one is missed at full size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--sample", type=int, default=4, help="experiments of which each metric is queried")
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.generate:
        generate(chosen.generate, chosen.events)
        return 0
    with tempfile.TemporaryDirectory(prefix="equipoise-bench-") as name:
        directory = Path(name)
        again = f"{sys.executable} {__file__} --generate {directory} --events {chosen.events}"
        if os.system(again):  # ourselves, so that drawing does not count as our memory
            return 1
        return measure(directory, chosen.events, chosen.sample)


def passes(data: Data, evaluated: Mapping[str, sums.Evaluated]) -> tuple[float, float]:
    """CPU seconds of the one pass that yields the same, which is checked, and of the lesser one."""
    less, _ = timed("lesser pass: no funnel, no products of two", lambda: one_pass(data, is_whole=False))
    rows: list[tuple] = []  # type: ignore[type-arg]  # columns differ
    one, _ = timed(
        "one pass over raw events, with the same results", lambda: rows.extend(one_pass(data, is_whole=True))
    )
    print(f"the one pass differs from rollups by {largest_difference(rows, evaluated):.1e} at most")
    return one, less


def refresh(path: Path, data: Data, through: int) -> None:
    """Bring a state up to a round, opening its file and closing it."""
    with open_state(path) as state:
        advance(state, plans(), data.until(through), now=rounds()[through - 1][1])


def middle_hour(path: Path, data: Data, through: int) -> float:
    """CPU seconds of the hour: the middle of five, as other work on the machine tells in half a second."""
    copy = path.with_name("copy.duckdb")
    hours = []
    for _ in range(4):
        shutil.copy(path, copy)
        spent, _ = timed("refresh of a copy with the news of an hour", lambda: refresh(copy, data, through))
        hours.append(spent)
    copy.unlink()
    spent, _ = timed("refresh with the news of an hour", lambda: refresh(path, data, through))
    hours.append(spent)
    print(
        f"the hour: {min(hours):.3f} to {max(hours):.3f} CPU s, {statistics.median(hours):.3f} in the middle"
    )
    return statistics.median(hours)


def measure(directory: Path, events: int, sample: int) -> int:
    """All ways, and how they compare. A refresh opens the state's file and closes it, as the server does."""
    data = Data(*(segments(directory, kind, rounds()) for kind in ("exposure", "track")))
    last, path = len(rounds()), directory / "state.duckdb"
    print(f"{events:,} events, {EXPERIMENTS} experiments × {len(METRICS)} metrics, {DAYS} days")

    def step(through: int) -> Callable[[], object]:
        return lambda: refresh(path, data, through)

    build, _ = timed("build the rollups of all days, and all sums", step(last - 2))
    timed("refresh without news", step(last - 2))
    hour = middle_hour(path, data, last - 1)
    minute, _ = timed("refresh with the news of a minute", step(last))
    evaluated: dict[str, sums.Evaluated] = {}
    with open_state(path) as state:
        rollups, _ = timed("everything from rollups", lambda: evaluated.update(from_rollups(state)))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        rows = state.run("SELECT COUNT(*), COUNT(DISTINCT f.u) FROM firsts AS f")[0]
        print(
            f"{rows[0]:,} pairs of unit and experiment; peak memory {memory:.2f} GiB; exact: {is_true(state)}"
        )
    one, less = passes(data, evaluated)
    print(f"the hour against the lesser pass: {less / hour:.1f}")
    by_experiment, _ = timed(
        "one query per experiment", lambda: raw_queries(data, plans()[:sample], by_metric=False),
        times=EXPERIMENTS / sample,
    )  # fmt: skip
    by_metric, _ = timed(
        "one query per experiment and metric", lambda: raw_queries(data, plans()[:sample], by_metric=True),
        times=EXPERIMENTS / sample,
    )  # fmt: skip
    found = {
        "rollups": by_metric / rollups, "hour": by_metric / hour, "hour against one pass": one / hour,
        "minute": minute, "memory": memory,
    }  # fmt: skip
    costs = (by_metric, by_experiment, one, rollups, build)
    print("per metric : per experiment : one pass : rollups : build : hour =", end=" ")
    print(" : ".join(f"{cost / hour:.1f}" for cost in costs), ": 1")
    missed = [
        what for what, goal in GOALS.items()
        if (found[what] > goal if what in {"minute", "memory"} else found[what] < goal)
    ]  # fmt: skip
    for what, goal in GOALS.items():
        print(f"  {what:24}{found[what]:9.2f}  goal {goal}{'  missed' if what in missed else ''}")
    return 1 if missed and events >= 12_000_000 else 0


if __name__ == "__main__":
    sys.exit(main())
