"""Every number of a report's rows against the same analysis made by the library alone; for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence

import equipoise_stats as stats
from equipoise_server.analysis.values import ComparisonRow, Interval


def assert_the_same(rows: Sequence[ComparisonRow], found: stats.Results) -> None:
    """The rows are the results, to the last bit."""
    assert [(row.metric, row.arm) for row in rows] == [(one.metric, one.treatment) for one in found.metrics]
    for row, one in zip(rows, found.metrics, strict=True):
        assert (row.effect, row.effect_interval) == _shown(one.effect)
        assert (row.lift, row.lift_interval) == _shown(one.lift)
        assert (row.p_value, row.adjusted_p_value) == (one.p_value, one.adjusted_p_value)
        assert (row.control_units, row.treatment_units) == (one.control_estimate.n, one.treatment_estimate.n)
        assert row.mde_reached == (None if one.mde_reached is None else one.mde_reached.lift)
        assert row.variance_reduction == one.variance_reduction
        if row.weight is None and not row.metric.startswith(":"):
            assert row.control_value == one.control_estimate.value
            assert row.treatment_value == one.treatment_estimate.value
        if one.guardrail is not None:
            assert row.guardrail is not None
            assert (row.guardrail.state == "pass") is (one.guardrail.verdict is stats.GuardrailVerdict.PASS)
        if one.look is not None:
            assert row.look is not None
            assert (row.look.information, row.look.critical, row.look.z) == (
                one.look.information, one.look.critical, one.look.z,
            )  # fmt: skip


def _shown(found: stats.Interval | stats.Undefined) -> tuple[float | None, Interval | None]:
    if isinstance(found, stats.Undefined):
        return None, None
    ends = [end if math.isfinite(end) else None for end in (found.lower, found.upper)]
    return found.value, Interval(ends[0], ends[1])
