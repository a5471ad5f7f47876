"""How iterations, their layers and holdouts are written in a snapshot (spec/evaluation.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from equipoise_server.experiments.values import Holdout, Iteration, Schedule, StopCause

WHOLE = 1_000_000


@dataclass(frozen=True, slots=True)
class LayerNode:
    """A layer as snapshots need it."""

    key: str
    salt: str
    unit_type: str
    is_launch: bool = False
    inside: str = ""
    domain: tuple[tuple[int, int], ...] = ()


def layer_nodes(layers: Mapping[str, LayerNode], used: Iterable[str]) -> dict[str, Mapping[str, object]]:
    """The layers in use, and those that they are nested in."""
    reached: dict[str, Mapping[str, object]] = {}
    pending = list(used)
    while pending:
        layer = layers[pending.pop()]
        if layer.key not in reached:
            reached[layer.key] = _layer_node(layer)
            pending += [layer.inside] if layer.inside else []
    return dict(sorted(reached.items()))


def _layer_node(layer: LayerNode) -> dict[str, object]:
    node: dict[str, object] = {"salt": layer.salt, "unit_type": layer.unit_type}
    if layer.is_launch:
        node["launch"] = True
    if layer.inside:
        node["domain"] = {"layer": layer.inside, "slots": [list(slots) for slots in layer.domain]}
    return node


def experiment_node(iteration: Iteration) -> dict[str, object]:
    """The iteration; a stopped one serves control to those it enrolled."""
    design = iteration.design
    node: dict[str, object] = {
        "iteration": iteration.number,
        "layer": iteration.layer_key,
        "unit_type": design.unit_type,
        "state": "running" if iteration.stopped_at is None else "stopped",
        "killed": iteration.stop_cause is StopCause.KILL,
        "eligibility": None if design.eligibility is None else dict(design.eligibility),
        "slots": [list(slots) for slots in iteration.slots],
        "control": design.control,
        "variants": [
            {"key": arm.key, "weight": arm.weight, "values": dict(arm.values)} for arm in design.arms
        ],
    }
    if design.cluster_type:
        node["cluster_type"] = design.cluster_type
    if iteration.schedule is not None:
        return node | {"switchback": _switchback(iteration.schedule)}
    return node | {"gate": _gate(iteration), "salt": iteration.salt}


def _gate(iteration: Iteration) -> dict[str, object] | None:
    if iteration.gate_parts_per_million == WHOLE:
        return None
    return {"salt": iteration.gate_salt, "parts_per_million": iteration.gate_parts_per_million}


def _switchback(schedule: Schedule) -> dict[str, object]:
    return {
        "starts_at": schedule.starts_at.isoformat(),
        "window_seconds": schedule.window_seconds,
        "burn_in_seconds": schedule.burn_in_seconds,
        "schedule": dict(schedule.rows),
    }


def holdout_node(holdout: Holdout) -> dict[str, object]:
    """The holdout's open season."""
    return {
        "season": holdout.season.number,
        "salt": holdout.season.salt,
        "unit_type": holdout.unit_type,
        "parts_per_million": holdout.parts_per_million,
    }
