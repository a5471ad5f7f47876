"""The size of an audience before a launch: by those who were met lately, or a reason why it is not known."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from people import NOW
from scenes import Shop, a_shop, environment_of, later

from equipoise_server.analysis.reads import audience_size
from equipoise_server.events.actions import compact, record
from equipoise_server.events.values import Exposure

pytestmark = pytest.mark.django_db
GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def met(shop: Shop, country: str | None, units: int, *, days: int = 10, unit_type: str = "user") -> UUID:
    """Some units, spread over some days, were exposed to something."""
    attributes = None if country is None else {"country": country}
    exposures = [
        Exposure(
            id=uuid4(), at=NOW + timedelta(days=days * place / units), experiment="other", iteration=1,
            flag="other", variant="control", unit_type=unit_type, unit=f"{country}-{place % units}",
            attributes=attributes,
        )
        for place in range(units)
    ]  # fmt: skip
    environment = environment_of(shop)
    record(environment.id, exposures, now=later(days))
    compact(now=later(days))
    return environment.id


def test_eligible_units_a_day_are_counted_by_their_attributes(shop: Shop) -> None:
    met(shop, "DE", 300)
    environment_id = met(shop, "FR", 700)
    size = audience_size(environment_id, "user", GERMAN, segments={}, now=later(10))
    assert (size.units, size.eligible) == (1_000, 300)
    assert size.units_per_day == pytest.approx(30, rel=0.02)
    assert size.reason == ""
    everybody = audience_size(environment_id, "user", None, segments={}, now=later(10))
    assert everybody.eligible == 1_000


def test_a_segment_is_looked_into(shop: Shop) -> None:
    environment_id = met(shop, "DE", 40)
    named = {"not": {"segment": "germans"}}
    size = audience_size(environment_id, "user", named, segments={"germans": GERMAN}, now=later(10))
    assert (size.eligible, size.units_per_day) == (0, 0.0)


@pytest.mark.parametrize(
    ("condition", "unit_type", "told"),
    [
        (None, "account", "no account was exposed"),
        ({"attribute": "plan", "operator": "is_set"}, "user", "carries the attribute “plan”"),
        ({"all": [GERMAN, {"segment": "vips"}]}, "user", "lists of units"),
        ({"attribute": "country", "operator": "like", "value": "D"}, "user", "cannot be evaluated"),
    ],
)
def test_what_is_not_known_has_a_reason(
    shop: Shop, condition: dict[str, object] | None, unit_type: str, told: str
) -> None:
    environment_id = met(shop, "DE", 20)
    segments = {"vips": {"members": {"unit_type": "user", "units": ["u1"]}}}
    size = audience_size(environment_id, unit_type, condition, segments=segments, now=later(10))
    assert size.units_per_day is None
    assert told in size.reason


def test_units_of_long_ago_do_not_count(shop: Shop) -> None:
    environment_id = met(shop, "DE", 20, days=1)
    assert audience_size(environment_id, "user", None, segments={}, now=later(30)).units_per_day is None
