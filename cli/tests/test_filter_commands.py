"""The traffic filter at the command line, against a real server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Terminal = Callable[..., Result]
RULES = [
    {
        "key": "internal",
        "name": "Colleagues",
        "test": "attribute",
        "attribute": "internal",
        "values": ["true"],
    },
    {"key": "fast", "name": "Too fast", "test": "events_per_hour", "most": 1000},
]


def test_rules_are_set_from_a_file_shown_and_taken_away(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(RULES))
    made = terminal("traffic-filter", "set", str(file), "--reason", "Ours")
    assert made.exit_code == 0, made.output
    assert ", 2 rules." in made.stdout
    shown = terminal("traffic-filter", "show")
    assert "is true" in shown.stdout
    assert "more than 1000" in shown.stdout
    file.write_text("[]")
    emptied = json.loads(terminal("traffic-filter", "set", str(file), "--json").stdout)
    assert emptied["rules"] == []


def test_a_faulty_rule_is_told_with_its_field_and_a_faulty_file_by_its_name(
    terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "rules.json"
    file.write_text(json.dumps([{**RULES[0], "values": []}]))
    refused = terminal("traffic-filter", "set", str(file))
    assert refused.exit_code == 1
    assert "rules.0.values" in refused.stderr
    file.write_text("[")
    unread = terminal("traffic-filter", "set", str(file))
    assert unread.exit_code == 1
    assert "rules.json is not JSON" in unread.stderr
