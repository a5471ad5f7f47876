"""The TypeScript SDK's own tests: vectors, clients, outages, workers and browsers."""

from __future__ import annotations

import pytest
from in_node import PACKAGE, build, node, run_suite

SUITES = sorted(path.name.removesuffix(".test.ts") for path in PACKAGE.glob("tests/*.test.ts"))
IN_A_BROWSER = {"browser", "openfeature_web"}

pytestmark = pytest.mark.node


@pytest.mark.parametrize(
    "suite",
    [pytest.param(name, marks=[pytest.mark.browser] if name in IN_A_BROWSER else []) for name in SUITES],
)
def test_the_suite_passes_in_node(suite: str) -> None:
    build()
    run_suite(suite)


def test_every_file_is_laid_out_alike() -> None:
    files = ["src", "tests", "bench", "build.mjs", "../examples/edge-worker/src"]
    node("node_modules/prettier/bin/prettier.cjs", "--check", "--log-level=warn", *files)
