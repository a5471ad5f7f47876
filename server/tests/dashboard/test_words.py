"""How numbers and times read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise_server.analysis import sentences
from equipoise_server.dashboard import words

NOW = datetime(2026, 3, 24, 10, 5, tzinfo=UTC)


def _spaced(text: str) -> str:
    return text.replace(words.NBSP, " ")


@pytest.mark.parametrize(
    ("value", "reads"),
    [
        (0.061, "+6.1 %"),
        (-0.0043, "−0.43 %"),
        (0.0, "0 %"),
        (0.00001, "0.00 %"),
        (1.5, "+150 %"),
        (None, "unknown"),
    ],
)
def test_a_lift_always_shows_its_direction(value: float | None, reads: str) -> None:
    assert _spaced(words.lift(value)) == reads


@pytest.mark.parametrize(
    ("value", "display", "reads"),
    [
        (0.1188, "percent", "11.88 %"),
        (8.415, "€", "€8.41"),
        (-3.0, "€", "−€3.00"),
        (812.25, "ms", "812.2 ms"),
        (12345.678, "number", "12,346"),
        (0.00012, "number", "0.00012"),
        (None, "ms", "unknown"),
    ],
)
def test_a_value_reads_in_its_own_unit(value: float | None, display: str, reads: str) -> None:
    assert _spaced(words.measure(value, display)) == reads


def test_a_difference_of_percentages_is_in_points() -> None:
    assert _spaced(words.difference(-0.0082, "percent")) == "−0.82 pp"
    assert _spaced(words.difference(0.4, "€")) == "+€0.40"
    assert _spaced(words.difference(2.0, "ms")) == "+2 ms"


def test_an_open_end_of_an_interval_is_named() -> None:
    assert _spaced(words.lift_range(None, 0.09)) == "no lower bound to +9.0 %"
    assert words.lift_range(None, None) == "no bound yet"


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [(5, "just now"), (60, "1 minute ago"), (7200, "2 hours ago"), (-7200, "in 2 hours")],
)
def test_an_age_is_in_its_largest_unit(seconds: int, reads: str) -> None:
    assert _spaced(words.age(NOW - timedelta(seconds=seconds), NOW)) == reads


@pytest.mark.parametrize(
    ("p", "reads"),
    [
        (0.748, "75 %"),
        (0.04, "1 in 25"),
        (1.234e-5, "1 in 81,000"),
        (1e-12, "less than 1 in a billion"),
        (None, "unknown"),
    ],
)
def test_a_chance_reads_without_knowing_p_values(p: float | None, reads: str) -> None:
    assert _spaced(words.one_in(p)) == reads


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12))
def test_a_plain_number_keeps_its_size(value: float) -> None:
    read = float(words.plain(value).replace(",", "").replace(words.MINUS, "-"))
    assert read == pytest.approx(value, rel=6e-4, abs=1e-8)


@pytest.mark.parametrize(
    ("probability", "reads"),
    [(1.0, "> 99.9 %"), (0.99995, "> 99.9 %"), (0.753, "75.3 %"), (0.5, "50 %"), (0.0, "< 0.1 %")],
)
def test_a_chance_never_reads_as_certain(probability: float, reads: str) -> None:
    assert _spaced(words.chance(probability)) == reads


@pytest.mark.parametrize("share", [0.061, -0.0096, 0.0043, 1.5, -0.25])
def test_a_sentence_rounds_a_lift_as_the_page_beside_it(share: float) -> None:
    assert sentences.lift(share).removesuffix(".0 %").removesuffix(" %") == _spaced(
        words.lift(share)
    ).removeprefix("+").removesuffix(" %").removesuffix(".0")


@pytest.mark.parametrize(("value", "reads"), [(-2.402, "−2.4 min"), (3.622, "3.62 min"), (123.4, "123 min")])
def test_a_sentence_rounds_a_difference_as_the_page_beside_it(value: float, reads: str) -> None:
    assert sentences.difference(value, "min") == reads
    assert _spaced(words.difference(value, "min")).removeprefix("+") == reads
