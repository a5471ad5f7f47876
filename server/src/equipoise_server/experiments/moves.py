"""The moves of the lifecycle: one table says from where, to where, who may, and what is checked first."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise_server.access.values import Permission
from equipoise_server.experiments.checks import CheckRow
from equipoise_server.experiments.launch_checks import LAUNCH_CHECKS, LaunchFacts
from equipoise_server.experiments.shipping_checks import SHIPPING_CHECKS, ShippingFacts
from equipoise_server.experiments.values import Status
from equipoise_server.foundation.refusals import Conflict, Problem


@dataclass(frozen=True, slots=True)
class Move:
    """One verb of the lifecycle."""

    name: str
    sources: frozenset[Status]
    target: Status
    permission: Permission
    checks: tuple[CheckRow[LaunchFacts], ...] | tuple[CheckRow[ShippingFacts], ...] = ()

    def refuse_from(self, key: str, status: Status) -> None:
        """Refuse unless the move starts from this status."""
        if status not in self.sources:
            allowed = " or ".join(sorted(self.sources))
            raise Conflict(
                Problem("", f"“{key}” is {status}; only what is {allowed} can {_INFINITIVES[self.name]}.")
            )


_INFINITIVES = {
    "launch": "be launched",
    "widen": "be widened",
    "stop": "be stopped",
    "restart": "be restarted",
    "decide": "be decided",
    "archive": "be archived",
}

LAUNCH = Move(
    "launch", frozenset({Status.DRAFT}), Status.RUNNING, Permission.EXPERIMENT_LAUNCH, LAUNCH_CHECKS
)
WIDEN = Move("widen", frozenset({Status.RUNNING}), Status.RUNNING, Permission.EXPERIMENT_LAUNCH)
STOP = Move("stop", frozenset({Status.RUNNING}), Status.STOPPED, Permission.EXPERIMENT_STOP)
RESTART = Move(
    "restart", frozenset({Status.RUNNING, Status.STOPPED}), Status.RUNNING,
    Permission.EXPERIMENT_LAUNCH, LAUNCH_CHECKS,
)  # fmt: skip
DECIDE = Move(
    "decide", frozenset({Status.STOPPED}), Status.DECIDED, Permission.EXPERIMENT_DECIDE, SHIPPING_CHECKS
)
ARCHIVE = Move(
    "archive", frozenset({Status.DRAFT, Status.DECIDED}), Status.ARCHIVED, Permission.EXPERIMENT_EDIT
)

MOVES = {move.name: move for move in (LAUNCH, WIDEN, STOP, RESTART, DECIDE, ARCHIVE)}
