"""Erasing units: files, tombstones, inboxes of living processes, clusters, and who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from byte_search import found_anywhere
from people import NOW, a_member
from scenes import Shop, a_shop, environment_of
from wire import a_body, a_track, an_exposure

from equipoise_server.access import project_keys
from equipoise_server.access.values import KeyMissing, Role
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.reads import chain_fault
from equipoise_server.events import actions, reads
from equipoise_server.events.erasing import work_off
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import Erasure, EventCounter, StoreFile
from equipoise_server.events.values import MOST_ERASED_UNITS, ErasureStep, EventKind
from equipoise_server.foundation.refusals import Forbidden, Invalid

pytestmark = pytest.mark.django_db(transaction=True)
EVER = {"since": NOW - timedelta(days=400), "until": NOW + timedelta(days=400)}


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    """The inbox of a process that lives."""
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(inbox: Inbox, shop: Shop, *events: object) -> None:
    at = NOW.isoformat()
    timed = [{**event, "at": at} if isinstance(event, dict) else event for event in events]
    body = a_body(*timed, sent_at=NOW)
    _, written = actions.accept(inbox, environment_of(shop).id, body, received_at=NOW)
    written.result(5)


def rows(shop: Shop, kind: EventKind, columns: str) -> list[tuple[object, ...]]:
    paths = [str(path) for path in reads.pinned_files(environment_of(shop).id, kind, **EVER).paths]
    query = f"SELECT {columns} FROM read_parquet(?) ORDER BY ALL"
    return duckdb.connect().execute(query, [paths]).fetchall() if paths else []


def erase(shop: Shop, *units: str, unit_type: str = "user") -> None:
    actions.ask_erasure(shop.owner, actions.EraseUnits(shop.project.id, unit_type, units), now=NOW)


def rounds(shop: Shop, inbox: Inbox | None = None) -> None:
    """What worker and server do in the next two hours."""
    for minutes in range(0, 120, 5):
        now = NOW + timedelta(minutes=minutes)
        if inbox is not None:
            actions.forget_stored(inbox, now=now)
        if work_off(now=now) == 0:
            return
    raise AssertionError(Erasure.objects.get().waits_for)


def test_only_files_that_hold_a_unit_are_written_again(inbox: Inbox) -> None:
    shop = a_shop()
    post(inbox, shop, a_track("keep"))
    actions.compact(now=NOW)
    (untouched,) = StoreFile.objects.values_list("path", flat=True)
    post(inbox, shop, a_track("gone"), a_track("keep"))
    actions.compact(now=NOW)
    erase(shop, "gone")
    rounds(shop, inbox)
    assert rows(shop, EventKind.TRACK, "unit") == [("keep",), ("keep",)]
    assert untouched in StoreFile.objects.values_list("path", flat=True)
    assert Erasure.objects.get().removed["event files"] == 1


def test_an_event_of_two_units_stays_for_the_other_one(inbox: Inbox) -> None:
    shop = a_shop()
    post(inbox, shop, a_track(units={"user": "gone", "account": "acme"}))
    actions.compact(now=NOW)
    erase(shop, "gone")
    post(inbox, shop, a_track(units={"user": "gone", "account": "acme"}))
    rounds(shop, inbox)
    assert rows(shop, EventKind.TRACK, "unit_type, unit") == [("account", "acme")] * 2


def test_the_id_of_another_type_is_somebody_else(inbox: Inbox) -> None:
    shop = a_shop()
    post(inbox, shop, a_track(units={"account": "7"}), a_track("7"))
    erase(shop, "7")
    rounds(shop, inbox)
    assert rows(shop, EventKind.TRACK, "unit_type, unit") == [("account", "7")]


def test_members_of_an_erased_cluster_still_belong_together(inbox: Inbox) -> None:
    shop = a_shop()
    in_acme = {"cluster_type": "account", "cluster": "acme-gone"}
    post(
        inbox, shop, an_exposure("u1", **in_acme), an_exposure("u2", cluster_type="account", cluster="other")
    )
    actions.compact(now=NOW)
    erase(shop, "acme-gone", unit_type="account")
    rounds(shop, inbox)
    post(inbox, shop, an_exposure("u3", **in_acme))
    actions.compact(now=NOW)
    clusters = dict(rows(shop, EventKind.EXPOSURE, "unit, cluster"))
    assert clusters["u1"] == clusters["u3"]
    assert str(clusters["u1"]).startswith("erased-")
    assert clusters["u2"] == "other"


def test_what_comes_later_is_counted_and_not_stored(inbox: Inbox, own_disk: Path) -> None:
    shop = a_shop()
    sent = a_track("gone")
    post(inbox, shop, sent)
    actions.compact(now=NOW)
    erase(shop, "gone")
    rounds(shop, inbox)
    post(inbox, shop, sent, a_track("gone"), an_exposure("gone"), a_track("keep"))
    actions.compact(now=NOW)
    assert rows(shop, EventKind.TRACK, "unit") == [("keep",)]
    assert rows(shop, EventKind.EXPOSURE, "unit") == []
    counted = EventCounter.objects.get(environment_id=environment_of(shop).id)
    assert (counted.stored, counted.erased) == (2, 3)


def test_the_inbox_of_a_living_process_is_scrubbed_by_that_process(inbox: Inbox, own_disk: Path) -> None:
    shop = a_shop()
    post(inbox, shop, a_track("gone-forever"), {**a_track("gone-forever"), "value": "much"}, a_track("keep"))
    erase(shop, "gone-forever")
    assert work_off(now=NOW) == 1
    erasure = Erasure.objects.get()
    assert erasure.step == ErasureStep.INBOXES
    assert "1 inbox file" in erasure.waits_for
    assert any("inbox/" in place for place in found_anywhere({"gone-forever"}, own_disk))
    rounds(shop, inbox)
    assert found_anywhere({"gone-forever"}, own_disk) == []
    assert Erasure.objects.get().removed["refused events"] == 1
    post(inbox, shop, a_track("keep"))
    assert actions.compact(now=NOW).stored == 1


def test_an_erasure_asked_twice_ends_twice(inbox: Inbox) -> None:
    shop = a_shop()
    post(inbox, shop, a_track("gone"))
    erase(shop, "gone")
    erase(shop, "gone")
    rounds(shop, inbox)
    first, second = Erasure.objects.order_by("pk")
    assert first.request_sha256 == second.request_sha256
    assert AuditRecord.objects.filter(action="erasure.finish").count() == 2
    assert chain_fault() is None


def test_everything_wrong_with_a_request_is_told_at_once() -> None:
    shop = a_shop()
    bad = actions.EraseUnits(shop.project.id, "ship", ("", "x" * 257, "ok", "nul\0"))
    with pytest.raises(Invalid) as refused:
        actions.ask_erasure(shop.owner, bad, now=NOW)
    assert [problem.field for problem in refused.value.problems] == [
        "unit_type",
        "units.0",
        "units.1",
        "units.3",
    ]
    many = actions.EraseUnits(shop.project.id, "user", tuple(map(str, range(MOST_ERASED_UNITS + 1))))
    with pytest.raises(Invalid, match="at most 10,000 units"):
        actions.ask_erasure(shop.owner, many, now=NOW)
    with pytest.raises(Invalid, match="at least one"):
        actions.ask_erasure(shop.owner, actions.EraseUnits(shop.project.id, "user", ()), now=NOW)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EXPERIMENTER, Role.ENGINEER])
def test_only_an_admin_may_erase(role: Role) -> None:
    shop = a_shop()
    person = a_member(shop.owner, shop.project, role)
    with pytest.raises(Forbidden):
        actions.ask_erasure(person, actions.EraseUnits(shop.project.id, "user", ("u1",)), now=NOW)


def test_a_key_that_was_lost_is_not_replaced_by_another(inbox: Inbox, own_disk: Path) -> None:
    shop = a_shop()
    erase(shop, "gone")
    rounds(shop, inbox)
    key = own_disk / "keys" / f"{shop.project.id.hex}.key"
    assert key.stat().st_mode & 0o777 == 0o600
    project_keys._read.cache_clear()
    key.unlink()
    with pytest.raises(KeyMissing, match=r"bring .* back"):
        erase(shop, "another")
    post(inbox, shop, a_track("gone"))
    actions.compact(now=NOW)
    assert reads.data_quality(environment_of(shop).id).waiting == 1
