"""What a source's SQL may be: one SELECT over tables; everything else is refused with its place."""

from __future__ import annotations

import pytest

from equipoise_server.sources.sql_rules import parsed, table_problems
from equipoise_server.sources.values import ConnectionKind

FILES, POSTGRESQL = ConnectionKind.FILES, ConnectionKind.POSTGRESQL
REFUSED = (
    (FILES, "SELECT * FROM orders; SELECT 1", "2 statements"),
    (FILES, "", "0 statements"),
    (FILES, "DROP TABLE orders", "DROP TABLE orders"),
    (FILES, "INSERT INTO orders VALUES (1)", "INSERT INTO orders"),
    (FILES, "CREATE TABLE a AS SELECT 1 AS b", "CREATE TABLE a"),
    (FILES, "COPY orders TO 'x.csv'", "COPY"),
    (FILES, "ATTACH 'x' AS y", "ATTACH"),
    (FILES, "INSTALL httpfs", "INSTALL"),
    (FILES, "LOAD httpfs", "LOAD"),
    (FILES, "PRAGMA threads", "PRAGMA"),
    (FILES, "SUMMARIZE orders", "SUMMARIZE"),
    (FILES, "SELECT * FROM 'x.csv'", "x.csv"),
    (FILES, 'SELECT * FROM "../x.parquet"', "x.parquet"),
    (FILES, "SELECT * FROM read_csv('/etc/passwd')", "READ_CSV"),
    (FILES, "SELECT * FROM read_parquet(['a'])", "READ_PARQUET"),
    (FILES, "SELECT * FROM read_text('/etc/passwd')", "READ_TEXT"),
    (FILES, "SELECT * FROM glob('*')", "GLOB"),
    (FILES, "SELECT getenv('HOME') FROM orders", "GETENV"),
    (FILES, "SELECT * FROM query('SELECT 1')", "QUERY"),
    (FILES, "SELECT * FROM duckdb_settings()", "DUCKDB_SETTINGS"),
    (FILES, "SELECT * FROM (SELECT * FROM sqlite_scan('a', 'b'))", "SQLITE_SCAN"),
    (FILES, "SELECT * FROM orders WHERE a = ?", "?"),
    (FILES, "SELECT FROM WHERE", "no SQL"),
    (POSTGRESQL, "WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", "DELETE FROM a"),
    (POSTGRESQL, "WITH x AS (INSERT INTO a VALUES (1) RETURNING *) SELECT * FROM x", "INSERT INTO a"),
    (POSTGRESQL, "SELECT * FROM orders FOR UPDATE", "FOR UPDATE"),
    (POSTGRESQL, "SELECT * INTO copy FROM orders", "INTO"),
    (POSTGRESQL, "COPY orders TO PROGRAM 'sh'", "COPY"),
    (POSTGRESQL, "SELECT pg_read_file('/etc/passwd')", "PG_READ_FILE"),
    (POSTGRESQL, "SELECT dblink('host=x', 'SELECT 1')", "DBLINK"),
    (POSTGRESQL, "SELECT lo_export(1, 'x') FROM orders", "LO_EXPORT"),
    (POSTGRESQL, "SELECT pg_sleep(100)", "PG_SLEEP"),
    (POSTGRESQL, "SELECT set_config('a', 'b', false)", "SET_CONFIG"),
    (POSTGRESQL, "SELECT * FROM pg_authid", "pg_authid"),
    (POSTGRESQL, "SELECT * FROM pg_catalog.pg_stat_activity", "pg_stat_activity"),
    (POSTGRESQL, "SELECT * FROM information_schema.tables", "information_schema"),
    (POSTGRESQL, "SELECT * FROM pg_ls_dir('.') AS x(a)", "PG_LS_DIR"),
    (POSTGRESQL, "DO $$ BEGIN END $$", "DO"),
    (POSTGRESQL, "CALL clean()", "CALL"),
    (POSTGRESQL, "SET role TO admin", "SET"),
    (POSTGRESQL, "TRUNCATE orders", "TRUNCATE"),
    (POSTGRESQL, "UPDATE orders SET a = 1", "UPDATE orders"),
    (POSTGRESQL, "MERGE INTO x USING y ON true WHEN MATCHED THEN DELETE", "MERGE INTO x"),
    (POSTGRESQL, "EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
    (POSTGRESQL, "SELECT query_to_xml('DROP TABLE a', true, true, '')", "QUERY_TO_XML"),
)
ACCEPTED = (
    (FILES, "SELECT user_id, ordered_at, amount * 100 AS cents FROM orders WHERE status = 'paid'"),
    (FILES, "WITH paid AS (SELECT * FROM orders) SELECT * FROM paid UNION ALL SELECT * FROM refunds"),
    (FILES, "FROM orders"),
    (FILES, "SELECT * FROM orders AS o JOIN users AS u ON u.id = o.user_id -- all of them"),
    (POSTGRESQL, "SELECT a->>'b' AS b, date_trunc('day', t) AS d, coalesce(c, 0) AS c FROM shop.orders"),
    (
        POSTGRESQL,
        "SELECT t AT TIME ZONE 'Europe/Berlin' AS t, lower(x) AS x, sum(y) OVER () AS y FROM orders",
    ),
)


@pytest.mark.parametrize(("kind", "sql", "named"), REFUSED, ids=[sql for _, sql, _ in REFUSED])
def test_sql_that_does_more_than_read_tables_is_refused_with_its_place(
    kind: ConnectionKind, sql: str, named: str
) -> None:
    query, problems = parsed(sql, kind)
    assert query is None
    assert {problem.field for problem in problems} == {"sql"}
    assert any(named.lower() in problem.message.lower() for problem in problems), problems


@pytest.mark.parametrize(("kind", "sql"), ACCEPTED, ids=[sql for _, sql in ACCEPTED])
def test_a_select_over_tables_is_taken(kind: ConnectionKind, sql: str) -> None:
    query, problems = parsed(sql, kind)
    assert problems == []
    assert query is not None


def test_every_fault_of_a_statement_is_told_at_once() -> None:
    _, problems = parsed("SELECT getenv('A'), pg_sleep(1) FROM 'x.csv'", FILES)
    assert len(problems) == 3


@pytest.mark.parametrize("table", ["", "a b", "orders;", "a.b.c", "'x.csv'", "x.parquet", "read_csv('x')"])
def test_a_tables_name_is_a_name(table: str) -> None:
    assert [problem.field for problem in table_problems(table, FILES)] == ["table"]


def test_tables_of_the_database_itself_are_refused() -> None:
    assert table_problems("pg_catalog.pg_authid", POSTGRESQL)
    assert table_problems("pg_stat_activity", POSTGRESQL)
    assert table_problems("shop.orders", POSTGRESQL) == []
