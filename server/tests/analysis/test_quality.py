"""Every check that statistics knows has words here, and none is told in the wrong place."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

import equipoise_stats as stats
from equipoise_server.analysis.moments import ArmMoments
from equipoise_server.analysis.plan import MeasuredMetric
from equipoise_server.analysis.quality import EXPOSURE_CHECKS, METRIC_CHECKS, exposure_notes, metric_notes
from equipoise_server.analysis.sentences import REASONS
from equipoise_server.analysis.values import NoteLevel
from equipoise_server.experiments.values import MetricRole, PlannedMetric
from equipoise_server.foundation.ids import new_id
from equipoise_server.metrics.values import Definition, Direction, Fact, Metric, MetricKind, Tier

SPEND = Metric(
    new_id(), new_id(), new_id(), "spend", 1, "Spend", "",
    Definition(MetricKind.SUM, Fact("buy"), window=timedelta(days=1)), Direction.INCREASE, Tier.L2, "", "€",
    None, 100,
)  # fmt: skip
MEASURED = (MeasuredMetric(SPEND, PlannedMetric("spend", MetricRole.OEC)),)
ARM = ArmMoments(stats.Moments(("spend",), 10, np.array([5.0]), np.array([[9.0]])), 0, {"spend": 30.0})


def check(name: stats.CheckName, outcome: stats.Outcome = stats.Outcome.WARN) -> stats.QualityCheck:
    return stats.QualityCheck(name, outcome, 0.25, 0.1, variant="green", metric="spend")


def test_every_check_has_its_words_in_one_place() -> None:
    assert set(EXPOSURE_CHECKS) | set(METRIC_CHECKS) == set(stats.CheckName)
    assert not set(EXPOSURE_CHECKS) & set(METRIC_CHECKS)


def test_every_status_has_its_words() -> None:
    assert set(REASONS) == set(stats.Status)


@pytest.mark.parametrize("name", EXPOSURE_CHECKS)
def test_a_check_of_exposures_is_told_even_while_metrics_are_withheld(name: stats.CheckName) -> None:
    (note,) = exposure_notes([check(name)], {})
    assert note.key == name
    assert note.title
    assert "Spend" not in note.title + note.message
    assert list(metric_notes([check(name)], MEASURED, {"green": ARM})) == []
    assert list(exposure_notes([check(name, stats.Outcome.PASS)], {})) == []


@pytest.mark.parametrize("name", METRIC_CHECKS)
def test_a_check_of_a_metric_names_it_and_is_told_with_results_alone(name: stats.CheckName) -> None:
    (note,) = metric_notes([check(name, stats.Outcome.BLOCK)], MEASURED, {"green": ARM})
    assert (note.key, note.level) == (name, NoteLevel.BLOCK)
    assert "Spend" in note.title
    assert list(exposure_notes([check(name)], {})) == []


def test_a_unit_alone_in_its_arm_is_compared_with_nobody() -> None:
    alone = ArmMoments(stats.Moments(("spend",), 1, np.array([30.0]), np.zeros((1, 1))), 0, {"spend": 30.0})
    (note,) = metric_notes([check(stats.CheckName.LARGEST_UNIT)], MEASURED, {"green": alone})
    assert "without" not in note.message
