"""50,000 against 48,000 units: no metric number in pages, API or export, only why and what to check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from calling import caller
from dashboard.browsing import PLACE, signed_in
from people import NOW
from scenes import Shop, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.analysis.actions import refresh

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
PAGE = f"{PLACE}/experiments/checkout-button"
REPORT = "/projects/shop/experiments/checkout-button/report"


@pytest.fixture
def shop(tmp_path: Path, settings: pytest.FixtureRequest) -> Shop:
    """A shop whose only experiment lost 2,000 treated units; every ninth unit bought something."""
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    shop = a_shop()
    iteration = a_running_experiment(shop).iteration
    assert iteration is not None
    visited(iteration, _visits(), now=NOW + 2 * HOUR)
    refresh(iteration.id, NOW + 26 * HOUR)
    return shop


def _visits() -> Iterator[Visit]:
    for arm, units in (("control", 50_000), ("treatment", 48_000)):
        for unit in range(units):
            bought = (("purchase", None, HOUR),) if unit % 9 == 0 else ()
            yield Visit(f"{arm}-{unit}", arm, NOW + HOUR, bought)


def _words(page: bytes) -> list[str]:
    """What a page says, without its tags and drawings' code."""
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", page.decode(), flags=re.DOTALL).split()


def test_a_broken_split_shows_no_metric_number_in_any_door(shop: Shop) -> None:
    person = signed_in(shop.owner)
    assert {"50,000", "48,000"} <= set(_words(person.get(PAGE).content))
    for address in (PAGE, f"{PAGE}/health", f"{PLACE}/experiments", PLACE):
        words = _words(person.get(address).content)
        assert [word for word in words if re.match(r"[+−]\d|11\.1", word)] == [], (
            "a lift, or the rate of an arm"
        )
    report = caller(shop.owner).get(REPORT)
    assert report.json["results"] is None
    assert report.json["withheld"] is not None
    exported = caller(shop.owner).get(f"{REPORT}.csv")
    assert exported.status == 409
