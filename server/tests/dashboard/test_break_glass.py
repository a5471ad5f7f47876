"""Pages tell of kills by break-glass, which they could not know from the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard.browsing import PLACE, signed_in
from django.test import Client, override_settings
from people import NOW
from scenes import a_button_flag, a_shop

from equipoise_server.foundation import break_glass
from equipoise_server.foundation.break_glass import Level, Target


@pytest.mark.django_db
def test_every_page_tells_what_is_killed_by_break_glass(tmp_path: Path) -> None:
    shop = a_shop()
    a_button_flag(shop)
    browser = signed_in(shop.owner)
    with override_settings(DATA_DIRECTORY=tmp_path):
        _follow(browser, tmp_path)


def _follow(browser: Client, directory: Path) -> None:
    told = "The flag “checkout-button” in Production is killed by break-glass"
    assert told not in browser.get(f"{PLACE}/flags").content.decode()
    target = Target("shop", "production", Level.FLAG, "checkout-button")
    kill = break_glass.kill(directory, target, by="ada", reason="<errors>", at=NOW.isoformat())
    for page in (PLACE, f"{PLACE}/flags", f"{PLACE}/settings"):
        shown = browser.get(page).content.decode()
        assert told in shown
        assert "“&lt;errors&gt;”" in shown
    assert told not in browser.get("/p/shop/development/flags").content.decode()
    break_glass.lift(directory, kill.number, by="ada", at=NOW.isoformat())
    assert told not in browser.get(f"{PLACE}/flags").content.decode()
