"""Faults in short: one line, without where things lie on this machine."""

from __future__ import annotations

import pytest

from equipoise_server.foundation.texts import in_short


@pytest.mark.parametrize(
    ("told", "short"),
    [
        ("It broke.", "It broke"),
        ("It broke.\nLINE 2: ^^^", "It broke"),
        ('No file "/srv/data/events/a.parquet"', 'No file "…/a.parquet"'),
        ("1/2 of https://example.com/a", "1/2 of https://example.com/a"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_fault_is_told_in_one_line_without_folders(told: str, short: str) -> None:
    assert in_short(ValueError(told)) == short
