"""Erased units whose exposures still lie in a company's own table."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from outside import Seen, an_exposure_source, an_outside_experiment, written_exposures
from people import NOW
from scenes import a_shop

from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import refresh
from equipoise_server.events.actions import EraseUnits, ask_erasure
from equipoise_server.events.erasing import work_off

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def own_sources(own_disk: Path, settings: pytest.FixtureRequest) -> None:
    settings.SOURCES_DIRECTORY = own_disk / "sources"


def test_erased_units_stay_away_though_the_table_has_them_still() -> None:
    shop = a_shop()
    written_exposures([Seen(f"u{n}", NOW + HOUR, n % 2) for n in range(20)])
    an_exposure_source(shop)
    iteration = an_outside_experiment(shop).iteration
    assert iteration is not None
    assert sum(arm.exposed for arm in refresh(iteration.id, NOW + 2 * HOUR).arms) == 20
    ask_erasure(shop.owner, EraseUnits(shop.project.id, "user", ("u3", "u4", "u5")), now=NOW + 2 * HOUR)
    for minutes in range(0, 120, 5):
        work_off(now=NOW + 2 * HOUR + timedelta(minutes=minutes))
    report = refresh(iteration.id, NOW + 30 * HOUR)
    assert {arm.arm: arm.exposed for arm in report.arms} == {"control": 9, "treatment": 8}
    reading = reads.last_reading(iteration)
    assert reading is not None
    assert (reading.cost.rows, reading.taken, reading.erased) == (20, 0, 3)
