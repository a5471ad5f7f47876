"""Whether something may be promoted now. Rooms above know why not, and say it through a port."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

Gate = Callable[[UUID, UUID, datetime], tuple[str, ...]]
"""From a flag, an environment and now to the reasons to wait."""
_gates: list[Gate] = []


def fill_promotion_port(gate: Gate) -> None:
    """Let the room that knows a flag's health hold its ramps. Called at start-up."""
    _gates[:] = [gate]


def waits_for(flag_id: UUID, environment_id: UUID, now: datetime) -> tuple[str, ...]:
    """Why no share of the flag may rise now; empty when nothing speaks against it."""
    return tuple(reason for gate in _gates for reason in gate(flag_id, environment_id, now))
