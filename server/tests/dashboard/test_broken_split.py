"""50,000 against 48,000 units: no metric number in pages, API or export, only why and what to check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from calling import caller
from dashboard.browsing import PLACE, signed_in
from locked_split import a_locked_experiment, came, refreshed
from people import NOW, a_member
from scenes import Shop, a_running_experiment, a_shop
from traffic import Visit, visited

from equipoise_server.access.values import Role
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


def test_two_people_end_a_lock_on_the_page_and_over_the_api(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings
    shop = a_shop()
    made = a_locked_experiment(shop)
    ada, bo = signed_in(shop.owner), a_member(shop.owner, shop.project, Role.EXPERIMENTER)
    early = ada.get(PAGE).content.decode()
    assert "Was it a false alarm?" in early
    assert "Sign with my name" not in early
    address = REPORT.replace("report", "false-alarm")
    refused = caller(bo).call("POST", address, {"reason": "It is chance."})
    assert refused.status == 409
    came(made, 2, 470, 465)
    refreshed(made, 3)
    assert "Yours is the first of two signatures" in ada.get(PAGE).content.decode()
    reason = "Assignment replayed: it equals every exposure."
    ada.post(f"{PAGE}/false-alarm", {"reason": reason})
    signed = ada.get(PAGE).content.decode()
    assert reason in signed
    assert "You have signed" in signed
    ended = caller(bo).call("POST", address, {"reason": "So do I: no cause found."})
    assert ended.json["is_ended"] is True
    assert "the next refresh, within a minute" in ada.get(PAGE).content.decode()
    refreshed(made, 4)
    page = ada.get(f"{PAGE}/health").content.decode()
    assert "two people signed that it was a false alarm" in page
    assert reason in page
