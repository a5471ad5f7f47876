"""How an iteration and its layer are written in a snapshot (spec/evaluation.md)."""

from __future__ import annotations

from equipoise_server.experiments.values import Iteration, StopCause

WHOLE = 1_000_000


def layer_node(iteration: Iteration) -> dict[str, object]:
    """The iteration's layer."""
    return {"salt": iteration.layer_salt, "unit_type": iteration.design.unit_type}


def experiment_node(iteration: Iteration) -> dict[str, object]:
    """The iteration; a stopped one serves control to those it enrolled."""
    design = iteration.design
    return {
        "iteration": iteration.number,
        "layer": iteration.layer_key,
        "unit_type": design.unit_type,
        "state": "running" if iteration.stopped_at is None else "stopped",
        "killed": iteration.stop_cause is StopCause.KILL,
        "eligibility": None if design.eligibility is None else dict(design.eligibility),
        "slots": [list(slots) for slots in iteration.slots],
        "gate": _gate(iteration),
        "salt": iteration.salt,
        "control": design.control,
        "variants": [
            {"key": arm.key, "weight": arm.weight, "values": dict(arm.values)} for arm in design.arms
        ],
    }


def _gate(iteration: Iteration) -> dict[str, object] | None:
    if iteration.gate_parts_per_million == WHOLE:
        return None
    return {"salt": iteration.gate_salt, "parts_per_million": iteration.gate_parts_per_million}
