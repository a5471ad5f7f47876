"""Reads the table of exposures of a run that is assigned outside, and keeps what is new as exposures.

From there on they are events like any others: first exposures, crossovers, the split, rollups, erasure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

from equipoise_server.analysis import models
from equipoise_server.analysis.sources.exposure_rows import ExposureRows, Found
from equipoise_server.analysis.sources.rows import hiding_of
from equipoise_server.events import reads as events
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import EventKind, Exposure
from equipoise_server.experiments.reads import where_of
from equipoise_server.experiments.values import ExposureTable, Iteration
from equipoise_server.foundation import running
from equipoise_server.foundation.refusals import Problem
from equipoise_server.foundation.scratch import scratch
from equipoise_server.sources import reads as sources
from equipoise_server.sources.actions import Wanted, fetch_rows
from equipoise_server.sources.values import Between, Cost, Fetched, Source, SourceUnusable

AN_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LastReading:
    """How far a table of exposures was read, and what the last reading took."""

    source: str
    read_at: datetime
    whole_at: datetime
    """When all rows of the run were read last; late rows from before the overlap are found then."""
    seen_until: datetime | None
    """The newest row that was seen."""
    cost: Cost
    taken: int
    """Exposures that were new."""
    unusable: int
    """Rows without a variant, or with an id that is too long."""
    erased: int
    """New rows of erased units; they were left out."""


@dataclass(slots=True)
class _Tally:
    taken: int = 0
    erased: int = 0


def take_exposures(iteration: Iteration, *, now: datetime) -> None:
    """Read the rows that may be new, and all rows once a day. Raises SourceUnusable; nothing is kept then."""
    table = iteration.design.exposures
    if table is None:
        return
    held = models.ExposureReading.objects.filter(iteration_id=iteration.id).first()
    until = now if iteration.stopped_at is None else min(now, iteration.stopped_at)
    is_whole = held is None or _reads_all(table, iteration, held, now)
    between = Between(iteration.started_at, until)
    if held is not None and not is_whole:
        between = Between(_since(iteration, table, held), until)
    if between.since >= between.until:
        return
    running.step(f"reading the exposures in {table.source}")
    with scratch("exposures") as directory, _naming(iteration):
        source = sources.source_by_ref(iteration.project_id, table.source)
        fetched = _fetched(iteration, source, between, Path(directory))
        running.note_read(rows=fetched.cost.rows, size=fetched.cost.bytes or 0)
        found, tally = _kept(iteration, source, fetched.path, now=now)
    _remember(
        iteration, fetched.cost, found, tally, (now, now if held is None or is_whole else held.whole_at)
    )


def last_reading(iteration: Iteration) -> LastReading | None:
    """How far the table of an iteration's exposures was read; None before the first reading."""
    row = models.ExposureReading.objects.filter(iteration_id=iteration.id).first()
    if row is None or iteration.design.exposures is None:
        return None
    return LastReading(
        iteration.design.exposures.source, row.read_at, row.whole_at, row.seen_until,
        Cost(row.rows, row.seconds, row.bytes), row.taken, row.unusable, row.erased,
    )  # fmt: skip


def _reads_all(
    table: ExposureTable, iteration: Iteration, held: models.ExposureReading, now: datetime
) -> bool:
    """The first reading of a UTC day, the first after the end; all where late rows may be anywhere."""
    is_new_day = held.whole_at.astimezone(UTC).date() < now.astimezone(UTC).date()
    is_over = iteration.stopped_at is not None and held.whole_at < iteration.stopped_at
    return table.overlap_hours is None or is_new_day or is_over


def _since(iteration: Iteration, table: ExposureTable, held: models.ExposureReading) -> datetime:
    assert table.overlap_hours is not None, "without an overlap all rows are read"
    if held.seen_until is None:
        return iteration.started_at
    return max(iteration.started_at, held.seen_until - timedelta(hours=table.overlap_hours))


def _fetched(iteration: Iteration, source: Source, between: Between, directory: Path) -> Fetched:
    table, unit_type = iteration.design.exposures, iteration.design.unit_type
    assert table is not None, "only runs with a table are read"
    wanted = Wanted(
        source, unit_type, between, None, hiding_of(source, unit_type), where_of(table, iteration.number)
    )
    return fetch_rows(wanted, directory)


def _kept(iteration: Iteration, source: Source, rows: Path, *, now: datetime) -> tuple[Found, _Tally]:
    """Put what is new into the store."""
    table, tally = iteration.design.exposures, _Tally()
    assert table is not None, "only runs with a table are read"
    stored = events.pinned_files(
        iteration.environment_id, EventKind.EXPOSURE, since=iteration.started_at, until=now + AN_INSTANT
    ).paths
    with closing(ExposureRows(iteration, table, source.shape)) as opened:
        found = opened.load(rows, stored)
        new = _unburied(iteration, opened, tally)
        first = next(new, None)
        if first is not None:
            record(iteration.environment_id, chain((first,), new), now=now)
    if first is not None:
        compact(now=now)
    return found, tally


def _unburied(iteration: Iteration, rows: ExposureRows, tally: _Tally) -> Iterator[Exposure]:
    """Without units that were erased: they are in the table still, and must not come back."""
    for chunk in rows.chunks():
        units = [str(one.unit) for one in chunk]
        gone = events.erased_among(iteration.environment_id, iteration.design.unit_type, units)
        kept = [one for one in chunk if one.unit not in gone]
        tally.taken += len(kept)
        tally.erased += len(chunk) - len(kept)
        yield from kept


def _remember(
    iteration: Iteration, cost: Cost, found: Found, tally: _Tally, at: tuple[datetime, datetime]
) -> None:
    read_at, whole_at = at
    models.ExposureReading.objects.update_or_create(
        iteration_id=iteration.id,
        defaults={
            "read_at": read_at, "whole_at": whole_at, "rows": cost.rows, "bytes": cost.bytes or 0,
            "seconds": cost.seconds, "taken": tally.taken, "unusable": found.unusable,
            "erased": tally.erased, **({} if found.newest is None else {"seen_until": found.newest}),
        },
    )  # fmt: skip


@contextmanager
def _naming(iteration: Iteration) -> Iterator[None]:
    """Say whose exposures a source's failure stops."""
    try:
        yield
    except SourceUnusable as fault:
        key = iteration.experiment_key
        raise SourceUnusable(
            *(
                Problem(
                    f"exposures.{problem.field}",
                    f"The exposures of “{key}” cannot be read. {problem.message}",
                )
                for problem in fault.problems
            )
        ) from fault
