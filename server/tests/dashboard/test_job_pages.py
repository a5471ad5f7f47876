"""The jobs page, what stands above results, and the banner of a worker that is down."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dashboard.browsing import Page, signed_in
from django.test import Client
from django.utils import timezone
from people import a_member
from scenes import Shop, a_running_experiment, a_shop

from equipoise_server.access.values import Role
from equipoise_server.analysis.freshness_values import REFRESH
from equipoise_server.analysis.renewing import make_due
from equipoise_server.foundation import due_work, worker_beats
from equipoise_server.foundation.models import DueWork

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
PAGE = "/p/shop/production/settings/jobs"
RESULTS = "/p/shop/production/experiments/checkout-button"


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def refresh(shop: Shop) -> DueWork:
    """The refresh of an experiment, on the table."""
    iteration = a_running_experiment(shop).iteration
    assert iteration is not None
    make_due(iteration, now=timezone.now())
    return DueWork.objects.get(kind=REFRESH)


def leased() -> due_work.Work:
    work = due_work.claim("one", now=timezone.now(), kinds=frozenset([REFRESH]))
    assert work is not None
    return work


def given_up(row: DueWork) -> None:
    """Fail it until nobody tries any more."""
    DueWork.objects.filter(pk=row.pk).update(attempts=due_work.MOST_ATTEMPTS - 1)
    due_work.give_back(leased(), error="The disk is full.", now=timezone.now())


def read(browser: Client, path: str) -> Page:
    answer = browser.get(path)
    assert answer.status_code == 200
    return Page(answer.content.decode())


def test_viewers_see_jobs_without_buttons(shop: Shop, refresh: DueWork) -> None:
    browser = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    shown = read(browser, PAGE)
    assert "Refresh of a report" in shown.text
    assert shown.posts() == set()
    assert "Refresh now" not in read(browser, RESULTS).text
    assert "Refresh now" in read(signed_in(shop.owner), RESULTS).text


def test_the_page_shows_why_a_job_failed_and_tries_it_again(shop: Shop, refresh: DueWork) -> None:
    given_up(refresh)
    browser = signed_in(shop.owner)
    shown = read(browser, PAGE).text
    assert "The disk is full." in shown
    assert "Given up" in shown
    assert read(browser, RESULTS).text.count("The last refresh failed") == 1
    browser.post(f"{PAGE}/{refresh.pk}/retry", {})
    assert "waits for a free worker" in read(browser, PAGE).text


def test_the_page_shows_how_far_a_job_is_and_cancels_it(shop: Shop, refresh: DueWork) -> None:
    work, browser = leased(), signed_in(shop.owner)
    told = {"phase": "taking look 2 of 3", "done": 3, "of": 5, "rows_read": 1_200, "bytes_read": 3_400_000}
    due_work.heart_beat(work, now=timezone.now(), progress=told)
    says = "taking look 2 of 3, step 4 of 5; 1,200 rows (3.4 MB) read"
    assert says in read(browser, PAGE).text
    assert f"Refreshing… {says}" in read(browser, RESULTS).text
    browser.post(f"{PAGE}/{refresh.pk}/cancel", {"reason": "load"})
    assert "Stopping" in read(browser, PAGE).text


@pytest.mark.parametrize("path", ["", "/experiments", "/flags", "/settings", "/settings/jobs"])
def test_pages_say_when_no_worker_was_heard_for_a_minute(path: str, shop: Shop) -> None:
    browser, now = signed_in(shop.owner), timezone.now()
    assert "none has run yet" in read(browser, f"/p/shop/production{path}").text
    worker_beats.beat("one", started_at=now, now=now - 2 * MINUTE)
    assert "last heard 2 minutes ago" in read(browser, f"/p/shop/production{path}").text
    worker_beats.beat("one", started_at=now, now=now)
    assert "The worker is down" not in read(browser, f"/p/shop/production{path}").text
