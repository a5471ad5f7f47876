"""Baselines: which holdouts cover a flag, and what their units get. Who covers what is decided above."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from equipoise_server.audit.actions import change
from equipoise_server.audit.values import Author, Subject
from equipoise_server.flags import models
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.clashes import refused_if_taken
from equipoise_server.foundation.refusals import Problem


@dataclass(frozen=True, slots=True)
class CoverFlag:
    """Keep the units of a holdout on one variant of a flag, in one environment."""

    flag_id: UUID
    environment_id: UUID
    holdout_id: UUID
    holdout_key: str
    unit_type: str
    variant: str


@dataclass(frozen=True, slots=True)
class HeldFlag:
    """A flag that a holdout covers in one environment."""

    flag_id: UUID
    flag_key: str
    project_id: UUID
    environment_id: UUID
    holdout_id: UUID
    holdout_key: str
    unit_type: str
    variant: str
    since: datetime


Coverer = Callable[[Author, Flag, UUID, datetime], None]
_coverers: list[Coverer] = []


def fill_coverage_port(coverer: Coverer) -> None:
    """Let the room that knows holdouts cover a flag when a rollout on it starts. Called at start-up."""
    _coverers[:] = [coverer]


def rollout_starts(author: Author, before: Flag, environment_id: UUID, *, now: datetime) -> None:
    """Say that a rollout starts on a flag, and what the flag was before; inside the change that starts it."""
    for cover in _coverers:
        cover(author, before, environment_id, now)


def cover_flag(author: Author, command: CoverFlag, *, now: datetime) -> None:
    """Let a holdout cover a flag. Called inside the change that makes the flag start to change."""
    flag = models.Flag.objects.get(pk=command.flag_id)
    subject = Subject("flag", flag.pk, flag.key, flag.project_id, command.environment_id)
    taken = f"A holdout covers the flag “{flag.key}” since a moment ago; look at it, then repeat."
    with refused_if_taken(Problem("", taken)), change(author, "flag.cover", subject, now=now) as entry:
        models.Baseline.objects.create(
            flag=flag, environment_id=command.environment_id, holdout_id=command.holdout_id,
            holdout_key=command.holdout_key, unit_type=command.unit_type, variant=command.variant, since=now,
        )  # fmt: skip
        entry.after = {"holdout": command.holdout_key, "baseline": command.variant}
        entry.touches(command.environment_id, flag.key)


def uncover_flags(author: Author, holdout_id: UUID, *, now: datetime) -> None:
    """Let go of every flag that a holdout covers. Called inside the change that ends its season."""
    for held in held_flags(holdout_id):
        subject = Subject("flag", held.flag_id, held.flag_key, held.project_id, held.environment_id)
        with change(author, "flag.uncover", subject, now=now) as entry:
            entry.before = {"holdout": held.holdout_key, "baseline": held.variant}
            entry.touches(held.environment_id, held.flag_key)
    models.Baseline.objects.filter(holdout_id=holdout_id).delete()


def held_flags(holdout_id: UUID) -> tuple[HeldFlag, ...]:
    """What a holdout covers, oldest first."""
    rows = models.Baseline.objects.filter(holdout_id=holdout_id, flag__archived_at=None)
    return tuple(map(_held, rows.select_related("flag").order_by("since", "pk")))


def holdouts_over(environment_id: UUID, flag_keys: frozenset[str] | None = None) -> tuple[HeldFlag, ...]:
    """The flags of an environment that holdouts cover: all of them, or those named."""
    rows = models.Baseline.objects.filter(environment_id=environment_id, flag__archived_at=None)
    if flag_keys is not None:
        rows = rows.filter(flag__key__in=flag_keys)
    return tuple(map(_held, rows.select_related("flag").order_by("flag__key", "since", "pk")))


def baseline_nodes(environment_id: UUID) -> Mapping[str, list[dict[str, object]]]:
    """Flag key → the holdouts that cover it, as the snapshot has them."""
    nodes: dict[str, list[dict[str, object]]] = {}
    for held in holdouts_over(environment_id):
        nodes.setdefault(held.flag_key, []).append({"holdout": held.holdout_key, "baseline": held.variant})
    return nodes


def baseline_problems(flag_id: UUID, gone: set[str]) -> list[Problem]:
    """Why variants cannot be removed: a holdout keeps its units on them."""
    rows = models.Baseline.objects.filter(flag_id=flag_id, variant__in=gone).order_by("variant")
    told = dict.fromkeys((row.variant, row.holdout_key) for row in rows)
    return [
        Problem(
            "variants",
            f"The holdout “{holdout}” keeps its units on “{variant}”; it can leave when the season is over.",
        )
        for variant, holdout in told
    ]


def _held(row: models.Baseline) -> HeldFlag:
    return HeldFlag(
        row.flag_id, row.flag.key, row.flag.project_id, row.environment_id, row.holdout_id, row.holdout_key,
        row.unit_type, row.variant, row.since,
    )  # fmt: skip
