"""Clicks and views that a metric's events must follow: presets, one order, and every misuse by its field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from equipoise_server.metrics.definition_json import definition_from_json, definition_to_json, semantic_hash
from equipoise_server.metrics.definition_rules import definition_problems
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    MetricKind,
    Through,
    TouchPreset,
    in_order,
    preset_touch,
)

DAY = timedelta(days=1)
CLICK = preset_touch(TouchPreset.CLICK_THROUGH_1D, Fact("banner_clicked"))
VIEW = preset_touch(TouchPreset.VIEW_THROUGH_7D, Fact("banner_seen"))
SOUND = Definition(MetricKind.CONVERSION, Fact("purchase"), touches=(CLICK, VIEW))


def faults(definition: Definition) -> dict[str, str]:
    found = definition_problems("bought", definition)
    assert all("“bought”" in problem.message for problem in found)
    return {problem.field.removeprefix("definition."): problem.message for problem in found}


def test_the_presets_are_a_day_after_a_click_and_a_week_after_a_view() -> None:
    assert (CLICK.through, CLICK.within) == (Through.CLICK, DAY)
    assert (VIEW.through, VIEW.within) == (Through.VIEW, 7 * DAY)
    assert faults(SOUND) == {}


@pytest.mark.parametrize(
    ("definition", "field", "way_out"),
    [
        (replace(SOUND, window=DAY), "touches.1.within", "widen the window"),
        (replace(SOUND, touches=(replace(CLICK, within=timedelta(0)),)), "touches.0.within", "such as 1 day"),
        (replace(SOUND, touches=(CLICK, replace(CLICK, within=DAY / 2))), "touches.1.fact", "keep the one"),
        (replace(SOUND, touches=(replace(CLICK, fact=Fact(" ")),)), "touches.0.fact.event", "name the event"),
        (
            replace(SOUND, touches=(replace(CLICK, fact=Fact("c", Aggregate.SUM)),)),
            "touches.0.fact",
            "leave the property and the aggregate out",
        ),
        (
            replace(SOUND, touches=tuple(replace(CLICK, fact=Fact(f"c{n}")) for n in range(5))),
            "touches",
            "at most 4",
        ),
        (
            Definition(MetricKind.FUNNEL, Fact("cart"), steps=(Fact("paid"),), touches=(CLICK,)),
            "touches",
            "leave them out, or use conversion",
        ),
    ],
)
def test_a_misuse_is_told_by_metric_field_and_way_out(
    definition: Definition, field: str, way_out: str
) -> None:
    found = faults(definition)
    assert list(found) == [field]
    assert way_out in found[field]


@pytest.mark.parametrize("kind", [MetricKind.RETENTION, MetricKind.QUANTILE, MetricKind.ABSENCE])
def test_kinds_with_an_order_of_their_own_follow_no_touches(kind: MetricKind) -> None:
    assert "touches" in faults(replace(SOUND, kind=kind))


def test_the_order_in_which_touches_are_written_means_nothing() -> None:
    assert in_order((VIEW, CLICK)) == (CLICK, VIEW)
    written = definition_to_json(SOUND)
    assert isinstance(written["touches"], list)
    turned = definition_from_json({**written, "touches": written["touches"][::-1]})
    assert turned == SOUND
    assert semantic_hash(turned, Direction.INCREASE) == semantic_hash(SOUND, Direction.INCREASE)


def test_touches_make_another_meaning() -> None:
    plain = replace(SOUND, touches=())
    meanings = {
        semantic_hash(one, Direction.INCREASE) for one in (plain, SOUND, replace(SOUND, touches=(CLICK,)))
    }
    assert len(meanings) == 3
    assert "touches" not in definition_to_json(plain)
