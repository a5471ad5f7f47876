"""Asking a Prometheus: one value or a named fault, over a real connection, and nowhere else than allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from math import isnan
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from metrics_server import Metrics, a_metrics_server
from people import NOW

from equipoise_server.sources.connection_rules import connection_problems
from equipoise_server.sources.prometheus import LARGEST_ANSWER, Asked, AskFault, NotAnswered, ask
from equipoise_server.sources.values import Connection, ConnectionKind

UP = Asked("up", NOW)


@pytest.fixture
def metrics(settings: pytest.FixtureRequest) -> Iterator[Metrics]:
    settings.SOURCE_HOSTS = ("127.0.0.1", "localhost", "metrics.example.com", "[::1]")
    settings.PROMETHEUS_SECONDS = 2.0
    with a_metrics_server() as server:
        yield server


def connection_to(location: str, password_from: str = "") -> Connection:
    return Connection(uuid4(), uuid4(), "prom", ConnectionKind.PROMETHEUS, location, password_from)


def fault_of(connection: Connection, asked: Asked = UP, **more: object) -> tuple[AskFault, str]:
    with pytest.raises(NotAnswered) as refused:
        ask(connection, asked, **more)  # type: ignore[arg-type]  # a resolver, in two tests
    return refused.value.fault, refused.value.told


def test_an_instant_query_yields_its_series(metrics: Metrics) -> None:
    metrics.says({"grey": 0.01, "green": "0.5"})
    found = ask(connection_to(f"{metrics.url}/prometheus/"), UP)
    assert [(dict(one.labels), one.values) for one in found] == [
        ({"variant": "grey"}, (0.01,)), ({"variant": "green"}, (0.5,)),
    ]  # fmt: skip
    asked = metrics.asked[0]
    assert (asked["path"], asked["query"]) == ("/prometheus/api/v1/query", "up")
    assert (asked["time"], asked["timeout"]) == (f"{NOW.timestamp():.3f}", "2s")
    assert asked["@host"] == urlsplit(metrics.url).netloc


def test_a_query_over_a_window_yields_its_points(metrics: Metrics) -> None:
    series = {"metric": {}, "values": [[0, "1"], [10, "NaN"], [20, "+Inf"]]}
    metrics.tells({"resultType": "matrix", "result": [series]})
    (found,) = ask(connection_to(metrics.url), Asked("up", NOW, timedelta(minutes=10)))
    assert found.values[0] == 1.0
    assert isnan(found.values[1])
    assert found.values[2] == float("inf")
    asked = metrics.asked[0]
    assert asked["path"] == "/api/v1/query_range"
    assert (float(asked["end"]) - float(asked["start"]), asked["step"]) == (600.0, "20.000")


def test_a_scalar_is_a_series_without_labels(metrics: Metrics) -> None:
    metrics.tells({"resultType": "scalar", "result": [0, "3.5"]})
    (found,) = ask(connection_to(metrics.url), UP)
    assert (dict(found.labels), found.values) == ({}, (3.5,))


@pytest.mark.parametrize(
    ("location", "authorization"),
    [("http://127.0.0.1:{port}", "Bearer s3cret"), ("http://ann@127.0.0.1:{port}", "Basic YW5uOnMzY3JldA==")],
)
def test_a_secret_goes_as_a_bearer_or_with_a_user(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, location: str, authorization: str
) -> None:
    monkeypatch.setenv("EQUIPOISE_SOURCE_PROM", "s3cret")
    ask(connection_to(location.format(port=metrics.port), "env:EQUIPOISE_SOURCE_PROM"), UP)
    assert metrics.asked[0]["@authorization"] == authorization


def test_a_secret_that_is_not_there_is_named_and_nothing_is_asked(metrics: Metrics) -> None:
    fault, told = fault_of(connection_to(metrics.url, "env:EQUIPOISE_SOURCE_NOWHERE"))
    assert fault is AskFault.NO_CREDENTIAL
    assert "EQUIPOISE_SOURCE_NOWHERE" in told
    assert metrics.asked == []


def test_a_secret_that_no_header_may_have_is_not_sent(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_SOURCE_PROM", "s3cret\r\nX-More: 1")
    fault, told = fault_of(connection_to(metrics.url, "env:EQUIPOISE_SOURCE_PROM"))
    assert (fault, "s3cret" in told, metrics.asked) == (AskFault.NO_CREDENTIAL, False, [])


def test_what_prometheus_says_about_a_bad_query_is_shown_on_one_short_line(metrics: Metrics) -> None:
    long = (
        b'{"status": "error", "errorType": "bad_data", "error": "1:5: parse\\u0000 error\\n<b>' + b"x" * 900
    )
    metrics.answer(400, long + b'"}')
    fault, told = fault_of(connection_to(metrics.url))
    assert fault is AskFault.BAD_QUERY
    assert told.startswith("Prometheus does not take the query: 1:5: parse error <b>xxx")
    assert told.isprintable()
    assert len(told) < 350


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b"", AskFault.REFUSED),
        (403, b"", AskFault.REFUSED),
        (422, b'{"status": "error", "error": "too many points"}', AskFault.BAD_QUERY),
        (400, b"<html>", AskFault.BAD_QUERY),
        (200, b"<html>", AskFault.NOT_PROMETHEUS),
        (200, b'{"status": "success"}', AskFault.NOT_PROMETHEUS),
        (200, b"[" * 100_000, AskFault.NOT_PROMETHEUS),
        (502, b"", AskFault.NOT_PROMETHEUS),
        (503, b"", AskFault.NOT_PROMETHEUS),
        (503, b'{"status": "error", "errorType": "timeout", "error": "timed out"}', AskFault.TIMED_OUT),
        (200, b" " * (LARGEST_ANSWER + 1), AskFault.TOO_LARGE),
    ],
)  # fmt: skip
def test_each_strange_answer_has_a_name(metrics: Metrics, status: int, body: bytes, fault: AskFault) -> None:
    metrics.answer(status, body)
    found, told = fault_of(connection_to(metrics.url))
    assert found is fault
    assert told


@pytest.mark.parametrize(
    "data",
    [
        {"resultType": "string", "result": [0, "a"]},
        {"resultType": "vector", "result": [{}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [0, "x"]}]},
        {"resultType": "vector", "result": [{"metric": [], "value": [0, "1"]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": [1]}]},
        {"resultType": "matrix", "result": [{"metric": {}, "values": 7}]},
        {"resultType": "vector", "result": {}},
        [],
    ],
)
def test_data_that_prometheus_never_sends_are_none_of_its(metrics: Metrics, data: object) -> None:
    metrics.tells(data)
    assert fault_of(connection_to(metrics.url))[0] is AskFault.NOT_PROMETHEUS


def test_a_redirect_is_not_followed(metrics: Metrics) -> None:
    metrics.answer(302, b"", Location=f"{metrics.url}/elsewhere")
    assert fault_of(connection_to(metrics.url))[0] is AskFault.NOT_PROMETHEUS
    assert len(metrics.asked) == 1


def test_a_packed_answer_is_not_unpacked(metrics: Metrics) -> None:
    metrics.answer(200, b"\x1f\x8b\x08", Content_Encoding="gzip")
    assert fault_of(connection_to(metrics.url))[0] is AskFault.NOT_PROMETHEUS
    assert metrics.asked[0]["@accept-encoding"] == "identity"


def test_who_does_not_listen_is_unreachable(metrics: Metrics) -> None:
    with a_metrics_server() as gone:
        location = gone.url
    fault, told = fault_of(connection_to(location))
    assert fault is AskFault.UNREACHABLE
    assert urlsplit(location).netloc in told


def test_who_accepts_and_says_nothing_is_late(settings: pytest.FixtureRequest, metrics: Metrics) -> None:
    import socket  # noqa: PLC0415  # a listener that no other test needs

    settings.PROMETHEUS_SECONDS = 0.1
    with socket.create_server(("127.0.0.1", 0)) as silent:
        fault, told = fault_of(connection_to(f"http://127.0.0.1:{silent.getsockname()[1]}"))
    assert fault is AskFault.TIMED_OUT
    assert "EQUIPOISE_PROMETHEUS_SECONDS" in told


@pytest.mark.parametrize(
    "machine", ["169.254.169.254", "fe80::1%eth0", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1"]
)  # fmt: skip
def test_a_name_that_leads_to_a_clouds_metadata_is_not_followed(metrics: Metrics, machine: str) -> None:
    place = connection_to(f"http://metrics.example.com:{metrics.port}")
    fault, told = fault_of(place, look_up=lambda _host, _port: [machine])
    assert fault is AskFault.NOT_ALLOWED
    assert "metrics.example.com" in told
    assert metrics.asked == []


def test_the_machine_that_was_looked_at_is_asked_under_the_name_that_was_allowed(metrics: Metrics) -> None:
    metrics.says({"": 1}, label="")
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])
    place = connection_to(f"http://metrics.example.com:{metrics.port}")
    ask(place, UP, look_up=lambda _host, _port: next(answers))
    assert metrics.asked[0]["@host"] == f"metrics.example.com:{metrics.port}"
    assert len(list(answers)) == 1


def test_an_unknown_name_is_unreachable(metrics: Metrics) -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    assert fault_of(connection_to(metrics.url), look_up=unknown)[0] is AskFault.UNREACHABLE


def test_a_host_that_is_not_allowed_any_more_is_not_asked(
    metrics: Metrics, settings: pytest.FixtureRequest
) -> None:
    settings.SOURCE_HOSTS = ()
    fault, told = fault_of(connection_to(metrics.url))
    assert (fault, metrics.asked) == (AskFault.NOT_ALLOWED, [])
    assert "EQUIPOISE_SOURCE_HOSTS" in told


def test_an_archived_connection_and_one_of_another_kind_are_not_asked(metrics: Metrics) -> None:
    place = connection_to(metrics.url)
    assert fault_of(replace(place, archived_at=NOW))[0] is AskFault.NOT_ALLOWED
    assert fault_of(replace(place, kind=ConnectionKind.FILES))[0] is AskFault.NOT_ALLOWED


@pytest.mark.parametrize(
    ("location", "password_from", "fields"),
    [
        ("https://metrics.example.com", "", []),
        ("https://metrics.example.com/prometheus", "env:EQUIPOISE_SOURCE_X", []),
        ("http://localhost:9090", "file:prometheus", []),
        ("http://[::1]:9090", "", ["location"]),
        ("ftp://metrics.example.com", "", ["location"]),
        ("metrics.example.com", "", ["location"]),
        ("http://metrics.example.com:0", "", ["location"]),
        ("http://metrics.example.com:99999", "", ["location"]),
        ("http://[::1", "", ["location"]),
        ("https://metrics.example.com/a b", "", ["location"]),
        ("https://metrics.example.com?x=1#y", "", ["location"]),
        ("https://metrics.example.com/api/v1", "", ["location"]),
        ("https://other.example.com", "", ["location"]),
        ("https://ann:pass@metrics.example.com", "env:EQUIPOISE_SOURCE_X", ["location"]),
        ("https://ann@metrics.example.com", "", ["password_from"]),
        ("http://metrics.example.com", "env:EQUIPOISE_SOURCE_X", ["password_from"]),
        ("https://metrics.example.com", "s3cret", ["password_from"]),
        ("https://metrics.example.com", "env:DATABASE_URL", ["password_from"]),
        ("http://169.254.169.254/latest", "", ["location"]),
    ],
)
@pytest.mark.usefixtures("metrics")
def test_each_fault_of_an_address_names_its_field(
    location: str, password_from: str, fields: list[str]
) -> None:
    found = connection_problems(ConnectionKind.PROMETHEUS, location, password_from)
    assert [problem.field for problem in found] == fields
