"""Columns are called what people call them."""

from __future__ import annotations

import pytest

from equipoise_server.analysis.column_words import column_words

NAMES = {"latency": "Page load"}


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("units", "the number of units"),
        ("crossed", "units that met several variants"),
        ("latency", "“Page load”"),
        ("latency:denominator", "“Page load” (what it is divided by)"),
        ("latency:denominator:before", "“Page load” (what it is divided by, before the exposure)"),
        ("p95:events", "“p95” (its events with a value)"),
        ("attribute:past_spend", "the attribute “past_spend”"),
        ("attribute:past_spend:missing", "who has no attribute “past_spend”"),
    ],
)
def test_a_column_is_called_by_its_metric_and_its_part(column: str, words: str) -> None:
    assert column_words(column, NAMES) == words
