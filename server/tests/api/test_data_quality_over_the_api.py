"""Data quality over the API: the numbers of the page, reasons, and a replay from preview to the store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from calling import caller
from django.utils import timezone
from people import NOW, a_member
from scenes import Shop, a_shop, environment_of
from wire import NOON, a_body, a_track, an_exposure

from equipoise_server.access.values import Role
from equipoise_server.events import actions
from equipoise_server.events.values import Sender
from equipoise_server.foundation import due_work

pytestmark = pytest.mark.django_db
BASE = "/projects/shop/environments/production"
WEB = Sender("web", "browser")
REPAIR = [{"kind": "set_unit_type", "new": "user"}]


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path  # type: ignore[attr-defined]  # pytest-django's settings


def post(shop: Shop, *events: object, at: datetime = NOON) -> None:
    inbox, environment = actions.open_inbox(), environment_of(shop)
    actions.accept(inbox, environment.id, a_body(*events), received_at=at, sender=WEB)[1].result(5)
    inbox.close()


def typeless(unit: str) -> dict[str, object]:
    return {name: value for name, value in an_exposure(unit).items() if name != "unit_type"}


def test_the_numbers_come_by_day_and_by_sender() -> None:
    shop = a_shop()
    post(shop, a_track(), a_track(), {"kind": "click"}, at=timezone.now())
    actions.compact(now=NOON)
    found = caller(shop.owner).get(f"{BASE}/data-quality?days=2").json
    assert (found["numbers"]["received"], found["numbers"]["accepted"]) == (3, 2)
    assert [day["numbers"]["quarantined"] for day in found["days"]] == [0, 1]
    (line,) = found["senders"]
    assert (line["sender_key"], line["program"], line["numbers"]["received"]) == ("web", "browser", 3)


def test_a_replay_goes_from_preview_to_the_store() -> None:
    shop = a_shop()
    post(shop, typeless("u1"), typeless(""), a_track())
    owner = caller(shop.owner)
    (fault,) = owner.get(f"{BASE}/quarantine").json["items"]
    assert (fault["events"], fault["senders"]) == (2, [{"sender_key": "web", "program": "browser"}])
    body = {"fault": fault["key"], "repairs": REPAIR}
    preview = owner.post(f"{BASE}/quarantine/preview", body).json
    assert (preview["accepted"], preview["reasons"]) == (1, {"unit: must not be empty": 1})
    asked = owner.post(f"{BASE}/quarantine/replays", body)
    assert (asked.status, asked.json["finished_at"]) == (202, None)
    work = due_work.claim("here", now=NOW.replace(year=2040))
    assert work is not None
    due_work.run(work, now=NOW)
    (done,) = owner.get(f"{BASE}/quarantine/replays").json["items"]
    assert (done["chosen"], done["accepted"]) == (2, 1)
    (left,) = owner.get(f"{BASE}/quarantine/events?program=browser&sender_key=web").json["items"]
    assert owner.get(f"{BASE}/quarantine/events/{left['key']}").json == left
    assert owner.get(f"{BASE}/quarantine/events?program=other").json["items"] == []


def test_a_viewer_sees_reasons_and_may_not_replay() -> None:
    shop = a_shop()
    post(shop, typeless("secret"))
    viewer = caller(a_member(shop.owner, shop.project, Role.VIEWER))
    (fault,) = viewer.get(f"{BASE}/quarantine").json["items"]
    assert "secret" not in str(fault)
    for door in ("preview", "replays"):
        assert viewer.post(f"{BASE}/quarantine/{door}", {"fault": fault["key"]}).status == 403


def test_a_repair_that_cannot_be_names_its_field() -> None:
    shop = a_shop()
    body = {"fault": "x", "repairs": [{"kind": "set_unit_type", "new": "robot"}]}
    reply = caller(shop.owner).post(f"{BASE}/quarantine/preview", body)
    assert reply.status == 422
    assert [problem["field"] for problem in reply.json["problems"]] == ["repairs.0.new"]
