"""What a planned switchback could find is read from its regions' own past, or a reason says why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.conf import settings
from django.test import override_settings
from people import NOW, an_admin
from scenes import Shop, a_design, a_metric, a_shop, environment_of

import equipoise_stats as stats
from equipoise_server.access.actions import CreateProject, create_project
from equipoise_server.access.reads import actor_of_user
from equipoise_server.analysis.reads import SwitchbackPower, switchback_power
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Track
from equipoise_server.experiments.values import Design, MetricRole, Pairing, PlannedMetric, Switchback
from equipoise_server.metrics.values import Aggregate, Definition, Fact, Metric, MetricKind

pytestmark = pytest.mark.django_db
REGIONS = ("east", "north", "south", "west")
PLAN = Switchback(REGIONS, window_minutes=360, days=14, burn_in_minutes=30)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
ORDERS = Definition(MetricKind.SUM, Fact("order", Aggregate.SUM), window=HOUR)


def the_design(plan: Switchback = PLAN, **changes: object) -> Design:
    metrics = (PlannedMetric("orders", MetricRole.OEC),)
    return replace(a_design(metrics=metrics, planned_days=None, switchback=plan), **changes)  # type: ignore[arg-type]  # as Design has them


def the_past(days: int = 28, *, regions: tuple[str, ...] = REGIONS, seed: int = 4) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return dice.normal(50, 10, (len(regions), 1)) + dice.normal(0, 3, (len(regions), 4 * days))


def sent(shop: Shop, table: np.ndarray, *, regions: tuple[str, ...] = REGIONS) -> UUID:
    """Each window's total after its burn-in, and something within it that must not count."""
    begin, environment = MIDNIGHT - table.shape[1] // 4 * DAY, environment_of(shop)
    tracks = [
        Track(uuid4(), begin + 6 * window * HOUR + later, "order", {"user": region}, value)
        for region, row in zip(regions, table.tolist(), strict=True)
        for window, total in enumerate(row)
        for later, value in ((HOUR / 4, 999.0), (HOUR, total))
    ]
    record(environment.id, iter(tracks), now=NOW)
    compact(now=NOW)
    return environment.id


def asked(shop: Shop, design: Design, metric: Metric) -> SwitchbackPower:
    return switchback_power(environment_of(shop).id, design, metric, now=NOW)


def test_the_past_of_the_regions_says_what_a_plan_can_find() -> None:
    shop, table = a_shop(), the_past()
    sent(shop, table)
    found = asked(shop, the_design(mde_relative=0.02), a_metric(shop, "orders", ORDERS))
    expected = stats.switchback_power(
        table, stats.SwitchbackPlan(4, 14, 4, 0), rng=np.random.default_rng(0), draws=200
    )
    assert isinstance(expected, stats.SwitchbackPower)
    assert found.reason == ""
    assert found.mde_relative == pytest.approx(expected.detectable_effect / table.mean(), rel=1e-9)
    assert found.days_needed == expected.days_needed(0.02 * table.mean())
    assert found.past_days == 28
    assert [week.units for week in found.by_week[:2]] == [4 * 4 * 7, 4 * 4 * 14]
    assert found.by_week[1].mde_relative == pytest.approx(found.mde_relative)


def test_a_shorter_past_is_read_from_its_first_day() -> None:
    shop = a_shop()
    sent(shop, the_past(17))
    found = asked(shop, the_design(mde_relative=None), a_metric(shop, "orders", ORDERS))
    assert (found.past_days, found.days_needed) == (16, None)
    assert found.mde_relative is not None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"switchback": None}, "no switchback"),
        ({"alpha": 2.0}, "alpha"),
        ({"switchback": replace(PLAN, window_minutes=7 * 60)}, "do not divide a day"),
        ({"switchback": replace(PLAN, days=13)}, "no schedule can be drawn"),
        ({"switchback": replace(PLAN, days=15, pairing=Pairing.WEEKS)}, "no schedule can be drawn"),
        ({"switchback": replace(PLAN, regions=(*REGIONS, "nord"))}, "28 days came from “nord”"),
    ],
)  # fmt: skip
def test_what_a_plan_lacks_is_told(changes: dict[str, object], told: str) -> None:
    shop = a_shop()
    sent(shop, the_past(14))
    found = asked(shop, the_design(**changes), a_metric(shop, "orders", ORDERS))
    assert found.mde_relative is None
    assert told in found.reason


def test_too_short_or_unmoving_pasts_are_told() -> None:
    shop = a_shop()
    orders = a_metric(shop, "orders", ORDERS)
    assert "came from “east”, “north”, “south”" in asked(shop, the_design(), orders).reason
    sent(shop, the_past(9))
    assert "two weeks" in asked(shop, the_design(), orders).reason
    other = a_shop("still", "grace@example.com")
    sent(other, np.zeros((4, 56)))
    assert "cannot be compared" in asked(other, the_design(), a_metric(other, "orders", ORDERS)).reason


def test_regions_are_known_where_ids_are_hidden() -> None:
    owner = an_admin()
    hiding = CreateProject("shop", "Shop", ("user", "account"), is_pseudonymised=True)
    project = create_project(owner, hiding, now=NOW)
    shop = Shop(actor_of_user(UUID(owner.author.id)), project)
    sent(shop, the_past(14))
    orders = a_metric(shop, "orders", ORDERS)
    assert asked(shop, the_design(), orders).past_days == 14
    with override_settings(DATA_DIRECTORY=settings.DATA_DIRECTORY / "elsewhere"):
        assert "The key of project" in asked(shop, the_design(), orders).reason


def test_a_ratio_is_that_of_each_window() -> None:
    shop = a_shop()
    sent(shop, the_past(14))
    per_order = Definition(MetricKind.MEAN, Fact("order", Aggregate.SUM), window=HOUR)
    assert asked(shop, the_design(), a_metric(shop, "orders", per_order)).mde_relative is not None


@pytest.mark.parametrize(
    "definition",
    [
        Definition(MetricKind.UNIQUE, Fact("order", Aggregate.COUNT, property="basket"), window=HOUR),
        Definition(MetricKind.QUANTILE, Fact("order", Aggregate.SUM), window=HOUR, quantile=0.9),
    ],
)
def test_what_belongs_to_single_units_is_not_known_of_windows(definition: Definition) -> None:
    shop = a_shop()
    sent(shop, the_past(14))
    found = asked(shop, the_design(), a_metric(shop, "orders", definition))
    assert "does not add up over a region's window" in found.reason
