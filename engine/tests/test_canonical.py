"""One byte sequence per document, in every language."""

from __future__ import annotations

import pytest

from equipoise_engine import canonical_json, content_hash

# RFC 8785, appendix B, and ECMAScript's bounds between plain and scientific notation.
NUMBERS: list[tuple[float, str]] = [
    (0.0, "0"),
    (-0.0, "0"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (295147905179352830000, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (1e20, "100000000000000000000"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (333333333.3333332, "333333333.3333332"),
    (1424953923781206.2, "1424953923781206.2"),
    (1.0, "1"),
    (-7, "-7"),
    (0.5, "0.5"),
]


@pytest.mark.parametrize(("number", "text"), NUMBERS)
def test_numbers_are_written_as_ecmascript_does(number: float, text: str) -> None:
    assert canonical_json({"a": number}) == f'{{"a":{text}}}'.encode()


def test_members_are_sorted_and_nothing_is_spaced() -> None:
    assert canonical_json({"b": [True, None, "é"], "a": {}}) == '{"a":{},"b":[true,null,"é"]}'.encode()


def test_keys_are_sorted_by_utf_16_as_in_the_rfc() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = canonical_json(dict.fromkeys(keys, 1.5)).decode()
    order = ["\\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert [written.index(f'"{key}"') for key in order] == sorted(written.index(f'"{key}"') for key in order)


@pytest.mark.parametrize(
    "document", [float("nan"), float("inf"), 10**400, "\ud800", {1: 2.5}, {1: 2}, object(), [b"x"]]
)
def test_what_is_not_json_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        canonical_json({"a": document})


def test_the_hash_leaves_out_the_hash() -> None:
    digest = content_hash({"a": 1})
    assert digest == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    assert content_hash({"a": 1, "hash": "anything"}) == digest
