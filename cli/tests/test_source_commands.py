"""Sources, previews and certification at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import Result
from server_process import Scene

from equipoise_cli.configuration import Access
from equipoise_cli.connection import Connection

Terminal = Callable[..., Result]
SOURCE = """
key = "orders"
name = "Orders"
[shape]
connection = "lake"
table = "orders"
time = "ordered_at"
units = { user = "user_id" }
columns = { amount = "number" }
"""
VARIANT = "CASE WHEN i % 2 = 0 THEN 'old' ELSE 'new' END AS variant"
EXPOSURES = """
window_days = 7
[experiment]
key = "elsewhere"
name = "Elsewhere"
hypothesis = "What another system shows makes people spend more."
[variant]
column = "variant"
control = "old"
arms = [{ value = "old", key = "old", name = "Old" }, { value = "new", key = "new", name = "New" }]
[time]
column = "ordered_at"
[[metrics]]
metric = "measured"
role = "oec"
"""


@pytest.fixture
def lake(scene: Scene, terminal: Terminal, tmp_path: Path) -> Path:
    """Orders and exposures among the server's sources, connected; a directory for the test's own files."""
    directory = scene.server.data / "sources" / "shop"
    if not directory.exists():
        directory.mkdir(parents=True)
        since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=9)
        for table, column in (("orders", "10.0 + i % 7 AS amount"), ("exposures", VARIANT)):
            rows = duckdb.connect().sql(  # of its own: another test may have left a result half read
                "SELECT 'customer-' || i AS user_id, $since::TIMESTAMP + INTERVAL (i) MINUTE AS ordered_at, "
                f"{column} FROM range(400) AS r(i)",
                params={"since": since},
            )
            rows.write_parquet(str(directory / f"{table}.parquet"))
        terminal("sources", "connect", "lake", "--kind", "files", "--location", "shop")
    return tmp_path


def described(terminal: Terminal, lake: Path, key: str, text: str = SOURCE) -> Result:
    """Add a source of orders under a key of the test's own."""
    (lake / "source.toml").write_text(text.replace('key = "orders"', f'key = "{key}"'))
    return terminal("sources", "add", str(lake / "source.toml"))


def a_metric(terminal: Terminal, lake: Path, key: str) -> Path:
    """A file with a metric of a source, both under this key, applied."""
    described(terminal, lake, key)
    file = lake / "metrics.yaml"
    file.write_text(
        f"metrics: {{{key}: {{name: Revenue, kind: sum, fact: {{source: {key}, property: amount}}}}}}"
    )
    applied = terminal("metrics", "apply", str(file))
    assert applied.exit_code == 0, applied.output
    return file


def test_a_source_is_connected_described_listed_and_looked_at(terminal: Terminal, lake: Path) -> None:
    added = described(terminal, lake, "looked-at")
    assert added.exit_code == 0, added.output
    assert "Added looked-at@1." in added.stdout
    assert "looked-at@1" in terminal("sources", "list").stdout
    looked = terminal("sources", "preview", "looked-at").stdout
    assert "400 rows of 400 units" in looked
    assert "cust…" in looked
    assert "customer-1" not in looked
    assert "no estimate" in terminal("sources", "estimate", "looked-at").stdout


def test_a_file_of_metrics_names_a_source_and_is_previewed(terminal: Terminal, lake: Path) -> None:
    file = a_metric(terminal, lake, "spent")
    assert "keep" in terminal("metrics", "plan", str(file)).stdout
    assert "spent@1" in terminal("metrics", "export").stdout
    looked = terminal("metrics", "preview", "spent").stdout
    assert "fact: spent@1" in looked
    assert "400 rows of 400 units" in looked


def test_an_author_cannot_certify_at_the_command_line_either(terminal: Terminal, lake: Path) -> None:
    a_metric(terminal, lake, "vouched-for")
    refused = terminal("metrics", "certify", "vouched-for", "--note", "Compared with the books.")
    assert refused.exit_code == 1
    assert "ask somebody else to certify it" in refused.stderr


def test_exposures_are_imported_from_a_source(terminal: Terminal, lake: Path) -> None:
    a_metric(terminal, lake, "measured")
    exposures = SOURCE.replace('"orders"\ntime', '"exposures"\ntime').replace(
        'amount = "number"', 'variant = "text"'
    )
    assert described(terminal, lake, "seen", exposures).exit_code == 0
    (lake / "mapping.toml").write_text(EXPOSURES)
    made = terminal("import", "--source", "seen", "--mapping", str(lake / "mapping.toml"), "--json")
    assert made.exit_code == 0, made.output
    assert {arm["arm"]: arm["exposed"] for arm in json.loads(made.stdout)["arms"]} == {"old": 200, "new": 200}


def test_an_import_has_one_origin(terminal: Terminal, lake: Path) -> None:
    (lake / "mapping.toml").write_text(EXPOSURES)
    assert terminal("import", "--mapping", str(lake / "mapping.toml")).exit_code == 2


def test_a_table_of_exposures_is_looked_at_from_the_command_line(
    terminal: Terminal, scene: Scene, lake: Path
) -> None:
    shape = SOURCE.replace('"orders"\ntime', '"exposures"\ntime').replace(
        'amount = "number"', 'variant = "text"'
    )
    assert described(terminal, lake, "seen-outside", shape).exit_code == 0
    since = (datetime.now(UTC) - timedelta(days=10)).isoformat()
    table = {"source": "seen-outside", "variant_column": "variant", "since": since}
    arms = [{"key": "old"}, {"key": "new"}]
    with Connection(Access(scene.server.url, scene.token)) as connection:
        design = {"arms": arms, "control": "old", "exposures": table}
        body = {"key": "outside", "name": "Outside", "design": design}
        connection.post("/projects/shop/experiments", body)
    assert "It was not read yet." in terminal("sources", "exposures", "outside").stdout
    looked = terminal("sources", "exposures", "outside", "--look").stdout
    assert "seen-outside@1: 400 rows of 400 units." in looked
    assert "No column names the experiment" in looked
    assert "customer-1" not in looked
    found = json.loads(terminal("sources", "exposures", "outside", "--json").stdout)
    assert found["table"]["source"] == "seen-outside"


def test_an_experiment_of_sdks_reads_no_table(terminal: Terminal) -> None:
    assert "SDKs send" in terminal("sources", "exposures", "green-button").stdout
