"""Pages of sources and of metrics that read them: connect, describe, look, certify."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from dashboard.browsing import PLACE, Page, signed_in
from django.utils import timezone
from people import a_member
from scenes import Shop, a_design, a_draft_experiment, a_metric, a_shop, the_metrics
from warehouses import Order, a_connection, an_orders_source, sources_directory, written_orders

from equipoise_server.access.values import Role
from equipoise_server.metrics.reads import metric_by_key, rules_of
from equipoise_server.metrics.values import Aggregate, Definition, Fact, MetricKind
from equipoise_server.sources.reads import source_by_key, sources_of

pytestmark = pytest.mark.django_db
SOURCES, METRICS = f"{PLACE}/sources", f"{PLACE}/metrics"
TYPED = {
    "name": "Paid orders", "connection": "lake", "table": "", "units": "user = user_id", "time": "ordered_at",
    "sql": "SELECT user_id, ordered_at, amount FROM orders WHERE status = 'paid'",
    "columns": "amount = number\n",
}  # fmt: skip
EXPOSURES = """
window_days = 7
[experiment]
key = "elsewhere"
name = "Elsewhere"
hypothesis = "What another system shows makes people spend more."
[variant]
column = "status"
control = "paid"
arms = [{ value = "paid", key = "old", name = "Old" }, { value = "gift", key = "new", name = "New" }]
[time]
column = "ordered_at"
[[metrics]]
metric = "revenue"
role = "oec"
"""
NOTED = {"note": "Compared with the invoices of March."}


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path
    settings.SOURCES_DIRECTORY = tmp_path / "sources"


def orders_of_this_week() -> None:
    now = timezone.now()
    kinds = ("paid", "gift")
    written_orders(
        [Order(f"customer-{n}", now - timedelta(hours=n), float(n % 5), kinds[n % 2]) for n in range(30)]
    )


def a_shop_with_orders() -> Shop:
    shop = a_shop()
    orders_of_this_week()
    a_connection(shop)
    an_orders_source(shop)
    return shop


def test_an_admin_connects_files_and_describes_a_query_over_them() -> None:
    shop = a_shop()
    orders_of_this_week()
    (sources_directory() / "shop").mkdir(exist_ok=True)
    client = signed_in(shop.owner)
    connected = client.post(
        f"{SOURCES}/connections", {"key": "lake", "kind": "files", "location": "shop"}, follow=True
    )
    assert "“lake” is connected" in Page(connected.text).text
    made = Page(client.post(f"{SOURCES}/new", TYPED, follow=True).text).text
    assert "Metrics can read it now" in made
    assert "paid-orders@1" in made
    assert source_by_key(shop.project.id, "paid-orders").shape.columns == {"amount": "number"}


def test_a_preview_shows_shortened_ids_numbers_and_the_statement() -> None:
    client = signed_in(a_shop_with_orders().owner)
    looked = Page(client.get(f"{SOURCES}/orders?look=run").text).text
    assert "30 rows of 30 units" in looked.replace("\u00a0", " ")
    assert "cust…" in looked
    assert "customer-1" not in looked
    assert "SELECT" in looked
    assert "tell no estimate" in Page(client.get(f"{SOURCES}/orders?look=estimate").text).text


def test_an_import_takes_its_exposures_from_a_source() -> None:
    shop = a_shop_with_orders()
    client = signed_in(shop.owner)
    assert "Or the exposures of a source" in Page(client.get(f"{PLACE}/import").text).text
    refused = client.post(f"{PLACE}/import", {"source": "orders", "mapping": EXPOSURES})
    assert refused.status_code == 422
    assert "There is no metric “revenue”" in Page(refused.text).text
    revenue = Definition(MetricKind.SUM, Fact("", Aggregate.SUM, "amount", source="orders"))
    a_metric(shop, "revenue", revenue)
    made = client.post(f"{PLACE}/import", {"source": "orders", "mapping": EXPOSURES}, follow=True)
    assert "Imported. Here is its report." in Page(made.text).text


def test_a_viewer_sees_no_rows() -> None:
    shop = a_shop_with_orders()
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert "cust…" not in Page(viewer.get(f"{SOURCES}/orders?look=run").text).text
    assert viewer.get(f"{METRICS}/new").status_code == 403


def test_every_fault_of_a_source_is_shown_by_its_field() -> None:
    shop = a_shop_with_orders()
    client = signed_in(shop.owner)
    wrong = {**TYPED, "name": "", "sql": "DROP TABLE orders", "units": "ship = id", "columns": "amount"}
    page = client.post(f"{SOURCES}/new", wrong)
    assert page.status_code == 422
    assert "write it like name = value" in Page(page.text).text
    wrong["columns"] = "amount = number"
    told = Page(client.post(f"{SOURCES}/new", wrong).text).text
    assert "DROP TABLE orders" in told
    assert "no unit type “ship”" in told
    assert "Give the source a name" in told
    missing = Page(client.post(f"{SOURCES}/new", {**TYPED, "columns": "price = number"}).text).text
    assert "There is no column “price”; there are: user_id, ordered_at, amount." in missing
    assert [one.key for one in sources_of(shop.project.id)] == ["orders"]


def test_a_metric_reads_a_source_that_was_chosen_in_its_form() -> None:
    shop = a_shop_with_orders()
    client = signed_in(shop.owner)
    typed = {
        "name": "Revenue", "kind": "sum", "source": "orders@1", "property": "amount", "window_days": "7",
        "display": "€", "minimum_units": "100", "where": "status = paid", "tier": "L2",
        "direction": "increase",
    }  # fmt: skip
    made = client.post(f"{METRICS}/new", typed, follow=True)
    assert "Metric created" in Page(made.text).text
    fact = metric_by_key(shop.project.id, "revenue").definition.fact
    assert fact == Fact("", Aggregate.SUM, "amount", {"status": "paid"}, source="orders@1")
    assert 'value="orders@1" selected' in client.get(f"{METRICS}/revenue/edit").text
    looked = Page(client.get(f"{METRICS}/revenue/preview").text).text.replace("\u00a0", " ")
    assert "30 rows of 30 units" in looked


def test_a_colleague_certifies_what_its_author_cannot() -> None:
    shop = a_shop()
    the_metrics(shop)
    author, colleague = (
        signed_in(shop.owner),
        signed_in(a_member(shop.owner, shop.project, Role.ENGINEER)),
    )
    edition = metric_by_key(shop.project.id, "purchase").edition
    refused = author.post(f"{METRICS}/purchase/certify", {**NOTED, "edition": edition}, follow=True)
    assert "ask somebody else to certify it" in Page(refused.text).text
    assert "You wrote this version" in Page(author.get(f"{METRICS}/purchase").text).text
    done = colleague.post(f"{METRICS}/purchase/certify", {**NOTED, "edition": edition}, follow=True)
    assert "The metric is certified" in Page(done.text).text
    assert "invoices of March" in Page(author.get(f"{METRICS}/purchase").text).text
    reason = {"reason": "The invoices were of another year."}
    taken = colleague.post(f"{METRICS}/purchase/withdraw", reason, follow=True)
    assert "The metric is a draft again" in Page(taken.text).text


def test_the_wizard_offers_certified_metrics_first_and_marks_drafts() -> None:
    shop = a_shop()
    a_draft_experiment(shop, design=a_design())
    a_metric(shop, "aaa", Definition(MetricKind.COUNT, Fact("visit")))
    colleague = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    edition = metric_by_key(shop.project.id, "purchase").edition
    colleague.post(f"{METRICS}/purchase/certify", {**NOTED, "edition": edition})
    step = colleague.get(f"{PLACE}/experiments/checkout-button/edit/metrics").text
    assert "Aaa (not certified)" in step
    assert "Purchase (not certified)" not in step
    assert step.index(">Purchase<") < step.index(">Aaa (not certified)<")


def test_an_admin_asks_for_certified_metrics() -> None:
    shop = a_shop()
    the_metrics(shop)
    client = signed_in(shop.owner)
    said = client.post(f"{METRICS}/rules/certified", {"requires_certified_oec": "yes"}, follow=True)
    assert "Experiments now need a certified OEC" in Page(said.text).text
    assert rules_of(shop.project.id).requires_certified_oec
    client.post(f"{METRICS}/rules/certified", {"requires_certified_oec": "no"})
    assert not rules_of(shop.project.id).requires_certified_oec
