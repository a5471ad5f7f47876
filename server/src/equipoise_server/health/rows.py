"""Turns rows of health checks into frozen values and back. Knows columns; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from equipoise_server.health import models
from equipoise_server.health.values import (
    Comparison,
    Finding,
    HealthCheck,
    OnFailure,
    Plan,
    Reading,
    Reduction,
    Result,
    Side,
    Standing,
    State,
    Why,
)


def check_value(row: models.HealthCheck) -> HealthCheck:
    """A check."""
    return HealthCheck(
        id=row.pk,
        project_id=row.project_id,
        environment_id=row.environment_id,
        flag_id=row.flag_id,
        flag_key=row.flag_key,
        key=row.key,
        name=row.name,
        plan=plan_from_json(row.plan),
        standing=Standing(
            State(row.state), row.since, row.asked_at, row.failures, row.acted_at, _why(row.why), row.told
        ),
        created_at=row.created_at,
        edition=row.edition,
    )


def standing_columns(standing: Standing) -> dict[str, object]:
    """A standing as a row keeps it."""
    return {**asdict(standing), "state": str(standing.state), "why": str(standing.why or "")}


def plan_to_json(plan: Plan) -> dict[str, object]:
    """A plan as a row, and the audit, keep it."""
    return {**asdict(plan), "variants": dict(plan.variants)}


def plan_from_json(kept: Mapping[str, Any]) -> Plan:  # as a row keeps it
    """The plan of a row."""
    return Plan(
        **{
            **kept,
            "side": Side(kept["side"]),
            "comparison": Comparison(kept["comparison"]),
            "reduction": Reduction(kept["reduction"]),
            "on_failure": OnFailure(kept["on_failure"]),
        }
    )


def finding_to_json(finding: Finding) -> dict[str, object]:
    """A finding as a row keeps it."""
    return asdict(finding)


def result_value(row: models.HealthResult) -> Result:
    """A finding that was kept."""
    kept = row.finding
    readings = tuple(
        Reading(**{**one, "state": State(one["state"]), "why": _why(one["why"])}) for one in kept["readings"]
    )
    return Result(row.at, Finding(State(kept["state"]), readings, _why(kept["why"]), kept["told"]))


def _why(kept: str | None) -> Why | None:
    return Why(kept) if kept else None
