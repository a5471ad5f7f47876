"""What is odd about the rows of a table of exposures, in words that say what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from equipoise_server.experiments.values import Design
from equipoise_server.sources.values import Between, Census

MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class ExposureLook:
    """A look at a table of exposures: its rows by variant, and what is odd about them."""

    source: str
    between: Between
    census: Census
    arms: Mapping[str, str]
    """Value of the variant's column → arm."""
    unknown: tuple[str, ...]
    """Values that stand for no arm."""
    notes: tuple[str, ...]


def notes_on(
    census: Census, between: Between, design: Design, unknown: Sequence[str], *, is_over: bool
) -> Iterator[str]:
    """One sentence for each thing that people should know before they rely on the table."""
    table = design.exposures
    assert table is not None, "only tables are looked at"
    if not census.rows:
        yield "There are no rows of this run yet."
    if unknown:
        listed = ", ".join(f"“{value}”" for value in unknown[:MOST_NAMED])
        yield f"{listed} in “{table.variant_column}” stands for no variant; say which one, or leave it out."
    yield from _time_notes(census, between, is_over=is_over)
    repeated = census.rows - census.units - census.crossed
    if repeated > 0:
        yield (f"{repeated:,} of {census.rows:,} rows repeat a unit; the first row of each unit counts.")
    if census.crossed:
        yield (
            f"{census.crossed:,} of {census.units:,} units met several variants; the first decides, and they"
            " are counted as crossed."
        )
    if census.nameless or census.timeless:
        yield (
            f"{census.nameless:,} rows of the whole source name no unit and {census.timeless:,} have no"
            " instant; they are left out."
        )
    if not table.experiment_column:
        yield "No column names the experiment, so every row since the start counts."


def _time_notes(census: Census, between: Between, *, is_over: bool) -> Iterator[str]:
    everything = census.rows + census.earlier + census.later
    if census.earlier:
        share = census.earlier / everything
        yield (
            f"{census.earlier:,} rows ({share:.0%}) lie before {_told(between.since)} and are not counted;"
            " say when the run began outside if they belong to it."
        )
    if census.later and is_over:
        yield f"{census.later:,} rows lie after the end of the run and are not counted."
    elif census.later and census.latest_at is not None:
        yield (
            f"{census.later:,} rows lie in the future, the newest at {_told(census.latest_at)}. Is the column"
            " in local time? Without a zone it is read as UTC."
        )


def _told(at: datetime) -> str:
    return f"{at:%-d %B %Y %H:%M} UTC"
