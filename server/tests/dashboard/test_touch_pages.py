"""Clicks and views on a metric's pages: typed, refused in words, shown, and counted in the preview."""

from __future__ import annotations

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in

from equipoise_server.metrics.reads import metric_by_key
from equipoise_server.metrics.values import Through

pytestmark = pytest.mark.django_db
NEW = f"{PLACE}/metrics/new"
TYPED = {
    "name": "Through", "key": "through", "kind": "conversion", "event": "purchase", "window_days": "14",
    "display": "percent", "minimum_units": "100",
    "clicks": "banner_clicked | placement = top\nmail within 12h", "click_days": "1",
    "views": "banner_seen", "view_days": "7",
}  # fmt: skip


def test_a_new_metric_offers_the_presets() -> None:
    page = Page(signed_in(scenes.a_shop().owner).get(NEW).text)
    days = {tag["name"]: tag["value"] for name, tag in page.tags if tag.get("name", "").endswith("_days")}
    assert (days["click_days"], days["view_days"]) == ("1", "7")


def test_what_is_typed_is_kept_and_shown_in_words() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    page = Page(client.post(NEW, TYPED, follow=True).text)
    assert (
        "within 14 days of the first exposure, and within 1 day of a click (“banner_clicked” where placement"
        " top) or 12 hours of a click (“mail”) or 7 days of a view (“banner_seen”)"
    ) in page.text
    touches = metric_by_key(shop.project.id, "through").definition.touches
    assert [(one.through, one.fact.event) for one in touches] == [
        (Through.CLICK, "banner_clicked"), (Through.CLICK, "mail"), (Through.VIEW, "banner_seen"),
    ]  # fmt: skip
    preview = Page(client.get(f"{PLACE}/metrics/through/preview").text).text
    assert "How many follow" in preview
    assert "none of them: not counted" in preview


def test_a_click_that_counts_longer_than_the_window_is_refused_beside_it() -> None:
    answer = signed_in(scenes.a_shop().owner).post(NEW, {**TYPED, "window_days": "3"})
    assert answer.status_code == 422
    page = Page(answer.text)
    told = "“through”: nothing counts for longer after a view than after the first exposure; widen the window"
    assert page.text.count(told) == 2
    assert "mail within 12h" in page.text
