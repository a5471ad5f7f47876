"""Turns rows of ramp schedules into frozen values, finds them or refuses, and pauses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from equipoise_server.flags import models
from equipoise_server.flags.values import Ramp, RampState, RampStep
from equipoise_server.foundation.refusals import NotFound, Problem


def found_ramp(ramp_id: UUID) -> models.Ramp:
    """The row of a schedule with its flag, or a refusal."""
    row = models.Ramp.objects.select_related("flag").filter(pk=ramp_id).first()
    if row is None:
        raise NotFound(Problem("ramp", "There is no such schedule."))
    return row


def pause_where_lowered(row: models.FlagSettings, rules: Any, now: datetime) -> None:  # as a row keeps them
    """Pause the schedules of shares that new rules lower: else their next step would raise them again."""
    shares = _shares_in(rules)
    for (rule_id, ring_id), share in _shares_in(row.rules).items():
        if shares.get((rule_id, ring_id), share) < share:
            models.Ramp.objects.filter(
                flag_id=row.flag_id, environment_id=row.environment_id, rule_id=rule_id, ring_id=ring_id,
                ended_at=None, paused_at=None,
            ).update(paused_at=now, note="Paused, because the share was lowered by hand.")  # fmt: skip


def _shares_in(rules: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """(rule, ring or "") → the share of each rollout of a row."""
    rollouts = [(rule["id"], rule["rollout"]) for rule in rules if "rollout" in rule]
    return {
        (rule_id, stage.get("id", "")): stage["parts_per_million"]
        for rule_id, rollout in rollouts
        for stage in rollout.get("rings") or (rollout,)
    }


def steps_to_json(steps: Sequence[RampStep]) -> list[dict[str, object]]:
    """Steps as a row keeps them."""
    return [
        {"at": step.at.astimezone(UTC).isoformat(), "parts_per_million": step.parts_per_million}
        for step in steps
    ]


def steps_from_json(items: Sequence[Mapping[str, Any]]) -> tuple[RampStep, ...]:
    """The steps of a row."""
    return tuple(RampStep(datetime.fromisoformat(item["at"]), item["parts_per_million"]) for item in items)


def later_steps(row: models.Ramp, by: timedelta) -> list[dict[str, object]]:
    """The steps of a row, those that are still to come later by so long."""
    return steps_to_json(
        [
            step if place < row.done_count else RampStep(step.at + by, step.parts_per_million)
            for place, step in enumerate(steps_from_json(row.steps))
        ]
    )


def ramp_value(row: models.Ramp) -> Ramp:
    """A schedule."""
    return Ramp(
        id=row.pk,
        flag_id=row.flag_id,
        environment_id=row.environment_id,
        rule_id=row.rule_id,
        ring_id=row.ring_id,
        steps=steps_from_json(row.steps),
        done_count=row.done_count,
        state=_state_of(row),
        note=row.note,
        held_since=row.held_since,
        from_parts_per_million=row.from_parts_per_million,
    )


def _state_of(row: models.Ramp) -> RampState:
    if row.ended_at is not None:
        return RampState.ENDED
    if row.paused_at is not None:
        return RampState.PAUSED
    return RampState.RISING if row.held_since is None else RampState.HELD
