"""The shop's visitors: the same ones every time, with the shares that the analysis should find."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from equipoise_shop.truth import BUTTON, NO_EFFECT, ONE_PAGE, RANKING, Effect, effect_of
from equipoise_shop.visitors import CHECKOUT_SHARE, PURCHASE_SHARE, SEARCH_SHARE, arrivals, visitor

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_the_same_seed_and_name_make_the_same_visitor() -> None:
    assert visitor(1, "a") == visitor(1, "a")
    assert visitor(1, "a") != visitor(2, "a")
    assert visitor(1, "a") != visitor(1, "b")


def test_a_tenth_of_all_visitors_would_buy_without_any_effect() -> None:
    crowd = [visitor(7, str(number)) for number in range(20_000)]
    checking_out = [v for v in crowd if v.cart_draw < CHECKOUT_SHARE]
    buying = [v for v in checking_out if v.purchase_draw < PURCHASE_SHARE / CHECKOUT_SHARE]
    searching = [v for v in crowd if v.search_draw < SEARCH_SHARE]
    assert abs(len(buying) / len(crowd) - PURCHASE_SHARE) < 0.01
    assert abs(len(searching) / len(crowd) - SEARCH_SHARE) < 0.015


def test_pages_load_in_about_400_milliseconds() -> None:
    loads = [load for number in range(5_000) for load in visitor(7, str(number)).load_ms]
    assert abs(sum(loads) / len(loads) - 400) < 5
    assert min(loads) > 0


def test_arrivals_are_in_order_within_the_day_and_as_many_as_asked() -> None:
    times = list(arrivals(MORNING, count=1234))
    assert len(times) == 1234
    assert times == sorted(times)
    assert times[0] >= MORNING
    assert times[-1] < MORNING + timedelta(days=1)


def test_evenings_are_busier_than_nights() -> None:
    hours = Counter(moment.hour for moment in arrivals(MORNING, count=10_000))
    assert hours[19] > 5 * hours[3] > 0


def test_only_the_values_under_test_do_something() -> None:
    assert effect_of(BUTTON, "green").purchase == 1.12
    assert effect_of(RANKING, "learned").load_ms == 60.0
    assert effect_of(ONE_PAGE, True).lost == 0.08
    assert effect_of(BUTTON, "grey") == effect_of(BUTTON, {"unexpected": 1}) == NO_EFFECT


def test_effects_of_several_pages_add_up_and_a_crash_is_not_carried_on() -> None:
    both = Effect(purchase=1.2, load_ms=10, lost=0.5).and_then(
        Effect(purchase=0.5, cart=2, load_ms=5, lost=0.1)
    )
    assert both == Effect(purchase=0.6, cart=2, load_ms=15, lost=0.5)
