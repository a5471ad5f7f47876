"""A PostgreSQL as a source: the rows that files give, read-only, in time, and no password is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg
import pytest
from outside import Seen, an_exposure_source, written_exposures
from people import NOW
from scenes import Shop, a_shop
from warehouses import Order, a_connection, an_orders_shape, an_orders_source, written_orders

from equipoise_server.audit.models import AuditRecord
from equipoise_server.foundation.refusals import Invalid
from equipoise_server.sources import models
from equipoise_server.sources.actions import (
    CreateConnection,
    ReviseConnection,
    Wanted,
    create_connection,
    fetch_facts,
    fetch_rows,
    revise_connection,
)
from equipoise_server.sources.reads import (
    Counting,
    count_rows,
    estimate_source,
    preview_source,
    source_by_key,
)
from equipoise_server.sources.values import (
    Between,
    ColumnType,
    ConnectionKind,
    Cost,
    Sample,
    Shape,
    SourceUnusable,
)

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
PASSWORD = "what only the reader knows"
DAY = timedelta(days=1)
ORDERS = (
    Order("u1", NOW - 2 * DAY, 10.5, "paid", gift=True),
    Order("u1", NOW - 3 * DAY, None, "\\N"),
    Order("ü'2\\", NOW - 9 * DAY, 0.1 + 0.2, "", gift=False),
    Order("u3", NOW - 20 * DAY, -1e300, 'say "hi", twice\nor so'),
    Order("u4", NOW - 40 * DAY, 1.0),
)


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A database with orders and a role that may read them."""

    admin: str
    location: str


@pytest.fixture
def warehouse(
    postgresql: str, settings: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Warehouse]:
    place = urlsplit(postgresql)
    host = parse_qs(place.query).get("host", [place.hostname or ""])[0]
    settings.SOURCE_HOSTS = (host,)
    monkeypatch.setenv("EQUIPOISE_SOURCE_READER", PASSWORD)
    with psycopg.connect(postgresql, autocommit=True) as admin:
        admin.execute("DROP SCHEMA IF EXISTS shop CASCADE")
        admin.execute("DROP ROLE IF EXISTS reader")
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        admin.execute("CREATE SCHEMA shop")
        admin.execute(
            "CREATE TABLE shop.orders "
            "(user_id text, ordered_at timestamptz, amount float8, status text, gift bool)"
        )
        admin.execute("GRANT USAGE ON SCHEMA shop TO reader; GRANT SELECT ON shop.orders TO reader")
        for order in ORDERS:
            row = (order.user_id, order.ordered_at, order.amount, order.status, order.gift)
            admin.execute("INSERT INTO shop.orders VALUES (%s, %s, %s, %s, %s)", row)
        query = f"?host={host}" if host.startswith("/") else ""
        named = "" if host.startswith("/") else f"{host}:{place.port}"
        yield Warehouse(postgresql, f"postgresql://reader@{named}{place.path or '/postgres'}{query}")
        admin.execute("DROP SCHEMA shop CASCADE")
        admin.execute("DROP ROLE reader")


def a_database(shop: Shop, warehouse: Warehouse, key: str = "warehouse", **changes: str) -> None:
    usual = {"location": warehouse.location, "password_from": "env:EQUIPOISE_SOURCE_READER"}
    command = CreateConnection(shop.project.id, key, ConnectionKind.POSTGRESQL, **{**usual, **changes})
    create_connection(shop.owner, command, now=NOW)


def in_postgresql(**changes: object) -> Shape:
    return an_orders_shape(**{"connection": "warehouse", "table": "shop.orders", **changes})


def rows_in(path: Path) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = (
        duckdb.connect()
        .sql(
            f"SELECT unit, derived_at, name, properties FROM read_parquet('{path}') ORDER BY unit, derived_at"
        )
        .fetchall()
    )
    return rows


def test_rows_of_postgresql_are_the_rows_that_the_same_files_give(
    warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("equipoise_server.sources.fetching.UNITS_AT_ONCE", 2)
    shop = a_shop()
    written_orders(ORDERS)
    a_connection(shop)
    a_database(shop, warehouse)
    between = Between(NOW - 30 * DAY, NOW)
    units = ["u1", "ü'2\\", "u3", "u4", "nobody"]
    found = []
    for key, shape in (("files", an_orders_shape()), ("tables", in_postgresql())):
        source = an_orders_source(shop, shape, key=key)
        directory = tmp_path / key
        directory.mkdir()
        fetched = fetch_facts(Wanted(source, "user", between, units), "orders", directory)
        assert fetched.cost.rows == 4
        assert [path.suffix for path in directory.iterdir()] == [".parquet"]
        found.append(rows_in(fetched.path))
    assert found[0] == found[1]
    assert found[0][0][3] == '{"amount":null,"gift":false,"status":"\\\\N"}'
    assert len(found[0]) == 4


def test_a_preview_shows_rows_numbers_and_what_postgresql_expected(warehouse: Warehouse) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    source = an_orders_source(shop, in_postgresql())
    estimate = estimate_source(source, now=NOW)
    assert estimate is not None
    assert estimate.cost > 0
    found = preview_source(source, now=NOW)
    assert found.estimate == estimate
    assert [(one.days, one.rows, one.units) for one in found.recent] == [(7, 2, 1), (28, 4, 3)]
    (amount,) = found.distributions
    assert (amount.count, amount.minimum, amount.maximum) == (3, -1e300, 10.5)
    assert amount.missing_share == 0.25
    assert found.sample.columns == ("user_id", "ordered_at", "amount", "gift", "status")
    assert {row[0] for row in found.sample.rows} == {"u…", "ü…"}
    assert "shop.orders" in found.sql


def test_a_password_is_read_where_it_lies_and_kept_nowhere(warehouse: Warehouse) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    an_orders_source(shop, in_postgresql())
    kept = str([*models.Connection.objects.values(), *models.SourceVersion.objects.values()])
    audited = str([record.changes for record in AuditRecord.objects.all()])
    assert PASSWORD not in kept + audited
    assert "EQUIPOISE_SOURCE_READER" in kept


def test_a_password_may_lie_in_a_file_of_secrets(warehouse: Warehouse, tmp_path: Path) -> None:
    shop = a_shop()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "reader").write_text(f"{PASSWORD}\n")
    a_database(shop, warehouse, password_from="file:reader")
    assert an_orders_source(shop, in_postgresql()).version == 1


def test_a_superuser_may_not_be_the_role(warehouse: Warehouse) -> None:
    shop = a_shop()
    user = urlsplit(warehouse.admin).username or "postgres"
    a_database(shop, replace(warehouse, location=warehouse.location.replace("reader@", f"{user}@")))
    with pytest.raises(Invalid, match="superuser; name a role that may only read"):
        an_orders_source(shop, in_postgresql())


def test_what_a_role_may_not_read_is_told(warehouse: Warehouse) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    with psycopg.connect(warehouse.admin, autocommit=True) as admin:
        admin.execute("REVOKE SELECT ON shop.orders FROM reader")
    with pytest.raises(Invalid, match=r"permission denied for table orders.*Grant SELECT"):
        an_orders_source(shop, in_postgresql())


def test_a_reading_that_takes_too_long_ends_in_time(
    warehouse: Warehouse, settings: pytest.FixtureRequest
) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    sql = (
        "SELECT a.user_id, a.ordered_at, a.amount FROM shop.orders AS a, shop.orders AS b, shop.orders AS c, "
        "shop.orders AS d, shop.orders AS e, shop.orders AS f, shop.orders AS g, shop.orders AS h, "
        "shop.orders AS i, shop.orders AS j, shop.orders AS k, shop.orders AS l"
    )
    shape = in_postgresql(table="", sql=sql, columns={"amount": ColumnType.NUMBER})
    source = an_orders_source(shop, shape)
    settings.SOURCE_SECONDS = 0.05
    with pytest.raises(SourceUnusable, match=r"took longer than 0\.05 seconds"):
        preview_source(source, now=NOW)


def test_more_bytes_than_allowed_end_the_reading(
    warehouse: Warehouse, tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    source = an_orders_source(shop, in_postgresql())
    settings.SOURCE_BYTES = 20
    with pytest.raises(SourceUnusable, match="more than 20 bytes came over"):
        fetch_facts(Wanted(source, "user", Between(NOW - 30 * DAY, NOW), ["u1", "u3"]), "o", tmp_path)


def test_a_database_that_is_gone_is_named_with_its_connection(warehouse: Warehouse) -> None:
    shop = a_shop()
    a_database(shop, warehouse)
    an_orders_source(shop, in_postgresql())
    held = models.Connection.objects.get()
    elsewhere = warehouse.location.replace("/postgres", "/nowhere")
    revise_connection(
        shop.owner, ReviseConnection(held.pk, 1, elsewhere, "env:EQUIPOISE_SOURCE_READER"), now=NOW
    )
    with pytest.raises(SourceUnusable) as failure:
        preview_source(source_by_key(shop.project.id, "orders"), now=NOW)
    (problem,) = failure.value.problems
    assert problem.field == "connection"
    assert problem.message.startswith("The source “orders@1”: “warehouse” cannot be reached: ")
    assert PASSWORD not in problem.message


def test_exposures_of_postgresql_are_counted_and_fetched_as_those_of_files(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    shop = a_shop()
    seen = [Seen(f"u{n % 7}", NOW - n * DAY / 4, (n // 3) % 3, run=n % 2, age=n / 4) for n in range(20)]
    written_exposures([*seen, Seen("ü'2\\", NOW - DAY, None, plan="\\N"), Seen(None, NOW - DAY, 1)])
    files = an_exposure_source(shop)
    a_database(shop, warehouse)
    with psycopg.connect(warehouse.admin, autocommit=True) as admin:
        admin.execute(
            "CREATE TABLE shop.exposures (user_id text, seen_at timestamptz, experiment_id text,"
            " variation_id int, run int, plan text, age float8)"
        )
        admin.execute("GRANT SELECT ON shop.exposures TO reader")
        for one in (*seen, Seen("ü'2\\", NOW - DAY, None, plan="\\N"), Seen(None, NOW - DAY, 1)):
            row = (one.unit, one.at, one.experiment, one.variation, one.run, one.plan, one.age)
            admin.execute("INSERT INTO shop.exposures VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
    shape = replace(files.shape, connection="warehouse", table="shop.exposures")
    tables = an_orders_source(shop, shape, key="in-postgresql")
    between, where = Between(NOW - 3 * DAY, NOW), {"experiment_id": "their-button", "run": "1"}
    counts, rows = [], []
    for source in (files, tables):
        found = count_rows(Counting(source, "user", "variation_id", between, where))
        counts.append(replace(found, cost=Cost(0, 0.0), estimate=None, sql="", sample=Sample((), ())))
        directory = tmp_path / source.key
        directory.mkdir()
        fetched = fetch_rows(Wanted(source, "user", between, None, where=where), directory)
        rows.append(
            sorted(duckdb.connect().sql(f"SELECT * FROM read_parquet('{fetched.path}')").fetchall(), key=repr)
        )
    assert counts[0] == counts[1]
    assert rows[0] == rows[1]
    assert rows[0]
