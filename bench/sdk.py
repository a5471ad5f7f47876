"""Prints what a call of the Python SDK costs beside the evaluation in it: `python bench/sdk.py`."""

from __future__ import annotations

import evaluate

from equipoise_engine import compile_snapshot
from equipoise_sdk import in_memory


def main() -> None:
    document = evaluate.snapshot(1, eligibility={"all": evaluate.CLAUSES}, slots=evaluate.MOST_SLOTS)
    client, compiled = in_memory(document), compile_snapshot(document)
    calls = {
        "the engine evaluates": ("ask('flag0', context, False)", compiled.evaluate),
        "client.peek evaluates": ("ask('flag0', False, context)", client.peek),
        "client.boolean evaluates and exposes, one unit again": (
            "ask('flag0', False, context)",
            client.boolean,
        ),
    }
    found = {
        name: evaluate.nanoseconds(call, ask=ask, context=evaluate.CONTEXT)
        for name, (call, ask) in calls.items()
    }
    floor = min(found.values())
    for name, nanoseconds in found.items():
        print(f"{name:56}{nanoseconds:8,.0f} ns {nanoseconds / floor:6.1f} ×")
    client.close()


if __name__ == "__main__":
    main()
