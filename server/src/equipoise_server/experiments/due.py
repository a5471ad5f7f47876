"""Registers the room's due work, and fills the ports of the rooms below. Imported at start-up."""

from __future__ import annotations

from equipoise_server.experiments import ramps
from equipoise_server.experiments.covering import cover_rollout
from equipoise_server.flags.actions import fill_coverage_port

HANDLERS = (ramps.take_step,)


def connect() -> None:
    """Let holdouts cover the rollouts that start."""
    fill_coverage_port(cover_rollout)
