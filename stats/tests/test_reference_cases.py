"""Every published reference case, through the functions that the product calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reference_designs import DESIGNS
from reference_estimators import ESTIMATORS
from reference_methods import METHODS as METHODS_OF_TIME

from equipoise_stats import one_sided_boundary, one_sided_multiplier
from equipoise_stats.intervals import t_critical, t_p_value

METHODS = METHODS_OF_TIME | ESTIMATORS | DESIGNS
DOCUMENT = json.loads((Path(__file__).parent / "data" / "stats-cases.json").read_text())


def agrees(found: Any, expected: Any, tolerance: Mapping[str, Any], name: str) -> bool:
    if isinstance(expected, dict):
        return all(agrees(found[key], value, tolerance, name) for key, value in expected.items())
    if isinstance(expected, list):
        pairs = zip(found, expected, strict=True)
        return all(agrees(f, e, tolerance, name) for f, e in pairs)
    if tolerance.get("exact") or isinstance(expected, (bool, str, type(None))):
        return bool(found == expected)
    near = tolerance.get(f"{name}_rel", tolerance.get("rel", 0.0))
    within = max(tolerance.get(name, tolerance.get("abs", 0.0)), near * abs(expected))
    return bool(abs(found - expected) <= within)


# g05's package does not reach the likeliest rates; test_small_counts.py shows ours are likelier.
ELSEWHERE = frozenset({"g05"})


def cases() -> list[Any]:
    dispatched = [case for case in DOCUMENT["cases"] if case["method"] in METHODS]
    known = [case for case in dispatched if case["id"] not in ELSEWHERE]
    return [pytest.param(case, id=f"{case['id']}-{case['method']}") for case in known]


@pytest.mark.parametrize("case", cases())
def test_the_reference_case_is_reproduced(case: Mapping[str, Any]) -> None:
    found = METHODS[case["method"]]({"recipe": case.get("recipe"), **case["inputs"]})
    compared = [name for name in case["expected"] if name in found]
    assert compared
    for name in compared:
        expected = case["expected"][name]
        assert agrees(found[name], expected, case["tolerance"], name), (name, found[name], expected)


def test_every_case_has_a_method_and_every_method_a_case() -> None:
    assert set(METHODS) == {case["method"] for case in DOCUMENT["cases"]}


def test_the_closed_one_sided_multiplier_lies_just_above_the_exact_boundary() -> None:
    for variance, best_at in ((1000, 10_000), (10_000, 100), (100, 100)):
        exact = one_sided_boundary(variance, best_at)
        closed = float(one_sided_multiplier(variance, best_at)) * variance**0.5
        assert exact <= closed <= 1.02 * exact


def test_the_welch_kernel_agrees_with_its_critical_value() -> None:
    assert float(t_p_value(t_critical(0.05, 7.0), 7.0)) == pytest.approx(0.05)
