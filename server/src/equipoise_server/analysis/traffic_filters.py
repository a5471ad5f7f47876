"""Traffic filters of projects: setting one, and which one holds. A version is never changed.

An iteration is analysed with the version that held when it started: a filter chosen after seeing
results would choose the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from equipoise_server.access.values import Actor, Permission
from equipoise_server.analysis import models
from equipoise_server.analysis.codec import from_json, to_json
from equipoise_server.analysis.traffic_values import OWN, TrafficFilter, TrafficRule
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.experiments.reads import traffic_rule_problems
from equipoise_server.experiments.values import Iteration
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.refusals import Conflict, Invalid, Problem, refuse_all

_MEANWHILE = Problem("", "Somebody changed the filter meanwhile. Read it again and repeat your change.")


@dataclass(frozen=True, slots=True)
class SetTrafficFilter:
    """All rules as they shall be; none leave nobody out. `expected_version` is what was read, 0 at first."""

    project_id: UUID
    expected_version: int
    rules: tuple[TrafficRule, ...]
    reason: str = ""


def set_traffic_filter(actor: Actor, command: SetTrafficFilter, *, now: datetime) -> TrafficFilter:
    """Make a new version, for experiments that start from now on."""
    actor.require(Permission.METRIC_EDIT, command.project_id)
    refuse_all(Invalid, list(traffic_rule_problems(command.rules)))
    held = traffic_filter(command.project_id)
    version = 0 if held is None else held.version
    if version != command.expected_version:
        raise Conflict(_MEANWHILE)
    made = TrafficFilter(
        command.project_id, version + 1, command.rules, now, actor.author.name, command.reason
    )
    subject = Subject("traffic_filter", command.project_id, "traffic filter", command.project_id)
    told = change(actor.author, "traffic_filter.set", subject, now=now, reason=command.reason)
    with refused_if_taken(_MEANWHILE), told as entry:
        models.TrafficFilterVersion.objects.create(
            project_id=made.project_id,
            version=made.version,
            rules=to_json(made.rules),
            created_at=now,
            author=made.author,
            reason=made.reason,
        )
        entry.before = {"version": version, "rules": _names(held)}
        entry.after = {"version": made.version, "rules": _names(made)}
    return made


def traffic_filter(project_id: UUID) -> TrafficFilter | None:
    """The newest version; None when none was ever set."""
    return _filter(_versions(project_id).first())


def traffic_filters(project_id: UUID) -> tuple[TrafficFilter, ...]:
    """All versions, the newest first."""
    found = (_filter(row) for row in _versions(project_id))
    return tuple(one for one in found if one is not None)


def traffic_filter_at(project_id: UUID, at: datetime) -> TrafficFilter | None:
    """The version that held at an instant; None when there was none, or when it left nobody out."""
    found = _filter(_versions(project_id).filter(created_at__lte=at).first())
    return found if found is not None and found.rules else None


def traffic_filter_of(iteration: Iteration) -> TrafficFilter | None:
    """Who leaves the analysis of a run: by its own frozen design, or as the project said at its start."""
    own = iteration.design.traffic
    if own is None:
        return traffic_filter_at(iteration.project_id, iteration.started_at)
    if not own:
        return None
    return TrafficFilter(iteration.project_id, OWN, own, iteration.started_at, "")


def _versions(project_id: UUID) -> QuerySet[models.TrafficFilterVersion]:
    return models.TrafficFilterVersion.objects.filter(project_id=project_id).order_by("-version")


def _filter(row: models.TrafficFilterVersion | None) -> TrafficFilter | None:
    if row is None:
        return None
    rules = from_json(row.rules, tuple[TrafficRule, ...])
    assert rules is not None, "rules are checked before they are kept"
    return TrafficFilter(row.project_id, row.version, rules, row.created_at, row.author, row.reason)


def _names(held: TrafficFilter | None) -> dict[str, str]:
    return {} if held is None else {rule.key: rule.name for rule in held.rules}
