"""What everything that was launched did together: open units against those that a holdout kept back."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from calling import caller
from dashboard.browsing import Page, signed_in
from people import NOW
from scenes import Shop, a_button_flag, a_draft_experiment, a_shop, environment_of, launched

from equipoise_server.analysis.actions import measure_holdouts
from equipoise_server.analysis.reads import holdout_impact
from equipoise_server.analysis.values import HoldoutImpact
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Event, Exposure, Track
from equipoise_server.experiments.actions import CreateHoldout, create_holdout
from equipoise_server.experiments.reads import holdout
from equipoise_server.experiments.values import Holdout, HoldoutScope
from equipoise_server.foundation.ids import new_id
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import Definition, Direction, Fact, MetricKind, Tier

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATH = "/projects/shop/holdouts/global/environments/production/impact"


def a_holdout(shop: Shop, *, has_metric: bool = True) -> Holdout:
    """Five in a hundred are held back from an experiment that starts after the season."""
    if has_metric:
        bought = Definition(MetricKind.CONVERSION, Fact("purchase"), window=DAY)
        command = CreateMetric(shop.project.id, "bought", "Buyers", bought, Direction.INCREASE, tier=Tier.L1)
        create_metric(shop.owner, command, now=NOW)
    scope = HoldoutScope((shop.project.id,))
    create_holdout(
        shop.owner,
        CreateHoldout("global", "Global", "user", 50_000, scope),
        now=NOW - DAY,
    )
    a_button_flag(shop)
    launched(shop, a_draft_experiment(shop))
    return holdout(shop.project.id, "global")


def came(shop: Shop, held: int, others: int, *, rates: tuple[float, float] = (0.1, 0.2)) -> None:
    dice, events = random.Random(7), list[Event]()
    for number in range(held + others):
        place = int(number >= held)
        at = NOW + HOUR + timedelta(seconds=number)
        events.append(
            Exposure(
                new_id(), at, experiment="global", iteration=1, flag="checkout-button",
                variant=("holdout", "open")[place], unit_type="user", unit=f"u{number}", revision=1,
            )
        )  # fmt: skip
        if dice.random() < rates[place]:
            events.append(Track(new_id(), at + HOUR, "purchase", {"user": f"u{number}"}))
    record(environment_of(shop).id, events, now=NOW + DAY)
    compact(now=NOW + DAY)


def measured(shop: Shop, held: Holdout) -> HoldoutImpact:
    measure_holdouts(NOW + 10 * DAY)
    found = holdout_impact(held, environment_of(shop).id)
    assert found is not None
    return found


def test_a_planted_gain_of_all_open_units_is_found() -> None:
    shop = a_shop()
    held = a_holdout(shop)
    came(shop, 300, 5_700)
    found = measured(shop, held)
    assert (found.held_units, found.open_units, found.withheld) == (300, 5_700, "")
    (line,) = found.lines
    assert (line.metric, line.name, line.reason) == ("bought", "Buyers", "")
    assert line.effect_interval is not None
    assert line.effect_interval.low is not None
    assert line.effect_interval.high is not None
    assert 0 < line.effect_interval.low < 0.1 < line.effect_interval.high
    assert (line.promised, found.shipped) == (None, ())


def test_held_units_that_are_not_exposed_withhold_every_number() -> None:
    shop = a_shop()
    held = a_holdout(shop)
    came(shop, 200, 5_700)
    found = measured(shop, held)
    assert found.lines == ()
    assert "The split of held and open units is broken" in found.withheld


def test_without_exposures_or_company_metrics_there_is_a_reason() -> None:
    shop = a_shop()
    held = a_holdout(shop, has_metric=False)
    assert "No unit has met" in measured(shop, held).withheld
    came(shop, 300, 5_700)
    assert "tier L1" in measured(shop, held).withheld


def test_page_and_api_tell_it_once_it_was_measured() -> None:
    shop = a_shop()
    a_holdout(shop)
    asking, reading = caller(shop.owner), signed_in(shop.owner)
    assert asking.get(PATH).status == 404
    place = "/p/shop/production/holdouts/global"
    assert "Not measured yet" in Page(reading.get(place).text).text
    came(shop, 300, 5_700)
    measure_holdouts(NOW + 10 * DAY)
    told = asking.get(PATH).json
    assert (told["held_units"], told["open_units"]) == (300, 5_700)
    shown = Page(reading.get(place).text).text
    assert "5,700 open, 300 held" in shown
    assert "Buyers" in shown
