"""A past experiment from a file, at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Terminal = Callable[..., Result]
DATA = Path(__file__).parents[2] / "examples" / "data"
MAPPING = """
window_days = 7

[experiment]
key = "newsletter"
name = "A newsletter with pictures"
hypothesis = "Pictures make more readers click on something."

[unit]
column = "reader"
type = "user"

[variant]
column = "arm"
control = "plain"
arms = [
  { value = "plain", key = "plain", name = "Plain" },
  { value = "pictures", key = "pictures", name = "Pictures" },
]

[time]
at = 2024-03-01T00:00:00Z

[[outcomes]]
column = "clicked"
metric = "newsletter-click"
name = "readers who click"
kind = "conversion"
role = "oec"
"""


@pytest.fixture
def newsletter(tmp_path: Path) -> Path:
    rows = [
        f"r{n},{'pictures' if n % 2 else 'plain'},{int(n % 10 < (5 if n % 2 else 3))}" for n in range(2_000)
    ]
    (tmp_path / "newsletter.csv").write_text("\n".join(["reader,arm,clicked", *rows]))
    (tmp_path / "newsletter.toml").write_text(MAPPING)
    return tmp_path / "newsletter.csv"


def test_an_import_shows_its_report_as_a_small_table(terminal: Terminal, newsletter: Path) -> None:
    imported = terminal("import", str(newsletter), "--mapping", str(newsletter.with_suffix(".toml")))
    assert imported.exit_code == 0, imported.output
    assert "Imported as newsletter." in imported.stdout
    assert "readers who click" in imported.stdout
    again = terminal("experiment", "report", "newsletter", "--json")
    assert json.loads(again.stdout)["results"]["method"] == "fixed"


def test_a_mapping_that_names_missing_columns_is_refused_with_all_of_them(
    terminal: Terminal, newsletter: Path
) -> None:
    mapping = newsletter.with_suffix(".toml")
    mapping.write_text(MAPPING.replace('"reader"', '"person"').replace('"clicked"', '"opened"'))
    refused = terminal("import", str(newsletter), "--mapping", str(mapping))
    assert refused.exit_code == 1
    assert "person" in refused.stderr
    assert "opened" in refused.stderr


def test_a_mapping_that_is_not_text_is_a_usage_error(terminal: Terminal, newsletter: Path) -> None:
    mapping = newsletter.with_suffix(".toml")
    mapping.write_bytes(b"\xff\xfe")
    assert terminal("import", str(newsletter), "--mapping", str(mapping)).exit_code == 2
