"""Who comes to the shop, and the luck they bring. A pure function of the seed and the visitor's name."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

COUNTRIES = ("DE", "FR", "NL", "GB", "US", "PL")
COUNTRY_WEIGHTS = (30, 18, 12, 16, 16, 8)
PLATFORMS = ("web", "ios", "android")
PLATFORM_WEIGHTS = (52, 27, 21)
# Relative traffic of the hours 0–23 UTC: quiet nights, a lunch hump, a long evening.
HOURS = (2, 1, 1, 1, 1, 2, 3, 5, 6, 7, 7, 8, 9, 8, 7, 7, 7, 8, 10, 12, 12, 10, 6, 4)

SEARCH_SHARE = 0.55
CART_SHARE = 0.40
# Who checks out has filled the cart: both are read from the same draw.
CHECKOUT_SHARE = 0.35
PURCHASE_SHARE = 0.10
REFUND_SHARE = 0.06
BASKET_MEDIAN, BASKET_SPREAD = 42.0, 0.55
LOAD_MEAN_MS, LOAD_DEVIATION_MS = 400.0, 85.0
FASTEST_LOAD_MS = 120.0
DELIVERY_MEAN_MINUTES, DELIVERY_DEVIATION_MINUTES = 34.0, 9.0
FASTEST_DELIVERY_MINUTES = 8.0


ATTRIBUTES = ("country", "platform", "returning")
"""What is known of a visitor before any page is shown; exposures carry it."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One visitor. Draws are uniform on [0, 1): the same visitor meets the same luck in every variant."""

    unit: str
    country: str
    platform: str
    returning: bool
    search_draw: float
    cart_draw: float
    purchase_draw: float
    refund_draw: float
    crash_draw: float
    basket: float
    load_ms: tuple[float, float]
    pause_seconds: tuple[float, float, float]
    delivery_minutes: float

    def region_at(self, moment: datetime) -> dict[str, object]:
        """What the SDK is told about the region that delivers, which takes turns by the clock."""
        return {"units": {"region": self.country}, "now": moment.isoformat()}

    @property
    def context(self) -> dict[str, Mapping[str, object]]:
        """What the SDK is told about the visitor."""
        attributes = {"country": self.country, "platform": self.platform, "returning": self.returning}
        return {"units": {"user": self.unit}, "attributes": attributes}


def visitor(seed: int, name: str) -> Visitor:
    """The visitor with this name; always the same one."""
    rng = random.Random(f"{seed}/{name}")  # noqa: S311  # a simulation, no secret
    draw = rng.random
    return Visitor(
        unit=f"visitor-{name}",
        country=rng.choices(COUNTRIES, COUNTRY_WEIGHTS)[0],
        platform=rng.choices(PLATFORMS, PLATFORM_WEIGHTS)[0],
        returning=draw() < 0.38,  # noqa: PLR2004  # the share of visitors who have been here before
        search_draw=draw(),
        cart_draw=draw(),
        purchase_draw=draw(),
        refund_draw=draw(),
        crash_draw=draw(),
        basket=round(BASKET_MEDIAN * math.exp(rng.gauss(0.0, BASKET_SPREAD)), 2),
        load_ms=(_load(rng), _load(rng)),
        pause_seconds=(5 + 40 * draw(), 10 + 90 * draw(), 20 + 120 * draw()),
        delivery_minutes=_delivery(rng),
    )


def _delivery(rng: random.Random) -> float:
    minutes = rng.gauss(DELIVERY_MEAN_MINUTES, DELIVERY_DEVIATION_MINUTES)
    return round(max(FASTEST_DELIVERY_MINUTES, minutes), 1)


def _load(rng: random.Random) -> float:
    return round(max(FASTEST_LOAD_MS, rng.gauss(LOAD_MEAN_MS, LOAD_DEVIATION_MS)), 1)


def arrivals(first_day: datetime, *, count: int) -> Iterator[datetime]:
    """When `count` visitors arrive in 24 hours: as many an hour as its traffic says, evenly within it."""
    total, begun = sum(HOURS), 0
    for hour in range(24):
        share = HOURS[(first_day.hour + hour) % 24]
        ended = begun + share
        here = range(math.ceil(count * begun / total), math.ceil(count * ended / total))
        for number in here:
            within = (number * total / count - begun) / share
            yield first_day + timedelta(hours=hour + within)
        begun = ended
