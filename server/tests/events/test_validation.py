"""Verdicts: each event by itself, every fault with a sentence, nothing raises but MalformedBody."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire import NOON, a_body, a_track, an_exposure

from equipoise_server.events.validation import decode_good, judge
from equipoise_server.events.values import MalformedBody

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def test_a_good_batch_is_kept_as_the_bytes_that_came() -> None:
    body = a_body(an_exposure(), a_track(value=12.5, properties={"colour": "red"}))
    judged = judge(body)
    assert (judged.good_count, judged.refused) == (2, ())
    assert judged.good in body
    assert judged.sent_at == NOON


def test_one_bad_event_never_rejects_its_batch() -> None:
    judged = judge(a_body(an_exposure(), a_track(value="much"), a_track()))
    assert judged.good_count == 2
    assert [type(event).__name__ for event in decode_good(judged.good)] == ["Exposure", "Track"]
    assert [refused.verdict.index for refused in judged.refused] == [1]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (an_exposure(unit=""), "unit: must not be empty"),
        (an_exposure(unit="é" * 129), "unit: has more than 256 bytes"),
        (a_track(units={"user": "u", "account": ""}), "units.account: must not be empty"),
        (a_track(units={}), "length >= 1"),
        (a_track(units={"user": 1.5}), "units: expected whole number or text, got number"),
        (a_track(units={"user": True}), "units: expected whole number or text, got true or false"),
        (an_exposure(at="2026-03-02T12:00:00"), "timezone"),
        (an_exposure(at="1999-12-31T23:59:59Z"), "at: must lie between"),
        (an_exposure(iteration=0), ">= 1"),
        (an_exposure(variant=""), "length >= 1"),
        (an_exposure(cluster="berlin"), "cluster: comes with cluster_type"),
        (an_exposure(cluster_type="city"), "cluster: comes with cluster_type"),
        (an_exposure(cluster_type="city", cluster=""), "cluster: must not be empty"),
        (an_exposure(id="not-a-uuid"), "UUID"),
        ({**a_track(), "kind": "click"}, "kind"),
        ("no object", "Expected object"),
    ],
)
def test_each_fault_has_its_sentence(event: object, says: str) -> None:
    judged = judge(a_body(event))
    assert judged.good_count == 0
    (refused,) = judged.refused
    assert any(says in problem for problem in refused.verdict.problems)


def test_an_event_lists_all_its_faults_at_once() -> None:
    deep: object = 1
    for _ in range(40):
        deep = {"inside": deep}
    bad = an_exposure(at="1999-01-01T00:00:00Z", unit="", attributes={"deep": deep})
    (refused,) = judge(a_body(bad)).refused
    assert [problem.split(":")[0] for problem in refused.verdict.problems] == ["at", "unit", "attributes"]


def test_what_is_kept_of_a_refused_event_has_no_value_of_a_unit_or_property() -> None:
    bad = a_track("secret-unit", at="never", value=42.125, properties={"e-mail": "ada@example.com"})
    (refused,) = judge(a_body(bad)).refused
    for secret in ("secret-unit", "ada@example.com", "42.125"):
        assert secret not in refused.redacted
    assert "purchase" in refused.redacted


def test_integers_and_text_name_the_same_unit() -> None:
    (event,) = decode_good(judge(a_body(an_exposure(unit=7))).good)
    assert event.unit == 7


def test_a_lone_surrogate_spoils_its_own_event_only() -> None:
    body = a_body(a_track("\ud800"), a_track("good", properties={"é": "ü"}))
    judged = judge(body)
    assert judged.good_count == 1
    assert [refused.verdict.index for refused in judged.refused] == [0]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"\xff", b"null", b'{"events":[]}', b'{"sent_at":"2026-03-02T12:00:00Z"}',
        b'{"sent_at":"yesterday","events":[]}', b'{"sent_at":"0001-01-01T00:00:00Z","events":[]}',
        b'{"sent_at":"2026-03-02T12:00:00Z","events":{}}',
        b'{"sent_at":"2026-03-02T12:00:00Z","events":[NaN]}',
        b'{"sent_at":"2026-03-02T12:00:00Z","events":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        a_body(*[a_track()] * 1_001), a_body(a_track(properties={"long": "x" * 1_000_000})),
    ],
)  # fmt: skip
def test_a_body_without_a_batch_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        judge(body)


@given(st.lists(JSON, max_size=5))
def test_any_json_gets_a_verdict(events: list[object]) -> None:
    body = json.dumps({"sent_at": NOON.isoformat(), "events": events}).encode()
    judged = judge(body)
    assert judged.good_count + len(judged.refused) == len(events)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict_or_are_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        judge(body)
