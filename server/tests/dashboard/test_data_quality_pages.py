"""Data quality on pages: a sentence that adds up, reasons without values, and a replay that looks first."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from dashboard.browsing import PLACE, Page, signed_in
from django.utils import timezone
from people import a_member
from scenes import Shop, a_shop, environment_of
from wire import a_body, a_track, an_exposure

from equipoise_server.access.values import Role
from equipoise_server.dashboard.charts import NARROW, DayBar, bars_by_day
from equipoise_server.events import actions, reads, replaying
from equipoise_server.events.models import Replay
from equipoise_server.events.values import Sender

pytestmark = pytest.mark.django_db
PATH = f"{PLACE}/data-quality"
WEB = Sender("web", "equipoise-python")


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings


def post(shop: Shop, *events: object) -> None:
    now = timezone.now()
    given = [{**event, "at": now.isoformat()} if isinstance(event, dict) else event for event in events]
    inbox = actions.open_inbox()
    body = a_body(*given, sent_at=now)
    actions.accept(inbox, environment_of(shop).id, body, received_at=now, sender=WEB)[1].result(5)
    inbox.close()


def typeless(unit: str) -> dict[str, object]:
    return {name: value for name, value in an_exposure(unit).items() if name != "unit_type"}


def the_reason(shop: Shop) -> str:
    (fault,) = reads.quarantine_faults(environment_of(shop).id)
    return f"{PATH}/faults/{fault.key}"


def test_an_environment_without_events_says_how_to_send_one() -> None:
    shown = Page(signed_in(a_shop().owner).get(PATH).content.decode())
    assert "Nothing has arrived" in shown.text
    assert "The quarantine is empty" in shown.text


def test_the_sentence_adds_up() -> None:
    shop = a_shop()
    track = a_track()
    post(shop, track, track, typeless("secret"), a_track())
    actions.compact(now=timezone.now())
    post(shop, a_track())
    shown = Page(signed_in(shop.owner).get(PATH).content.decode())
    found = re.search(r"(\d+) received = ([^.]*?) Received", shown.text)
    assert found is not None
    assert int(found[1]) == sum(map(int, re.findall(r"\d+", found[2]))) == 5
    assert "secret" not in shown.text
    assert "equipoise-python" in shown.text


def test_the_reasons_of_one_sender_may_be_looked_at_alone() -> None:
    shop = a_shop()
    post(shop, typeless("u1"))
    actions.compact(now=timezone.now())
    browser = signed_in(shop.owner)
    html = browser.get(PATH).content.decode()
    (query,) = re.findall(r'href="\?([^"]*key=web[^"]*)#reasons"', html)
    assert "Only from web" in Page(browser.get(f"{PATH}?{unescape(query)}").content.decode()).text
    other = Page(browser.get(f"{PATH}?key=app").content.decode())
    assert "Nothing of app is in quarantine" in other.text


def test_a_replay_looks_first_and_then_takes_what_is_good() -> None:
    shop = a_shop()
    post(shop, typeless("u1"), typeless(""))
    browser, path = signed_in(shop.owner), the_reason(shop)
    assert "would stay" not in Page(browser.get(path).content.decode()).text
    query = {"repair": "set_unit_type", "old": "", "new": "user"}
    looked = Page(browser.get(path, query).content.decode())
    assert "1 of 2 events would be accepted" in looked.text
    assert "1 would stay: unit: must not be empty" in looked.text
    assert Replay.objects.count() == 0
    asked = {**query, "fault": path.rpartition("/")[2], "reason": "the app is fixed"}
    assert browser.post(f"{PATH}/replays", asked).status_code == 302
    assert "wait for the worker" in Page(browser.get(PATH).content.decode()).text
    replaying.do_replay(Replay.objects.get().id, now=timezone.now())
    actions.compact(now=timezone.now())
    shown = Page(browser.get(PATH).content.decode())
    assert "1 of 2 events taken" in shown.text
    assert "2 received = 1 accepted + 0 duplicates + 1 in quarantine" in shown.text


def test_a_repair_that_cannot_be_is_told_at_its_field() -> None:
    shop = a_shop()
    post(shop, typeless("u1"))
    query = {"repair": "rename_unit_type", "old": "", "new": "robot"}
    shown = Page(signed_in(shop.owner).get(the_reason(shop), query).content.decode())
    assert "Choose one of the project's unit types: user, account." in shown.text
    assert "would be accepted." not in shown.text


def test_one_event_has_a_page_without_its_values() -> None:
    shop = a_shop()
    post(shop, typeless("secret"))
    (event,) = reads.quarantined_events(environment_of(shop).id)
    browser = signed_in(shop.owner)
    shown = Page(browser.get(f"{PATH}/events/{event.key}").content.decode())
    assert "unit_type: is missing" in shown.text
    assert "secret" not in shown.text
    asked = {"repair": "set_unit_type", "old": "", "new": "user", "event": event.key}
    browser.post(f"{PATH}/replays", asked)
    assert "A replay holds it now" in Page(browser.get(f"{PATH}/events/{event.key}").content.decode()).text


def test_a_viewer_may_look_and_not_replay() -> None:
    shop = a_shop()
    post(shop, typeless("u1"))
    viewer, path = signed_in(a_member(shop.owner, shop.project, Role.VIEWER)), the_reason(shop)
    shown = Page(viewer.get(path, {"repair": ""}).content.decode())
    assert "You may look" in shown.text
    viewer.post(f"{PATH}/replays", {"fault": path.rpartition("/")[2], "repair": ""})
    assert Replay.objects.count() == 0


def test_what_is_gone_is_not_found() -> None:
    browser = signed_in(a_shop().owner)
    for address in ("faults/nothing", "events/nothing", "events/a.1"):
        assert browser.get(f"{PATH}/{address}").status_code == 404


def test_a_day_with_one_refused_event_among_thousands_shows_it() -> None:
    day = timezone.now().date()
    drawing = bars_by_day([DayBar(day, (100_000, 0, 1))], NARROW, title="Events", parts=("a", "b", "c"))
    assert 'height="3" class="fill-3"' in drawing
