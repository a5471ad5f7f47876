"""Connections, sources, previews and certification over the API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from calling import Caller
from calling import caller as a_caller_for
from django.utils import timezone
from people import a_member
from scenes import Shop, a_shop
from warehouses import Order, sources_directory, written_orders

from equipoise_server.access.values import Role

pytestmark = pytest.mark.django_db
PLACE = "/projects/shop"
SHAPE = {
    "connection": "lake", "table": "orders", "time": "ordered_at", "units": {"user": "user_id"},
    "columns": {"amount": "number", "status": "text"},
}  # fmt: skip
LAKE = {"key": "lake", "kind": "files", "location": "shop"}
ORDERS = {"key": "orders", "name": "Orders", "shape": SHAPE}
REVENUE = {"kind": "sum", "fact": {"source": "orders", "aggregate": "sum", "property": "amount"}}


@pytest.fixture
def shop(tmp_path: Path, settings: pytest.FixtureRequest) -> Shop:
    settings.SOURCES_DIRECTORY = tmp_path / "sources"
    (sources_directory() / "shop").mkdir()
    now = timezone.now()
    rows = [Order(f"customer-{n}", now - timedelta(days=n), float(n), "paid") for n in range(40)]
    written_orders(rows)
    return a_shop()


@pytest.fixture
def admin(shop: Shop) -> Caller:
    caller = a_caller_for(shop.owner)
    assert caller.post(f"{PLACE}/connections", LAKE).status == 201
    return caller


def test_a_source_is_described_read_revised_and_archived(admin: Caller) -> None:
    made = admin.post(f"{PLACE}/sources", ORDERS)
    assert made.status == 201, made.text
    assert made.json["ref"] == "orders@1"
    shape = {**SHAPE, "columns": {"amount": "number"}}
    revised = admin.put(f"{PLACE}/sources/orders", {"name": "Orders", "shape": shape}, If_Match='"1"')
    assert revised.json["ref"] == "orders@2"
    assert admin.get(f"{PLACE}/sources/orders?version=1").json["shape"]["columns"] == SHAPE["columns"]  # type: ignore[index]  # an object
    stale = admin.put(f"{PLACE}/sources/orders", {"name": "Other", "shape": shape}, If_Match='"1"')
    assert stale.status == 412
    assert admin.post(f"{PLACE}/connections/lake/archive", {}).status == 409
    assert admin.post(f"{PLACE}/sources/orders/archive", {}).json["archived_at"] is not None
    assert admin.get(f"{PLACE}/sources").json["items"] == []
    assert admin.post(f"{PLACE}/connections/lake/archive", {}).status == 200


def test_a_connection_holds_no_password_and_leads_only_where_the_operator_allows(admin: Caller) -> None:
    def refused(**changes: str) -> list[str]:
        usual = {"key": "db", "kind": "postgresql", "location": "postgresql://reader@warehouse/shop"}
        return admin.post(f"{PLACE}/connections", {**usual, **changes}).fields

    assert refused() == ["location"]
    assert refused(location="postgresql://reader:secret@warehouse/shop") == ["location", "location"]
    assert refused(location="postgresql://reader@warehouse/shop?passfile=/etc/passwd")[0] == "location"
    assert refused(location="mysql://reader@warehouse/shop") == ["location"]
    assert "password_from" in refused(password_from="env:DATABASE_URL")
    assert "password_from" in refused(password_from="file:../secret.key")
    assert "password_from" in refused(password_from="hunter2")
    for location in ("../data", "/etc", "nowhere", "shop/*.parquet"):
        assert refused(kind="files", location=location) == ["location"]


def test_only_admins_connect(shop: Shop, admin: Caller) -> None:
    engineer = a_caller_for(a_member(shop.owner, shop.project, Role.ENGINEER))
    assert engineer.post(f"{PLACE}/connections", {**LAKE, "key": "sea"}).status == 403


def test_metrics_and_sources_are_previewed_by_those_who_may_edit_metrics(shop: Shop, admin: Caller) -> None:
    admin.post(f"{PLACE}/sources", ORDERS)
    source = admin.get(f"{PLACE}/sources/orders/preview").json
    assert [(one["days"], one["rows"]) for one in source["recent"]] == [(7, 7), (28, 28)]  # type: ignore[attr-defined]  # a list
    assert "customer-1" not in str(source["sample"])
    assert admin.get(f"{PLACE}/sources/orders/estimate").json == {"estimate": None}
    asked = {"definition": REVENUE, "environment": "production"}
    unsaved = admin.post(f"{PLACE}/metric-previews", asked)
    assert unsaved.status == 200, unsaved.text
    (fact,) = unsaved.json["facts"]  # type: ignore[misc]  # a list
    assert fact["reads"] == "orders@1"
    (spread,) = fact["preview"]["distributions"]
    assert (spread["minimum"], spread["median"], spread["maximum"]) == (0.0, 13.5, 27.0)
    metric = {"key": "revenue", "name": "Revenue", "definition": REVENUE}
    assert admin.post(f"{PLACE}/metrics", metric).json["definition"]["fact"]["source"] == "orders@1"  # type: ignore[index]  # an object
    saved = admin.get(f"{PLACE}/metrics/revenue/preview?environment=production").json
    assert saved["facts"][0]["preview"]["recent"] == fact["preview"]["recent"]  # type: ignore[index]  # a list
    viewer = a_caller_for(a_member(shop.owner, shop.project, Role.VIEWER))
    assert viewer.get(f"{PLACE}/sources/orders/preview").status == 403
    assert viewer.post(f"{PLACE}/metric-previews", asked).status == 403


def test_a_preview_of_a_metric_of_events_reads_one_environment(admin: Caller) -> None:
    asked = {
        "definition": {"kind": "count", "fact": {"event": "visit", "where": {"page": "home"}}},
        "environment": "production",
    }
    (fact,) = admin.post(f"{PLACE}/metric-previews", asked).json["facts"]  # type: ignore[misc]  # a list
    assert fact["reads"] == "visit"
    assert [one["rows"] for one in fact["preview"]["recent"]] == [0, 0]
    assert "read_parquet" not in fact["preview"]["sql"]


def test_a_source_that_is_gone_is_told_as_a_conflict_with_the_way_out(admin: Caller) -> None:
    admin.post(f"{PLACE}/sources", ORDERS)
    (sources_directory() / "shop" / "orders.parquet").unlink()
    answer = admin.get(f"{PLACE}/sources/orders/preview")
    assert answer.status == 409
    assert answer.json["code"] == "source_unusable"
    assert "Revise the source or its files" in str(answer.json["detail"])


def test_certification_goes_over_the_api(shop: Shop, admin: Caller) -> None:
    admin.post(
        f"{PLACE}/metrics",
        {"key": "visits", "name": "Visits", "definition": {"kind": "count", "fact": {"event": "visit"}}},
    )
    note = {"note": "Counted by hand for a day.", "expected_version": 1}
    assert admin.post(f"{PLACE}/metrics/visits/certify", note).status == 403
    engineer = a_caller_for(a_member(shop.owner, shop.project, Role.ENGINEER))
    certified = engineer.post(f"{PLACE}/metrics/visits/certify", note)
    assert certified.json["certification"]["note"] == note["note"]  # type: ignore[index]  # an object
    reason = {"reason": "The bots were in it."}
    withdrawn = engineer.post(f"{PLACE}/metrics/visits/withdraw-certification", reason)
    assert withdrawn.json["certification"] is None
    rules = {"requires_certified_oec": True}
    assert engineer.put(f"{PLACE}/metric-rules", rules).status == 403
    assert admin.put(f"{PLACE}/metric-rules", rules).json == rules
    assert engineer.get(f"{PLACE}/metric-rules").json == rules
