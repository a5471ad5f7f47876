"""Due work of flags: the steps of ramp schedules, and hashes that no list has any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from equipoise_server.flags.listing import forget_list
from equipoise_server.flags.ramps import take_due_steps
from equipoise_server.foundation.due_kinds import Lane, handles


@handles("flag.ramp", title="Step of a rollout's ramp", lane=Lane.PROMPT)
def raise_share(payload: Mapping[str, str], now: datetime) -> None:
    """Take the steps of a schedule whose time has come."""
    take_due_steps(UUID(payload["ramp_id"]), now=now)


@handles("flag.forget_list", title="Forget a list that nobody names any more", lane=Lane.NIGHTLY)
def forget(payload: Mapping[str, str], now: datetime) -> None:
    """Delete the hashes of a list that changed long ago."""
    forget_list(payload["address"], now=now)
