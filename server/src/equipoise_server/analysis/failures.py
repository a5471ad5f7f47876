"""Why a refresh failed, in words: which metric or file it is about, and the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import duckdb

from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.foundation import running
from equipoise_server.foundation.refusals import NotFound, Problem, Refusal
from equipoise_server.foundation.running import Failed, Stopped
from equipoise_server.foundation.texts import in_short

_FILE = re.compile(r'"([^"]*\.parquet)"')


@contextmanager
def told_plainly(of_metrics: Callable[[], Sequence[Problem]] = lambda: ()) -> Iterator[None]:
    """Raise Failed, with what a person can do, for faults of the data and of the disk.

    of_metrics: asked after a fault in a query; the metrics that cannot be computed even alone.
    """
    try:
        yield
    except Stopped:
        raise
    except duckdb.Error as fault:
        running.end_if_stopped()  # an interrupted query fails in its own words
        raise Failed(*_of_query(fault, of_metrics)) from fault
    except OSError as fault:
        raise Failed(_of_disk(fault)) from fault


def broken(measured: Sequence[MeasuredMetric], compute: Callable[[MeasuredMetric], object]) -> list[Problem]:
    """The metrics that fail when they are computed alone."""
    problems = []
    for one in measured:
        running.end_if_stopped()
        try:
            compute(one)
        except (duckdb.Error, ValueError) as fault:
            told = (
                f"“{one.metric.name}” v{one.metric.version} cannot be computed: {in_short(fault)}. "
                "Mend its definition or its events; a running experiment takes a new version after a restart."
            )
            problems.append(Problem(f"metrics.{one.metric.key}", told))
    return problems


def missing_metric(key: str, version: int, cause: Refusal) -> Failed:
    """A metric of a running experiment that the catalogue does not have any more."""
    told = (
        f"The metric “{key}” in version {version} is not in the catalogue any more: {cause} "
        "Restore it, or restart the experiment without it."
    )
    return Failed(Problem(f"metrics.{key}", told))


@contextmanager
def naming(key: str, version: int) -> Iterator[None]:
    """A metric that is not found is named."""
    try:
        yield
    except NotFound as cause:
        raise missing_metric(key, version, cause) from cause


def _of_query(fault: duckdb.Error, of_metrics: Callable[[], Sequence[Problem]]) -> Sequence[Problem]:
    if isinstance(fault, duckdb.IOException):
        return (_of_file(fault),)
    if isinstance(fault, duckdb.OutOfMemoryException):
        told = (
            "The query needs more memory than the machine has. Free memory, or give the worker a machine "
            f"with more; the events are all there. ({in_short(fault)})"
        )
        return (Problem("memory", told),)
    found: Sequence[Problem] = ()
    with suppress(duckdb.Error, OSError):
        found = of_metrics()
    return found or (Problem("query", f"The events could not be counted: {in_short(fault)}."),)


def _of_file(fault: duckdb.Error) -> Problem:
    named = _FILE.search(str(fault))
    file = f"“{named[1].rpartition('/')[2]}”" if named else "a file"
    gone = "No files found" in str(fault) or "No such file" in str(fault)
    what = f"lacks {file}" if gone else f"cannot read {file}: {in_short(fault)}"
    told = f"The event store {what}. Bring it back from a backup of the data directory, then try again."
    return Problem("source", told)


def _of_disk(fault: OSError) -> Problem:
    told = f"The disk refused: {fault.strerror or fault}. Free space or mend the disk, then try again."
    return Problem("disk", told)
