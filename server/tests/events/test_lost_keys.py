"""A project whose key is lost waits, loudly; the others go on, and nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from calling import caller
from dashboard.browsing import Page, signed_in
from people import NOW
from scenes import Shop, a_shop, environment_of
from wire import a_body, a_track

from equipoise_server.access import project_keys
from equipoise_server.access.values import KeyMissing
from equipoise_server.events import actions, reads
from equipoise_server.events.due import compact_events, store_what_waits_for_a_key
from equipoise_server.events.erasing import work_off
from equipoise_server.events.holding import AWAIT_KIND, forgettable
from equipoise_server.events.inbox import Inbox
from equipoise_server.foundation.models import DueWork

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


@pytest.fixture
def shop(inbox: Inbox) -> Shop:
    """A shop that has erased somebody, and whose key is lost since."""
    shop = a_shop()
    actions.ask_erasure(shop.owner, actions.EraseUnits(shop.project.id, "user", ("gone",)), now=NOW)
    for step in range(24):
        now = NOW + timedelta(minutes=5 * step)
        actions.forget_stored(inbox, now=now)
        work_off(now=now)
    path = key_of(shop)
    path.rename(path.with_suffix(".away"))
    project_keys._read.cache_clear()
    return shop


def key_of(shop: Shop) -> Path:
    return project_keys._path(shop.project.id)


def brought_back(shop: Shop) -> None:
    key_of(shop).with_suffix(".away").rename(key_of(shop))


def post(inbox: Inbox, shop: Shop, *units: str) -> None:
    events = [{**a_track(unit), "at": NOW.isoformat()} for unit in units]
    body = a_body(*events, sent_at=NOW)
    actions.accept(inbox, environment_of(shop).id, body, received_at=NOW)[1].result(5)


def numbers(shop: Shop) -> tuple[int, int, int, int]:
    """Received, stored, waiting and erased."""
    found = reads.data_quality(environment_of(shop).id)
    return found.received, found.stored, found.waiting, found.erased


def test_the_other_projects_go_on(inbox: Inbox, shop: Shop) -> None:
    bakery = a_shop("bakery", "bea@example.com")
    for _ in range(2):
        post(inbox, shop, "u-1", "gone")
        post(inbox, bakery, "u-1")
        actions.compact(now=NOW)
        actions.forget_stored(inbox, now=NOW)
    assert numbers(bakery) == (2, 2, 0, 0)
    assert numbers(shop) == (4, 0, 4, 0)
    assert (
        reads.quality_of(environment_of(shop).id, since=NOW.date(), until=NOW.date(), now=NOW).numbers.waiting
        == 4
    )


def test_once_the_key_is_back_everything_is_stored_without_the_erased(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, "u-1", "gone")
    actions.compact(now=NOW)
    post(inbox, a_shop("bakery", "bea@example.com"), "u-1")
    actions.compact(now=NOW)
    actions.forget_stored(inbox, now=NOW)
    brought_back(shop)
    actions.compact(now=LATER)
    assert numbers(shop) == (2, 1, 0, 1)
    post(inbox, shop, "u-2")
    actions.compact(now=LATER)
    assert numbers(shop) == (3, 2, 0, 1)
    actions.forget_stored(inbox, now=LATER)
    actions.compact(now=LATER)
    assert numbers(shop) == (3, 2, 0, 1)


def test_a_job_of_that_project_fails_and_says_what_to_do(inbox: Inbox, shop: Shop) -> None:
    post(inbox, shop, "u-1")
    compact_events({}, NOW)
    compact_events({}, NOW)
    (work,) = DueWork.objects.filter(kind=AWAIT_KIND)
    assert (work.project_id, work.label) == (shop.project.id, "shop")
    with pytest.raises(
        KeyMissing, match=r"1 event of project “shop” cannot be stored.*Bring keys/.*\.key back"
    ):
        store_what_waits_for_a_key(work.payload, NOW)
    brought_back(shop)
    store_what_waits_for_a_key(work.payload, LATER)
    assert numbers(shop) == (1, 1, 0, 0)


def test_the_data_quality_page_and_the_api_name_the_project(inbox: Inbox, shop: Shop) -> None:
    address = "/projects/shop/environments/production/data-quality"
    assert caller(shop.owner).get(address).json["waits_for"] == ""
    post(inbox, shop, "u-1", "u-2")
    actions.compact(now=NOW)
    told = "2 events of project “shop” cannot be stored, since its key is missing"
    assert str(caller(shop.owner).get(address).json["waits_for"]).startswith(told)
    page = Page(signed_in(shop.owner).get("/p/shop/production/data-quality").text)
    assert told in page.text


def test_an_erasure_in_another_project_takes_nothing_that_waits(inbox: Inbox, shop: Shop) -> None:
    bakery = a_shop("bakery", "bea@example.com")
    post(inbox, shop, "u-1")
    post(inbox, bakery, "u-1", "u-2")
    actions.ask_erasure(bakery.owner, actions.EraseUnits(bakery.project.id, "user", ("u-2",)), now=NOW)
    for step in range(24):
        actions.forget_stored(inbox, now=NOW + timedelta(minutes=5 * step))
        work_off(now=NOW + timedelta(minutes=5 * step))
    (erasure,) = reads.erasures_of(bakery.project.id)
    assert erasure.finished_at is not None
    brought_back(shop)
    actions.compact(now=LATER)
    assert numbers(shop) == (1, 1, 0, 0)


def test_an_inbox_that_is_shared_is_forgotten_up_to_the_first_that_waits(inbox: Inbox, shop: Shop) -> None:
    bakery = a_shop("bakery", "bea@example.com")
    for waiting in (bakery, shop, bakery):
        post(inbox, waiting, "u-1")
    actions.compact(now=NOW)
    assert forgettable({inbox.name: 3, "another": 5}) == {inbox.name: 1, "another": 5}
