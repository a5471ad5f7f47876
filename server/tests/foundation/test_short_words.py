"""Faults in short: one line, without where things lie on this machine."""

from __future__ import annotations

import pytest

from equipoise_server.foundation.texts import LONGEST_NAME, in_short, text_problems


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


@pytest.mark.parametrize("name", ["two\nlines", "a bell \a", "a new colour \x1b[31m", "paragraph\u2029break"])
def test_a_name_is_one_line_that_a_terminal_can_show(name: str) -> None:
    assert [problem.field for problem in text_problems(LONGEST_NAME, name=name)] == ["name"]


def test_a_name_may_have_any_script_and_a_description_any_lines() -> None:
    assert not list(text_problems(LONGEST_NAME, name="Räkete 🚀 الدفع"))
    assert not list(text_problems(description="two\nlines"))
