"""Changes of single metrics. A new meaning makes a new version; new words do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from equipoise_server.access.values import Actor, Permission
from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Subject
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.ids import is_key, key_fault, new_id
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound, Problem, refuse_all
from equipoise_server.foundation.texts import LONGEST_NAME, text_problems
from equipoise_server.metrics import models, reads
from equipoise_server.metrics.definition_json import (
    definition_to_json,
    margin_to_json,
    semantic_hash,
)
from equipoise_server.metrics.definition_rules import (
    definition_problems,
    display_problems,
    margin_problems,
)
from equipoise_server.metrics.source_facts import pinned, source_problems
from equipoise_server.metrics.values import Definition, Direction, Fact, Margin, Metric, Tier

MOST_MINIMUM_UNITS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class CreateMetric:
    """A new entry of the catalogue, at version 1."""

    project_id: UUID
    key: str
    name: str
    definition: Definition
    direction: Direction = Direction.INCREASE
    description: str = ""
    tier: Tier = Tier.L3
    owner: str = ""
    display: str = "number"
    default_margin: Margin | None = None
    minimum_units: int = 100


@dataclass(frozen=True, slots=True)
class ReviseMetric:
    """The whole entry as it shall be. `expected_version` is the edition that was read."""

    metric_id: UUID
    expected_version: int
    name: str
    definition: Definition
    direction: Direction
    description: str
    tier: Tier
    owner: str
    display: str
    default_margin: Margin | None
    minimum_units: int


def create_metric(actor: Actor, command: CreateMetric, *, now: datetime) -> Metric:
    """Add a metric to the catalogue."""
    actor.require(Permission.METRIC_EDIT, command.project_id)
    refuse_all(Invalid, metric_problems(command, is_new=True))
    command = replace(command, definition=pinned(command.project_id, command.definition))
    metric_id = new_id()
    subject = Subject("metric", metric_id, command.key, command.project_id)
    taken = Problem("key", _key_taken("a metric", command.key))
    with refused_if_taken(taken), change(actor.author, "metric.create", subject, now=now) as entry:
        row = models.Metric.objects.create(
            id=metric_id, project_id=command.project_id, key=command.key, created_at=now, **_words(command)
        )
        _add_version(row, 1, command, now=now, author_id=actor.author.id)
        entry.after = _facts(command, version=1)
    return reads.metric(metric_id)


def revise_metric(actor: Actor, command: ReviseMetric, *, now: datetime) -> Metric:
    """Change a metric; only a changed definition or direction makes a new version."""
    held = reads.metric(command.metric_id)
    actor.require(Permission.METRIC_EDIT, held.project_id)
    refuse_all(Invalid, _problems(held.project_id, held.key, command))
    command = replace(command, definition=pinned(held.project_id, command.definition))
    subject = Subject("metric", held.id, held.key, held.project_id)
    with change(actor.author, "metric.revise", subject, now=now) as entry:
        row = models.Metric.objects.select_for_update().get(pk=held.id)
        _refuse_unless_current(row, command.expected_version)
        current = reads.metric(held.id)
        means_the_same = semantic_hash(current.definition, current.direction) == semantic_hash(
            command.definition, command.direction
        )
        version = current.version if means_the_same else current.version + 1
        if not means_the_same:
            _add_version(row, version, command, now=now, author_id=actor.author.id)
        models.Metric.objects.filter(pk=row.pk).update(edition=row.edition + 1, **_words(command))
        entry.before, entry.after = _facts(current, version=current.version), _facts(command, version=version)
    return reads.metric(held.id)


def archive_metric(actor: Actor, metric_id: UUID, *, now: datetime) -> Metric:
    """Take a metric out of the catalogue. What uses it keeps it; its key is never used again."""
    held = reads.metric(metric_id)
    actor.require(Permission.METRIC_EDIT, held.project_id)
    subject = Subject("metric", held.id, held.key, held.project_id)
    with change(actor.author, "metric.archive", subject, now=now) as entry:
        row = models.Metric.objects.select_for_update().get(pk=held.id)
        if row.archived_at is not None:
            raise Conflict(Problem("", f"“{held.key}” is archived already."))
        models.Metric.objects.filter(pk=row.pk).update(archived_at=now, edition=row.edition + 1)
        entry.before, entry.after = {"archived": False}, {"archived": True}
    return reads.metric(held.id)


def metric_problems(command: CreateMetric, *, is_new: bool) -> list[Problem]:
    """Every fault of an entry, the key's too when it is to be new."""
    return [*(_key_problems(command) if is_new else ()), *_problems(command.project_id, command.key, command)]


def _key_problems(command: CreateMetric) -> list[Problem]:
    if not is_key(command.key):
        return [Problem("key", key_fault(command.key))]
    try:
        held = reads.metric_by_key(command.project_id, command.key)
    except NotFound:
        return []
    state = "an archived metric" if held.archived_at is not None else "a metric"
    return [Problem("key", _key_taken(state, command.key))]


def _key_taken(by: str, key: str) -> str:
    return f"There is {by} “{key}” already; choose another key."


def _problems(project_id: UUID, key: str, command: CreateMetric | ReviseMetric) -> list[Problem]:
    problems = [*definition_problems(key, command.definition), *_unkeepable(command)]
    problems += source_problems(project_id, key, command.definition)
    if not command.name.strip():
        problems.append(Problem("name", f"“{key}”: give the metric a name that a product manager reads."))
    problems += display_problems(key, command.definition.kind, command.display)
    problems += margin_problems(key, "default_margin", command.default_margin)
    if not 1 <= command.minimum_units <= MOST_MINIMUM_UNITS:
        told = (
            f"“{key}”: ask for at least 1 and at most {MOST_MINIMUM_UNITS:,} units before numbers are shown."
        )
        problems.append(Problem("minimum_units", told))
    return problems


def _unkeepable(command: CreateMetric | ReviseMetric) -> list[Problem]:
    definition = command.definition
    fact, below, answer = definition.fact, definition.denominator, definition.answer
    return [
        *text_problems(LONGEST_NAME, name=command.name, owner=command.owner),
        *text_problems(description=command.description, display=command.display),
        *text_problems(**{"definition.fact": _texts_of(fact)}),
        *text_problems(**{"definition.denominator": "" if below is None else _texts_of(below)}),
        *text_problems(**{"definition.answer": "" if answer is None else _texts_of(answer)}),
        *text_problems(**{"definition.steps": "".join(_texts_of(step) for step in definition.steps)}),
        *text_problems(**{"definition.touches": "".join(_texts_of(one.fact) for one in definition.touches)}),
    ]


def _texts_of(fact: Fact) -> str:
    where = fact.where or {}
    named = [fact.event, fact.property, fact.source, *where, *(fact.weights or {})]
    return "".join([*named, *(text for text in where.values() if isinstance(text, str))])


def _refuse_unless_current(row: models.Metric, expected_version: int) -> None:
    if row.archived_at is not None:
        raise Conflict(Problem("", f"“{row.key}” is archived; create a metric with another key."))
    if row.edition != expected_version:
        raise Conflict(
            Problem(
                "expected_version",
                f"Somebody changed “{row.key}” meanwhile; read it again, then repeat your change.",
            )
        )


def _words(command: CreateMetric | ReviseMetric) -> dict[str, object]:
    return {
        "name": command.name.strip(),
        "description": command.description,
        "tier": str(command.tier),
        "owner": command.owner,
        "display": command.display,
        "default_margin": margin_to_json(command.default_margin),
        "minimum_units": command.minimum_units,
    }


def _facts(source: CreateMetric | ReviseMetric | Metric, *, version: int) -> dict[str, object]:
    return {
        "version": version,
        "name": source.name.strip(),
        "description": source.description,
        "definition": definition_to_json(source.definition),
        "direction": str(source.direction),
        "tier": str(source.tier),
        "owner": source.owner,
        "display": source.display,
        "default_margin": margin_to_json(source.default_margin),
        "minimum_units": source.minimum_units,
    }


def _add_version(
    row: models.Metric, number: int, command: CreateMetric | ReviseMetric, *, now: datetime, author_id: str
) -> None:
    models.MetricVersion.objects.create(
        metric=row, number=number, definition=definition_to_json(command.definition),
        direction=str(command.direction),
        semantic_hash=semantic_hash(command.definition, command.direction), created_at=now,
        author_id=author_id, reads_sources=bool(command.definition.sources),
    )  # fmt: skip
