"""A warehouse of orders for tests: Parquet files or tables, and sources that read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
from django.conf import settings
from people import NOW
from scenes import Shop

from equipoise_server.sources.actions import CreateConnection, CreateSource, create_connection, create_source
from equipoise_server.sources.values import ColumnType, Connection, ConnectionKind, Shape, Source

ORDER_COLUMNS = {
    "amount": ColumnType.NUMBER,
    "status": ColumnType.TEXT,
    "gift": ColumnType.BOOLEAN,
}


@dataclass(frozen=True, slots=True)
class Order:
    """One row."""

    user_id: str
    ordered_at: datetime
    amount: float | None
    status: str = "paid"
    gift: bool = False


def sources_directory() -> Path:
    """Where connections to files lead."""
    directory = Path(settings.SOURCES_DIRECTORY)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def written_orders(orders: Iterable[Order], table: str = "orders") -> Path:
    """The orders as a Parquet file of the directory `shop`."""
    directory = sources_directory() / "shop"
    directory.mkdir(exist_ok=True)
    target = directory / f"{table}.parquet"
    database = duckdb.connect(":memory:")
    database.execute(
        "CREATE TABLE o (user_id VARCHAR, ordered_at TIMESTAMP, amount DOUBLE, status VARCHAR, gift BOOLEAN)"
    )
    rows = [[o.user_id, o.ordered_at.replace(tzinfo=None), o.amount, o.status, o.gift] for o in orders]
    if rows:
        database.executemany("INSERT INTO o VALUES (?, ?, ?, ?, ?)", rows)
    database.execute(f"COPY o TO '{target}' (FORMAT PARQUET)")
    database.close()
    return target


def a_connection(shop: Shop, key: str = "lake") -> Connection:
    """A connection to the shop's files."""
    (sources_directory() / "shop").mkdir(exist_ok=True)
    command = CreateConnection(shop.project.id, key, ConnectionKind.FILES, "shop")
    return create_connection(shop.owner, command, now=NOW)


def an_orders_shape(**changes: object) -> Shape:
    """How orders are described, except for what is changed."""
    usual: dict[str, object] = {
        "connection": "lake",
        "units": {"user": "user_id"},
        "time": "ordered_at",
        "columns": ORDER_COLUMNS,
        "table": "orders",
    }
    return Shape(**{**usual, **changes})  # type: ignore[arg-type]  # a test's changes


def an_orders_source(shop: Shop, shape: Shape | None = None, key: str = "orders") -> Source:
    """The source of orders."""
    command = CreateSource(shop.project.id, key, key.capitalize(), shape or an_orders_shape())
    return create_source(shop.owner, command, now=NOW)
