"""OFREP: the bodies that clients insist on, and what a real OpenFeature client makes of them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from asking import ask
from ofrep_scene import CLIENT, SERVER, STANDARD_REASONS, USER, Scene, a_document
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import FlagNotFoundError, InvalidContextError, TypeMismatchError
from openfeature.flag_evaluation import Reason
from people import NOW
from scenes import a_shop
from streaming import Reader, opened

from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.flags.actions import CreateFlag, create_flag
from equipoise_server.flags.reads import decimal_flags
from equipoise_server.flags.values import FlagType, FlagVariant


def test_a_flag_is_answered_with_value_variant_reason_and_flat_metadata() -> None:
    answer = Scene().ask("/text")
    content: Any = answer.json()
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (content["key"], content["value"], content["variant"]) == ("text", "hello 1", "a")
    assert content["reason"] == "STATIC"
    assert content["metadata"]["version"] == "1.1"


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("whole", '"value":3,'),
        ("price", '"value":2.5,'),
        ("decimal", '"value":1.0,'),
        ("bool", '"value":true,'),
    ],
)
def test_numbers_are_written_as_they_were_declared(flag: str, text: str) -> None:
    assert text in Scene().ask(f"/{flag}").body.decode()


def test_every_answer_is_one_that_strict_clients_take() -> None:
    content: Any = Scene().ask().json()
    assert {flag["key"] for flag in content["flags"]} == set(a_document(1)["flags"])  # type: ignore[call-overload]  # an object there
    for flag in content["flags"]:
        assert flag["reason"] in STANDARD_REASONS
        assert isinstance(flag["variant"], str)
        assert flag["value"] is not None
        assert all(isinstance(value, bool | str | int | float) for value in flag["metadata"].values())


def test_a_killed_flag_serves_its_off_variant() -> None:
    content = Scene().ask("/killed").json()
    assert (content["reason"], content["value"], content["variant"]) == ("DISABLED", False, "a")


def test_a_faulty_flag_serves_its_default_with_the_reason_error() -> None:
    answer = Scene().ask("/faulty")
    content = answer.json()
    assert (answer.status, content["reason"], content["value"]) == (200, "ERROR", "safe")


def test_a_split_carries_what_an_exposure_needs() -> None:
    content: Any = Scene().ask("/button").json()
    assert content["reason"] == "SPLIT"
    assert content["metadata"]["experiment.key"] == "trial"
    assert content["metadata"]["experiment.active"] is True


def test_without_a_targeting_key_a_split_passes_over_and_says_so() -> None:
    answer = Scene().ask("/button", {})
    content: Any = answer.json()
    assert (answer.status, content["value"], content["reason"]) == (200, False, "DEFAULT")
    assert content["metadata"]["skipped"] == "unit_missing"


def test_members_of_the_context_are_attributes_and_units_of_their_type() -> None:
    scene = Scene()
    assert scene.ask("/german", {"context": {"country": "DE"}}).json()["reason"] == "TARGETING_MATCH"
    assert scene.ask("/plan", {"context": {"account": "acme"}}).json()["value"] == "b"


BAD_BODIES: list[tuple[object, str]] = [
    (b"{", "PARSE_ERROR"),
    (b"\xff", "PARSE_ERROR"),
    (b"[" * 100_000, "PARSE_ERROR"),
    (b'{"context":{"x":NaN}}', "PARSE_ERROR"),
    ([], "PARSE_ERROR"),
    ({"context": []}, "INVALID_CONTEXT"),
    ({"context": {"targetingKey": 7}}, "INVALID_CONTEXT"),
]


@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
def test_a_bad_body_is_told_in_the_words_of_the_protocol(body: object, code: str) -> None:
    scene = Scene()
    one, every = scene.ask("/bool", body), scene.ask("", body)
    assert (one.status, one.json()["key"], one.json()["errorCode"]) == (400, "bool", code)
    assert (every.status, every.json()["errorCode"]) == (400, code)
    assert "key" not in every.json()
    assert one.json()["errorDetails"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"context":null}'])
def test_no_context_is_an_empty_one(body: bytes) -> None:
    assert Scene().ask("/bool", body).status == 200


@pytest.mark.parametrize("flag", ["nothing", "a/b c"])
def test_an_unknown_flag_is_not_found_by_its_key(flag: str) -> None:
    answer = Scene().ask(f"/{flag}")
    content = answer.json()
    assert (answer.status, content["key"], content["errorCode"]) == (404, flag, "FLAG_NOT_FOUND")
    assert content["errorDetails"]


def test_all_flags_come_with_an_etag_of_the_answer() -> None:
    scene = Scene()
    first, same = scene.ask(), scene.ask()
    other = scene.ask("", {"context": {**USER, "country": "DE"}})
    assert first.headers["etag"] == same.headers["etag"] != other.headers["etag"]
    unchanged = scene.ask("", if_none_match=first.headers["etag"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    scene.show(2)
    assert scene.ask("", if_none_match=first.headers["etag"]).status == 200


@pytest.mark.parametrize("secret", [SERVER, CLIENT])
def test_both_kinds_of_keys_open_it_in_both_headers(secret: str) -> None:
    scene = Scene()
    assert scene.ask("/bool", authorization=f"Bearer {secret}").status == 200
    assert scene.ask("/bool", x_api_key=secret).status == 200


def test_a_wrong_key_is_refused_in_a_way_that_pages_can_read() -> None:
    answer = Scene().ask("/bool", x_api_key="eq_client_bb_9")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "*")


def test_pages_of_any_origin_may_ask() -> None:
    scene = Scene()
    asked = ask(scene.app, "OPTIONS", "/ofrep/v1/evaluate/flags")
    assert asked.status == 204
    for name in ("Content-Type", "Authorization", "X-API-Key", "If-None-Match"):
        assert name in asked.headers["access-control-allow-headers"]
    assert scene.ask().headers["access-control-expose-headers"] == "ETag, Retry-After"


def test_the_stream_in_the_answer_opens_without_a_header_and_tells_to_ask_again() -> None:
    scene = Scene()
    content: Any = scene.ask().json()
    (stream,) = content["eventStreams"]
    address = urlsplit(stream["url"])
    assert (stream["type"], address.scheme, address.netloc) == ("sse", "http", "flags.example.org")

    async def plot() -> Reader:
        async with scene.broadcaster:
            reader = opened(scene.app, address.path, {}, query=address.query)
            await reader.until(lambda: len(reader.events) == 1)
            scene.show(2)
            await reader.until(lambda: len(reader.events) == 2)
            reader.leave()
            await reader.ended()
        return reader

    reader = asyncio.run(plot())
    name, data = reader.events[1]
    assert (name, data["type"]) == ("message", "refetchEvaluation")
    assert reader.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("query", ["", "token=eq_client_bb", "token=eq_client_bb%3Aforged", "token=%FF"])
def test_a_forged_token_opens_no_stream(query: str) -> None:
    async def plot() -> Reader:
        reader = opened(Scene().app, "/ofrep/v1/stream", {}, query=query)
        await reader.ended()
        return reader

    assert asyncio.run(plot()).status == 401


@pytest.mark.django_db
def test_a_number_is_decimal_when_a_value_was_declared_so() -> None:
    shop = a_shop()
    for key, values in {"decimal": (1.0, 2.0), "whole": (1, 2), "mixed": (1, 2.5)}.items():
        variants = (FlagVariant("a", values[0]), FlagVariant("b", values[1]))
        create_flag(
            shop.owner, CreateFlag(shop.project.id, key, key, FlagType.NUMBER, variants, "a", "b"), now=NOW
        )
    environment = shop.project.environment("production")
    assert environment is not None
    assert decimal_flags(environment.id) == {"decimal", "mixed"}
    state = EdgeState()
    refresh(state)
    assert state.view is not None
    assert state.view.snapshots[environment.id].decimal_flags == {"decimal", "mixed"}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Scene, str]]:
    """The doors behind a real web server."""
    scene = Scene()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(scene.app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield scene, f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def provider(served: tuple[Scene, str]) -> Iterator[OFREPProvider]:
    """OpenFeature's own client of the protocol."""
    made = OFREPProvider(served[1], headers_factory=lambda: {"X-API-Key": CLIENT})
    with closing(made.session):
        yield made


CONTEXT = EvaluationContext("u-1", {"country": "DE"})


def test_the_real_client_gets_every_type_right(provider: OFREPProvider) -> None:
    assert provider.resolve_boolean_details("bool", False, CONTEXT).value is True
    assert provider.resolve_string_details("text", "", CONTEXT).value == "hello 1"
    assert provider.resolve_integer_details("whole", 0, CONTEXT).value == 3
    assert provider.resolve_float_details("price", 0.0, CONTEXT).value == 2.5
    assert provider.resolve_float_details("decimal", 0.0, CONTEXT).value == 1.0
    assert provider.resolve_object_details("object", {}, CONTEXT).value == {"x": [1, 2.5]}


def test_the_real_client_gets_reasons_variants_and_metadata(provider: OFREPProvider) -> None:
    found = provider.resolve_boolean_details("button", False, CONTEXT)
    assert (found.reason, found.flag_metadata["experiment.key"]) == (Reason.SPLIT, "trial")
    assert found.variant in {"on", "off"}
    killed = provider.resolve_boolean_details("killed", True, CONTEXT)
    assert (killed.value, killed.reason, killed.variant) == (False, Reason.DISABLED, "a")
    assert provider.resolve_boolean_details("german", False, CONTEXT).reason is Reason.TARGETING_MATCH
    assert provider.resolve_boolean_details("bool", False, None).reason is Reason.STATIC


def test_the_real_client_understands_what_went_wrong(provider: OFREPProvider) -> None:
    with pytest.raises(FlagNotFoundError):
        provider.resolve_boolean_details("nothing", False, CONTEXT)
    with pytest.raises(TypeMismatchError):
        provider.resolve_string_details("bool", "", CONTEXT)
    with pytest.raises(InvalidContextError):
        provider.resolve_boolean_details("bool", False, EvaluationContext(None, {"targetingKey": 7}))


def test_the_real_client_sees_a_change(served: tuple[Scene, str], provider: OFREPProvider) -> None:
    scene, _ = served
    scene.show(2)
    assert provider.resolve_string_details("text", "", CONTEXT).value == "hello 2"
    scene.show(1)
    assert provider.resolve_string_details("text", "", CONTEXT).value == "hello 1"
