"""The reference of events is executed: its example is taken, and its limits are the ones that hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

from equipoise_server.events import validation, values
from equipoise_server.events.inbox import QUARANTINE_LIFE
from equipoise_server.events.values import LARGEST_VALUE

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "events.md").read_text()


def test_the_example_is_a_good_batch() -> None:
    found = re.search(r"\n(\{\n.*?\n\})\n```", PAGE, flags=re.DOTALL)
    assert found is not None
    judged = validation.judge(json.dumps(json.loads(found[1])).encode())
    assert (judged.good_count, judged.refused) == (2, ())


def test_the_limits_are_those_that_hold() -> None:
    for limit in (
        f"{values.LARGEST_BODY:,} bytes", f"{validation.MOST_EVENTS:,} events",
        f"{validation.LONGEST_UNIT_BYTES} bytes", f"{validation.DEEPEST} levels",
        f"±{LARGEST_VALUE:g}".replace("+", ""),
        f"{QUARANTINE_LIFE.days} days", "1 to 200 characters",
    ):  # fmt: skip
        assert limit in PAGE, limit


def test_every_field_of_an_event_is_described() -> None:
    for kind in (values.Exposure, values.Track):
        for field in kind.__struct_fields__:
            assert f"`{field}`" in PAGE, field
