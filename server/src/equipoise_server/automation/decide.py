"""From evidence to a reaction. Pure: knows the frozen design and the report, and does nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from equipoise_server.analysis.values import ComparisonRow, Report, SoundedAlarm
from equipoise_server.audit.values import AuditEntry
from equipoise_server.automation.values import NOTHING, Reaction, ReactionKind
from equipoise_server.experiments.values import BreachAction, Design, Iteration, MetricRole

KILLS = {"flag.kill", "group.kill", "environment.kill"}


def reaction_to(design: Design, report: Report) -> Reaction:
    """Stop when a guardrail planned to do that is breached; a withheld report says nothing."""
    stopping = {
        planned.key
        for planned in design.metrics
        if planned.role is MetricRole.GUARDRAIL and planned.on_breach is BreachAction.STOP
    }
    breached = [row for row in _breached(report) if row.metric in stopping]
    if not breached:
        return NOTHING
    told = ", ".join(dict.fromkeys(f"“{row.name}” in “{row.arm}”" for row in breached))
    return Reaction(ReactionKind.STOP, f"The alarm of a guardrail was breached: {told}.")


def kill_instant(
    iteration: Iteration, records: tuple[AuditEntry, ...], still_killed_at: datetime | None
) -> datetime | None:
    """When a kill first hit an iteration, or None when none did.

    The audit also knows of kills that were taken back before anybody looked.
    """
    kills = [record.at for record in records if _is_kill_in(record, iteration)]
    hits = [at for at in kills if at >= iteration.started_at]
    if still_killed_at is not None:
        hits.append(max(still_killed_at, iteration.started_at))
    return min(hits, default=None)


def _breached(report: Report) -> Iterator[ComparisonRow | SoundedAlarm]:
    """Alarms that sound now, also before the first look, and those of the last look."""
    yield from report.alarms
    for row in () if report.results is None else report.results.rows:
        if row.guardrail is not None and row.guardrail.is_breached:
            yield row


def _is_kill_in(record: AuditEntry, iteration: Iteration) -> bool:
    return any(
        change.action in KILLS and change.subject.environment_id == iteration.environment_id
        for change in record.changes
    )
