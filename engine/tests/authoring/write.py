"""Writes spec/vectors from their sources: `python -m authoring.write` in engine/tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from authoring import (
    conditions,
    designs,
    experiments,
    holdouts,
    layers,
    murmur,
    prerequisites,
    segments,
    serving,
)

SPEC = Path(__file__).parents[3] / "spec"


def texts() -> dict[str, str]:
    """Return file name below spec/vectors → content."""
    topics: dict[str, Iterable[object]] = {
        "conditions": conditions.vectors(),
        "kill": serving.kill(),
        "prerequisites": prerequisites.vectors(),
        "overrides": [*serving.overrides(), *prerequisites.links()],
        "segments": segments.vectors(),
        "holdouts": holdouts.vectors(),
        "layers": layers.vectors(),
        "experiments": [*experiments.vectors(), *designs.differences()],
        "clusters": designs.clusters(),
        "switchbacks": designs.switchbacks(),
        "rollouts": [*serving.rollouts(), *layers.rings()],
        "units": serving.unit_ids(),
        "errors": serving.errors(),
        "types": serving.types(),
    }
    files = {f"evaluation/{topic}.json": list(cases) for topic, cases in topics.items()}
    files["pick.json"] = list(picks())
    files["members.json"] = list(segments.hashes())
    return {name: _lines(cases) for name, cases in files.items()}


def picks() -> Iterable[dict[str, object]]:
    """Edges of every arm, one below and one at: h is the least hash whose place reaches the edge."""
    for weights in (
        [1],
        [1, 1],
        [1, 2, 7],
        [0, 1, 0, 3],
        [1] * 64,
        [3333, 3333, 3334],
        [2**19, 2**19],
        [1, 2**20 - 1],
    ):
        total, edge = sum(weights), 0
        places = {0, 2**32 - 1}
        for weight in weights[:-1]:
            edge += weight
            least = -(-edge * 2**32 // total)
            places |= {place for place in (least - 1, least) if 0 <= place < 2**32}
        for place in sorted(places)[:20]:
            index = murmur.arm(murmur.Fraction(place, 2**32), weights)
            yield {"hash": place, "weights": weights, "index": index}


def _lines(cases: list[object]) -> str:
    """One case a line: a difference between two versions shows the cases that changed."""
    return "[\n" + ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases) + "\n]\n"


def main() -> None:
    for name, text in texts().items():
        path = SPEC / "vectors" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
