"""A guardrail is drawn on the scale it was judged on, so that picture and verdict never disagree."""

from __future__ import annotations

from dataclasses import replace

from dashboard import gallery

from equipoise_server.analysis.sentences import margin_text
from equipoise_server.analysis.values import Guardrail, GuardrailState, Interval
from equipoise_server.dashboard.charts.values import ForestRow
from equipoise_server.dashboard.pages.experiment import arm_names
from equipoise_server.dashboard.pages.metrics import margin_words
from equipoise_server.dashboard.pages.results import forest_row, line_of
from equipoise_server.experiments.values import MetricRole
from equipoise_server.metrics.values import Direction, Margin, MarginKind


def _refunds(guardrail: Guardrail) -> ForestRow:
    """Refunds of 0.55 % against 0.69 %: the lift reaches 61 %, the difference only 0.29 points."""
    row = gallery.a_row(
        "refunds", "Refunds", MetricRole.GUARDRAIL, values=(0.0055, 0.0069), interval=(-0.026, 0.608),
        direction=Direction.DECREASE, guardrail=guardrail,
    )  # fmt: skip
    judged = replace(row, effect_interval=Interval(-0.0002, 0.0029))
    return forest_row(judged, line_of(judged, arm_names(gallery.DESIGN)), named_arm=False)


def test_an_absolute_margin_is_drawn_with_the_difference_it_judged() -> None:
    drawn = _refunds(Guardrail(GuardrailState.PASS, "0.30 points", None, 0.003, False))
    assert drawn.margin is not None
    assert drawn.high is not None
    assert drawn.margin == 0.003 / 0.0055
    assert drawn.high < drawn.margin


def test_an_absolute_margin_of_a_share_is_said_in_points_everywhere() -> None:
    margin = Margin(MarginKind.ABSOLUTE, 0.003)
    assert margin_text(margin, Direction.DECREASE, "percent") == "at most 0.30 pp higher than control"
    assert margin_text(margin, Direction.INCREASE, "ms") == "at most 0.003 ms lower than control"
    assert margin_words(margin, "percent") == "0.3\u00a0pp"
    assert margin_words(Margin(MarginKind.RELATIVE, 0.02), "percent") == "2\u00a0% of control"


def test_a_relative_margin_is_drawn_with_the_lift_it_judged() -> None:
    drawn = _refunds(Guardrail(GuardrailState.UNCLEAR, "50 %", 0.5, None, False))
    assert (drawn.low, drawn.high, drawn.margin) == (-0.026, 0.608, 0.5)


def test_where_only_the_difference_is_judged_it_is_drawn_in_proportion_to_control() -> None:
    """Groups of units have a difference and no lift: 34 minutes against 31, with its interval."""
    row = gallery.a_row("delivery", "Delivery", MetricRole.OEC, values=(34.0, 31.0), interval=(-0.1, -0.07))
    judged = replace(row, lift=None, lift_interval=None, effect_interval=Interval(-3.4, -2.6), display="min")
    line = line_of(judged, arm_names(gallery.DESIGN))
    drawn = forest_row(judged, line, named_arm=False)
    assert (drawn.estimate, drawn.low, drawn.high) == (-3.0 / 34, -3.4 / 34, -2.6 / 34)
    assert drawn.text == line.effect_range
