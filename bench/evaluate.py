"""Prints the time of an evaluation beside a floor, one murmur3 hash: `python bench/evaluate.py`."""

from __future__ import annotations

import gc
import json
import time
import timeit
import tracemalloc
from typing import Any

import mmh3

from equipoise_engine import compile_snapshot, validate_snapshot

LOOPS, REPEATS = 5_000, 60  # many short runs: the best one met no other process
CONTEXT: dict[str, Any] = {
    "units": {"user": "u-1234567890"},
    "attributes": {f"attribute{n}": f"value{n}" for n in range(17)}
    | {"country": "DE", "plan": "pro", "age": 34},
}
CLAUSES = [
    {"attribute": "country", "operator": "in", "values": ["DE", "AT", "CH"]},
    {"attribute": "plan", "operator": "equals", "value": "pro"},
    {"attribute": "age", "operator": "greater_or_equal", "value": 18},
]
ELSEWHERE = [
    {"attribute": "country", "operator": "in", "values": ["FR", "ES"]},
    {"attribute": "plan", "operator": "equals", "value": "free"},
    {"attribute": "age", "operator": "less", "value": 18},
]


def snapshot(count: int, *, eligibility: object = None, slots: object = ((0, 10_000),)) -> dict[str, Any]:
    """Return `count` flags, each with an experiment in a layer of its own and three rules."""
    keys = [f"flag{n}" for n in range(count)]
    return {
        "format": 1,
        "project": "bench",
        "environment": "bench",
        "epoch": 1,
        "revision": 1,
        "default_unit_type": "user",
        "unit_types": ["user"],
        "layers": {key: {"salt": f"layer-{key}", "unit_type": "user"} for key in keys},
        "experiments": {key: _experiment(key, eligibility, slots) for key in keys},
        "flags": {key: _flag(key) for key in keys},
    }


def _experiment(key: str, eligibility: object, slots: Any) -> dict[str, Any]:
    return {
        "iteration": 1,
        "layer": key,
        "unit_type": "user",
        "state": "running",
        "eligibility": eligibility,
        "slots": [list(part) for part in slots],
        "salt": f"split-{key}",
        "control": "control",
        "variants": [
            {"key": "control", "weight": 1, "values": {key: "off"}},
            {"key": "treatment", "weight": 1, "values": {key: "on"}},
        ],
    }


def _flag(key: str) -> dict[str, Any]:
    rules = [{"id": f"r{n}", "eligibility": clause, "serve": "on"} for n, clause in enumerate(ELSEWHERE)]
    variants = {"on": True, "off": False}
    return {
        "type": "boolean",
        "variants": variants,
        "off": "off",
        "default": "off",
        "experiments": [key],
        "rules": rules,
    }


def nanoseconds(statement: Any) -> float:
    """Return the best of several runs, per call."""
    return min(timeit.repeat(statement, timer=time.process_time, number=LOOPS, repeat=REPEATS)) / LOOPS * 1e9


def main() -> None:
    text = "k3v9q2xa:u-1234567890"
    floor = nanoseconds(lambda: mmh3.hash(text, 0, False))
    print(f"{'floor: one mmh3 hash':58}{floor:8.0f} ns")
    cases = {
        "experiment decides: 2 hashes": snapshot(1),
        "3 targeting clauses, then the experiment: 2 hashes": snapshot(1, eligibility={"all": CLAUSES}),
        "outside the experiment, 3 targeting rules, default: 1 hash": snapshot(1, slots=()),
    }
    for name, document in cases.items():
        evaluate = compile_snapshot(document).evaluate
        spent = nanoseconds(lambda evaluate=evaluate: evaluate("flag0", CONTEXT, False))
        print(f"{name:58}{spent:8.0f} ns  {spent / floor:6.1f} × floor")
    few = {
        **CONTEXT,
        "attributes": {name: CONTEXT["attributes"][name] for name in ("country", "plan", "age")},
    }
    evaluate = compile_snapshot(cases["3 targeting clauses, then the experiment: 2 hashes"]).evaluate
    spent = nanoseconds(lambda: evaluate("flag0", few, False))
    print(f"{'the same with 3 attributes instead of 20':58}{spent:8.0f} ns  {spent / floor:6.1f} × floor")
    _thousand()


def _thousand() -> None:
    document = snapshot(1_000, eligibility={"all": CLAUSES})
    compiled = compile_snapshot(document)
    keys = compiled.flag_keys

    def evaluate_all() -> None:
        for key in keys:
            compiled.evaluate(key, CONTEXT, False)

    hashed = {**document, "hash": compiled.hash}
    wire = json.dumps(hashed).encode()
    for name, work in {
        "evaluate 1,000 flags for one unit, one by one": evaluate_all,
        "evaluate 1,000 flags for one unit, together": lambda: compiled.evaluate_all(CONTEXT),
        "parse 1,000 flags": lambda: json.loads(wire),
        "load 1,000 flags": lambda: compile_snapshot(hashed),
        "load 1,000 flags and ask each once": lambda: compile_snapshot(hashed).evaluate_all(CONTEXT),
        "validate 1,000 flags": lambda: validate_snapshot(hashed),
    }.items():
        spent = min(timeit.repeat(work, timer=time.process_time, number=1, repeat=9)) * 1e3
        print(f"{name:58}{spent:8.2f} ms")
    gc.collect()
    tracemalloc.start()
    kept = compile_snapshot(hashed)
    print(f"{'memory of 1,000 flags, loaded':58}{tracemalloc.get_traced_memory()[0] / 2**20:8.1f} MiB")
    kept.evaluate_all(CONTEXT)
    gc.collect()
    print(f"{'memory of 1,000 flags, each asked':58}{tracemalloc.get_traced_memory()[0] / 2**20:8.1f} MiB")


if __name__ == "__main__":
    main()
