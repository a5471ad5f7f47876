"""The form of a metric keeps every kind whole: shown and saved again it means the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from equipoise_server.dashboard.forms import Reader
from equipoise_server.dashboard.pages.metric_forms import metric_form, read_metric
from equipoise_server.metrics.definition_rules import definition_problems
from equipoise_server.metrics.values import (
    Aggregate,
    Align,
    Definition,
    Direction,
    Fact,
    Metric,
    MetricKind,
    Spread,
    Through,
    Tier,
    Touch,
)

DAY = timedelta(days=1)
NOBODY = UUID(int=0)
VALUE = Fact("page", Aggregate.SUM, "ms", {"kind": "web"})
KINDS = [
    Definition(MetricKind.CONVERSION, Fact("buy"), covariate_days=14),
    Definition(MetricKind.SUM, Fact("like", Aggregate.WEIGHT, "kind", None, {"like": 1, "angry": -5.5})),
    Definition(MetricKind.RATIO, VALUE, Fact("visit"), delay=DAY / 2, align=Align.DAY),
    Definition(MetricKind.UNIQUE, Fact("view", property="article"), cap=20.0),
    Definition(MetricKind.RETENTION, Fact("view"), delay=DAY, window=8 * DAY),
    Definition(
        MetricKind.FUNNEL, Fact("cart"), steps=(Fact("pay", where={"card": True, "n": 3}), Fact("paid"))
    ),
    Definition(MetricKind.QUANTILE, VALUE, quantile=0.95),
    Definition(MetricKind.QUANTILE, VALUE, quantile=0.5, over=Spread.UNITS),
    Definition(MetricKind.EXCEEDANCE, VALUE, threshold=200.0),
    Definition(MetricKind.ABSENCE, Fact("search"), answer=Fact("ticket"), within=DAY),
    Definition(
        MetricKind.COUNT,
        Fact("buy"),
        touches=(
            Touch(Through.CLICK, Fact("banner", where={"top": True, "n": 3}), DAY),
            Touch(Through.CLICK, Fact("mail", where={"kind": "a"}), DAY / 2),
            Touch(Through.CLICK, Fact("mail within 3d", where={"kind": "a"}), DAY),
            Touch(Through.VIEW, Fact("", source="views@2"), 2.5 * DAY),
        ),
    ),
]


@pytest.mark.parametrize("definition", KINDS, ids=lambda one: str(one.kind))
def test_a_metric_shown_and_saved_again_means_the_same(definition: Definition) -> None:
    metric = Metric(
        NOBODY,
        NOBODY,
        NOBODY,
        "m",
        1,
        "M",
        "",
        definition,
        Direction.INCREASE,
        Tier.L3,
        "ada",
        "number",
        None,
        100,
    )
    assert read_metric(Reader(metric_form(metric))).definition == definition
    assert definition_problems("m", definition) == []


def test_a_weight_that_is_no_number_is_refused_by_its_field() -> None:
    metric = Metric(
        NOBODY,
        NOBODY,
        NOBODY,
        "m",
        1,
        "M",
        "",
        KINDS[1],
        Direction.INCREASE,
        Tier.L3,
        "ada",
        "number",
        None,
        100,
    )
    form = metric_form(metric)
    typed = replace(form, values={**form.values, "weights": ("like = much",)})
    read = read_metric(Reader(typed)).definition
    assert [one.field for one in definition_problems("m", read)] == ["definition.fact.weights"]
