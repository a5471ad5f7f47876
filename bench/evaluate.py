"""Prints the time of an evaluation beside a floor, one murmur3 hash: `python bench/evaluate.py`.

Of the compiled engine: `PYTHONPATH=dist/engine-compiled/unpacked python bench/evaluate.py`, after
`make engine-compiled`.
"""

from __future__ import annotations

import gc
import json
import time
import timeit
import tracemalloc
from typing import Any

import mmh3

from equipoise_engine import compile_snapshot, validate_snapshot
from equipoise_engine.murmur import IS_COMPILED

LOOPS, REPEATS = 1_000, 400
KIND = "compiled" if IS_COMPILED else "pure Python"
GOALS = {"compiled": 300, "pure Python": 700}
TARGETED = "3 targeting clauses, then the experiment: 2 hashes"
MOST_SLOTS = ((0, 9_999),)  # a whole layer needs no hash
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


def nanoseconds(statement: str, **names: Any) -> float:
    """Return the best of many short runs, per call: some of them met no other process."""
    runs = timeit.repeat(statement, timer=time.process_time, number=LOOPS, repeat=REPEATS, globals=names)
    return min(runs) / LOOPS * 1e9


def _cases() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Return what is evaluated: a snapshot and a context. The unit is inside of the partial slots."""
    targeted = snapshot(1, eligibility={"all": CLAUSES}, slots=MOST_SLOTS)
    attributes = {name: CONTEXT["attributes"][name] for name in ("country", "plan", "age")}
    return {
        "experiment decides: 2 hashes": (snapshot(1, slots=MOST_SLOTS), CONTEXT),
        TARGETED: (targeted, CONTEXT),
        "the same with 3 attributes instead of 20": (targeted, {**CONTEXT, "attributes": attributes}),
        "the same in a layer of its own: 1 hash": (snapshot(1, eligibility={"all": CLAUSES}), CONTEXT),
        "no slots, then 3 targeting rules, default: 1 hash": (snapshot(1, slots=()), CONTEXT),
    }


def main() -> None:
    print(f"equipoise_engine is {KIND}; goals: 3 clauses and 2 hashes ≤ {GOALS[KIND]} ns,")
    print("1,000 flags evaluated ≤ 0.5 ms, loaded ≤ 10 ms and ≤ 3 MiB\n")
    text = "k3v9q2xa:u-1234567890"
    floor = nanoseconds("hash(text, 0, False)", hash=mmh3.hash, text=text)
    print(f"{'floor: one mmh3 hash':58}{floor:8.0f} ns")
    for name, (document, context) in _cases().items():
        compiled = compile_snapshot(document)
        statement = "evaluate('flag0', context, False)"
        spent = nanoseconds(statement, evaluate=compiled.evaluate, context=context)
        print(f"{name:58}{spent:8.0f} ns  {spent / floor:6.1f} × floor")
    _thousand()


def _thousand() -> None:
    document = snapshot(1_000, eligibility={"all": CLAUSES}, slots=MOST_SLOTS)
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
        spent = min(timeit.repeat(work, timer=time.process_time, number=1, repeat=15)) * 1e3
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
