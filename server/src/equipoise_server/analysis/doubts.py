"""Runs whose state was found to differ from the raw events: their results are withheld until it is equal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from equipoise_server.analysis import models
from equipoise_server.analysis.column_words import column_words
from equipoise_server.analysis.looking import forget_looks
from equipoise_server.analysis.values import Report, Withheld
from equipoise_server.experiments.actions import record_verdict
from equipoise_server.experiments.values import Verdict, VerdictState

IN_SUMS = "in sums moved by news: "
"""How the nightly audit begins when it knows the columns."""
TITLE = "Results are withheld: the state differs from the raw events"


@dataclass(frozen=True, slots=True)
class Doubt:
    """When it was found, and in which numbers."""

    iteration_id: UUID
    found_at: datetime
    told: str


def doubt(iteration_id: UUID, told: str, *, now: datetime) -> None:
    """Withhold an iteration's results. Its looks go, too: they can be taken again from the events."""
    with transaction.atomic():
        models.StateDoubt.objects.update_or_create(
            iteration_id=iteration_id, defaults={"found_at": now, "told": told}
        )
        forget_looks(iteration_id)
        record_verdict(
            iteration_id, Verdict(VerdictState.WITHHELD_STATE, TITLE + ".", now, (TITLE,)), now=now
        )


def doubts_of(iteration_ids: Iterable[UUID]) -> dict[UUID, Doubt]:
    """Which of these iterations are in doubt."""
    rows = models.StateDoubt.objects.filter(iteration_id__in=[*iteration_ids])
    return {row.iteration_id: Doubt(row.iteration_id, row.found_at, row.told) for row in rows}


def settle(iteration_id: UUID) -> None:
    """The state, made again, says what the raw events say: reports go on."""
    models.StateDoubt.objects.filter(iteration_id=iteration_id).delete()


def withheld_in(report: Report, found: Doubt | None) -> Report:
    """The report without its results while its run is in doubt; it keeps its age."""
    if found is None:
        return report
    names = {} if report.results is None else {row.metric: row.name for row in report.results.rows}
    return replace(
        report,
        verdict=VerdictState.WITHHELD_STATE,
        sentence=TITLE + ".",
        results=None,
        withheld=_withheld(found, names),
        alarms=(),
    )


def _withheld(found: Doubt, names: Mapping[str, str]) -> Withheld:
    at = found.found_at.strftime("%Y-%m-%d %H:%M UTC")
    return Withheld(
        TITLE,
        f"On {at} the sums that reports are made from did not say what the raw events say"
        f"{_where(found.told, names)}. They are being made again from the raw events. Results come back by"
        " themselves as soon as both are equal; no event is lost.",
        (
            "Was a file of the event store or of the rollups restored, copied or edited by hand?",
            "Does the disk report errors?",
            "Does the refresh fail again and again? Its reason is on the jobs page.",
        ),
    )


def _where(told: str, names: Mapping[str, str]) -> str:
    """In which numbers, in words; nothing where only the whole is known to differ."""
    columns = told.removeprefix(IN_SUMS)
    if columns == told:
        return ""
    said = [column_words(column, names) for column in columns.split(", ")]
    return (
        f": they differ in {said[0]}"
        if len(said) == 1
        else f": they differ in {', '.join(said[:-1])} and {said[-1]}"
    )
