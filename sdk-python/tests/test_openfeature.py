"""The provider under the real OpenFeature SDK: values, reasons, metadata, exposures, tracks and events."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from connecting import Connect
from flag_server import FlagServer, Json, document, kill_event
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationOptions, Reason
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.track import TrackingEventDetails
from small_worlds import clustered, hashed, held_out
from test_previews import KEY, NOON, token
from test_streams import until

from equipoise_sdk import InMemoryClient, Outside, Source, in_memory
from equipoise_sdk.openfeature import EquipoiseProvider, ExposureHook

U1 = EvaluationContext("u1", {"country": "DE"})


def world() -> Json:
    content = document()
    content["flags"] |= {
        "whole": {"type": "number", "variants": {"a": 3}, "off": "a", "default": "a"},
        "integral": {"type": "number", "variants": {"a": 3.0}, "off": "a", "default": "a"},
        "killed": {"type": "string", "variants": {"a": "off"}, "off": "a", "default": "a", "killed": True},
        "zero": {"type": "number", "variants": {"a": 0}, "off": "a", "default": "a"},
        "empty": {"type": "string", "variants": {"a": ""}, "off": "a", "default": "a"},
        "list": {"type": "object", "variants": {"a": [1, 2]}, "off": "a", "default": "a"},
        "faulty": {"type": "string", "variants": {"a": "kept"}, "off": "a", "default": "a", "odd": 1},
        "german": {
            "type": "boolean",
            "variants": {"on": True, "off": False},
            "off": "off",
            "default": "off",
            "rules": [
                {
                    "id": "r1",
                    "eligibility": {"attribute": "country", "operator": "equals", "value": "DE"},
                    "serve": "on",
                }
            ],
        },
        "lately": {
            "type": "boolean",
            "variants": {"on": True, "off": False},
            "off": "off",
            "default": "off",
            "rules": [
                {
                    "id": "r1",
                    "eligibility": {"attribute": "joined", "operator": "after", "value": "2026-01-01"},
                    "serve": "on",
                }
            ],
        },
    }
    return hashed({**content, "preview_key": KEY})


@pytest.fixture(autouse=True)
def cleared() -> Iterator[None]:
    yield
    api.shutdown()
    api.clear_providers()


@pytest.fixture
def ours() -> InMemoryClient:
    return in_memory(world(), outside=Outside(now=lambda: NOON))


@pytest.fixture
def theirs(ours: InMemoryClient) -> OpenFeatureClient:
    api.set_provider_and_wait(EquipoiseProvider(ours))
    return api.get_client()


RIGHT: list[tuple[str, str, Any, Any, str, Reason]] = [
    ("boolean", "button", False, None, "", Reason.SPLIT),
    ("boolean", "german", False, True, "on", Reason.TARGETING_MATCH),
    ("string", "colour", "x", "grey", "a", Reason.STATIC),
    ("string", "killed", "x", "off", "a", Reason.DISABLED),
    ("string", "empty", "x", "", "a", Reason.STATIC),
    ("string", "faulty", "x", "kept", "a", Reason.ERROR),
    ("integer", "whole", 9, 3, "a", Reason.STATIC),
    ("integer", "integral", 9, 3, "a", Reason.STATIC),
    ("integer", "zero", 9, 0, "a", Reason.STATIC),
    ("float", "whole", 9.0, 3.0, "a", Reason.STATIC),
    ("float", "integral", 9.0, 3.0, "a", Reason.STATIC),
    ("float", "number", 9.0, 2.5, "a", Reason.STATIC),
    ("object", "theme", {}, {"x": [1]}, "a", Reason.STATIC),
    ("object", "list", [], [1, 2], "a", Reason.STATIC),
]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("case", RIGHT, ids=[case[1] for case in RIGHT])
def test_every_type_gives_its_value_variant_and_reason(
    theirs: OpenFeatureClient, case: tuple[str, str, Any, Any, str, Reason], is_async: bool
) -> None:
    kind, key, default, value, variant, reason = case
    if is_async:
        asked = getattr(theirs, f"get_{kind}_details_async")
        details = asyncio.run(asked(key, default, U1))
    else:
        details = getattr(theirs, f"get_{kind}_details")(key, default, U1)
    assert (details.error_code, details.reason) == (None, reason)
    if key != "button":
        assert (details.value, type(details.value), details.variant) == (value, type(value), variant)


WRONG: list[tuple[str, str, Any, ErrorCode]] = [
    ("boolean", "nothing", True, ErrorCode.FLAG_NOT_FOUND),
    ("boolean", "colour", True, ErrorCode.TYPE_MISMATCH),
    ("string", "button", "x", ErrorCode.TYPE_MISMATCH),
    ("integer", "number", 9, ErrorCode.TYPE_MISMATCH),
    ("object", "colour", {"x": 1}, ErrorCode.TYPE_MISMATCH),
]


@pytest.mark.parametrize("case", WRONG, ids=[f"{case[0]} {case[1]}" for case in WRONG])
def test_what_cannot_be_decided_gives_the_default_and_says_why(
    theirs: OpenFeatureClient, ours: InMemoryClient, case: tuple[str, str, Any, ErrorCode]
) -> None:
    kind, key, default, code = case
    details = getattr(theirs, f"get_{kind}_details")(key, default, U1)
    assert (details.value, details.error_code, details.reason) == (default, code, Reason.ERROR)
    assert ours.recorded == ()


def test_metadata_say_what_analysis_needs(theirs: OpenFeatureClient) -> None:
    told = theirs.get_boolean_details("button", False, U1).flag_metadata
    assert {
        "contextId": "u1",
        "flagSetId": "shop/test",
        "version": "1.1",
        "experiment.key": "trial",
        "experiment.iteration": 1,
        "experiment.unit": "u1",
        "experiment.unit_type": "user",
        "experiment.layer": "own",
        "experiment.active": True,
    }.items() <= dict(told).items()
    assert told["experiment.arm"] in {"control", "treatment"}
    assert all(isinstance(value, bool | int | float | str) for value in told.values())


def test_a_value_that_is_served_is_exposed_once(theirs: OpenFeatureClient, ours: InMemoryClient) -> None:
    for _ in range(3):
        details = theirs.get_boolean_details("button", False, U1)
    (event,) = ours.recorded
    assert (event["experiment"], event["variant"], event["unit"]) == (
        "trial",
        details.flag_metadata["experiment.arm"],
        "u1",
    )
    theirs.get_string_value("colour", "", U1)
    assert len(ours.recorded) == 1


def test_a_call_may_opt_out_of_its_exposure(theirs: OpenFeatureClient, ours: InMemoryClient) -> None:
    quietly = FlagEvaluationOptions(hook_hints={"exposure": False})
    theirs.get_boolean_value("button", False, U1, quietly)
    assert ours.recorded == ()


def test_exposures_may_be_left_to_call_sites(ours: InMemoryClient) -> None:
    api.set_provider_and_wait(EquipoiseProvider(ours, exposures=False))
    client = api.get_client()
    client.get_boolean_value("button", False, U1)
    assert ours.recorded == ()
    client.get_boolean_value("button", False, U1, FlagEvaluationOptions(hooks=[ExposureHook()]))
    assert [event["experiment"] for event in ours.recorded] == ["trial"]


class _Failing(Hook):
    def after(self, **_given: object) -> None:  # type: ignore[override]  # by name
        raise ValueError


def test_a_value_that_another_hook_spoilt_is_not_exposed(
    theirs: OpenFeatureClient, ours: InMemoryClient
) -> None:
    options = FlagEvaluationOptions(hooks=[_Failing()])
    assert theirs.get_boolean_details("button", True, U1, options).error_code is ErrorCode.GENERAL
    assert ours.recorded == ()


def test_the_hook_is_harmless_beside_another_provider() -> None:
    api.set_provider_and_wait(InMemoryProvider({"button": InMemoryFlag("on", {"on": True})}))
    options = FlagEvaluationOptions(hooks=[ExposureHook()])
    assert api.get_client().get_boolean_value("button", False, U1, options) is True


def test_holdouts_are_exposed_too() -> None:
    ours = in_memory(held_out(1_000_000))
    api.set_provider_and_wait(EquipoiseProvider(ours))
    api.get_client().get_boolean_value("button", False, U1)
    assert [(event["experiment"], event["variant"]) for event in ours.recorded] == [("winter", "holdout")]


def test_an_attribute_named_as_a_unit_type_is_that_unit() -> None:
    ours = in_memory(clustered())
    api.set_provider_and_wait(EquipoiseProvider(ours))
    client = api.get_client()
    client.get_boolean_value("button", False, U1)
    assert ours.recorded == ()
    client.get_boolean_value("button", False, EvaluationContext("u1", {"city": "berlin"}))
    assert [(event["unit"], event["cluster"]) for event in ours.recorded] == [("u1", "berlin")]


@pytest.mark.parametrize(
    ("joined", "value"),
    [
        (datetime(2026, 2, 1, tzinfo=UTC), True),
        (datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2))), False),
        (datetime(2026, 2, 1), False),  # noqa: DTZ001 - no instant: the clause is false
        ("2026-02-01", True),
    ],
)
def test_times_are_instants(theirs: OpenFeatureClient, joined: Any, value: bool) -> None:
    context = EvaluationContext("u1", {"joined": joined})
    assert theirs.get_boolean_value("lately", not value, context) is value


def test_overrides_come_from_a_signed_token_alone(theirs: OpenFeatureClient, ours: InMemoryClient) -> None:
    served = theirs.get_boolean_details("button", False, U1)
    other = "off" if served.variant == "on" else "on"
    for attributes in (
        {"overrides": {"button": other}},
        {"clusters": {"trial:1": "x"}},
        {"equipoisePreview": {"button": other}},
        {"equipoisePreview": token(key="cd" * 32, overrides={"button": other})},
    ):
        context = EvaluationContext("u1", attributes)
        assert theirs.get_boolean_details("button", False, context).variant == served.variant
    asked = EvaluationContext("u2", {"equipoisePreview": token(overrides={"button": other})})
    assert theirs.get_boolean_details("button", False, asked).variant == other
    assert [event["unit"] for event in ours.recorded] == ["u1"]


def test_a_track_carries_value_properties_and_units(theirs: OpenFeatureClient, ours: InMemoryClient) -> None:
    theirs.track("purchase", U1, TrackingEventDetails(12.5, {"currency": "EUR"}))
    theirs.track("seen", U1)
    first, second = ours.recorded
    assert (first["name"], first["value"], first["properties"]) == ("purchase", 12.5, {"currency": "EUR"})
    assert (second["name"], second["units"]) == ("seen", {"user": "u1"})
    assert "value" not in second


def test_an_exposure_may_be_tracked(theirs: OpenFeatureClient, ours: InMemoryClient) -> None:
    quietly = FlagEvaluationOptions(hook_hints={"exposure": False})
    variant = theirs.get_boolean_details("button", False, U1, quietly).variant or ""
    met: dict[str, Any] = {"flagKey": "button", "variant": "another"}
    theirs.track("feature_flag.exposure", U1, TrackingEventDetails(None, met))
    theirs.track("feature_flag.exposure", None, TrackingEventDetails(None, {}))
    assert ours.recorded == ()
    met["variant"] = variant
    theirs.track("feature_flag.exposure", U1, TrackingEventDetails(None, met))
    assert [event["kind"] for event in ours.recorded] == ["exposure"]


def test_without_a_context_the_default_of_the_flag_is_served(theirs: OpenFeatureClient) -> None:
    assert theirs.get_boolean_value("button", True) is False
    theirs.track("purchase")


@pytest.fixture
def heard() -> list[tuple[ProviderEvent, EventDetails]]:
    return []


@pytest.fixture
def listening(heard: list[tuple[ProviderEvent, EventDetails]]) -> Iterator[None]:
    handlers: list[tuple[ProviderEvent, Callable[[EventDetails], None]]] = []
    for event in ProviderEvent:

        def hear(details: EventDetails, event: ProviderEvent = event) -> None:
            if details.provider_name == "equipoise":
                heard.append((event, details))

        handlers.append((event, hear))
        api.add_handler(event, hear)
    yield
    for event, handler in handlers:
        api.remove_handler(event, handler)


def kinds(heard: list[tuple[ProviderEvent, EventDetails]]) -> dict[str, int]:
    """Count them: handlers run beside each other, in no order."""
    return Counter(event.value.removeprefix("PROVIDER_") for event, _ in heard)


@pytest.mark.usefixtures("listening")
def test_a_change_tells_its_flags(
    server: FlagServer, connect: Connect, heard: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    api.set_provider_and_wait(EquipoiseProvider(connect()))
    server.content = document(revision=2, value="blue")
    until(lambda: kinds(heard) == {"READY": 1, "CONFIGURATION_CHANGED": 1})
    assert ["colour"] in [details.flags_changed for _, details in heard]
    assert api.get_client().get_string_value("colour", "code") == "blue"


@pytest.mark.usefixtures("listening")
def test_a_kill_is_a_change(
    server: FlagServer, connect: Connect, heard: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    server.stream = server.follow
    ours = connect(streaming=True, poll_interval_seconds=3600)
    api.set_provider_and_wait(EquipoiseProvider(ours))
    until(lambda: ours.status.source is Source.STREAM)
    server.fault = lambda handler: handler.answer(503)
    server.tell(kill_event("flag", "button", 2))
    until(lambda: "CONFIGURATION_CHANGED" in kinds(heard))
    assert api.get_client().get_boolean_details("button", True, U1).reason is Reason.DISABLED


@pytest.mark.usefixtures("listening")
def test_a_server_that_is_away_makes_the_provider_stale_and_back(
    server: FlagServer, connect: Connect, heard: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    api.set_provider_and_wait(EquipoiseProvider(connect()))
    client = api.get_client()
    server.fault = lambda handler: handler.answer(503)
    until(lambda: client.get_provider_status() is ProviderStatus.STALE)
    assert client.get_string_value("colour", "code") == "grey"
    server.fault = None
    until(lambda: client.get_provider_status() is ProviderStatus.READY)
    until(lambda: kinds(heard) == {"READY": 2, "STALE": 1})


@pytest.mark.usefixtures("listening")
def test_a_start_without_a_server_serves_defaults_and_is_ready_later(
    server: FlagServer, connect: Connect, heard: list[tuple[ProviderEvent, EventDetails]]
) -> None:
    server.fault = lambda handler: handler.answer(503)
    api.set_provider(EquipoiseProvider(connect()))
    client = api.get_client()
    until(lambda: client.get_provider_status() is ProviderStatus.ERROR)
    details = client.get_string_details("colour", "code")
    assert (details.value, details.error_code) == ("code", ErrorCode.PROVIDER_NOT_READY)
    server.fault = None
    until(lambda: client.get_provider_status() is ProviderStatus.READY)
    assert client.get_string_value("colour", "code") == "grey"
    until(lambda: kinds(heard) == {"ERROR": 1, "READY": 1, "CONFIGURATION_CHANGED": 1})


@pytest.mark.usefixtures("listening")
def test_a_start_from_disk_is_told_to_be_stale(
    server: FlagServer, connect: Connect, heard: list[tuple[ProviderEvent, EventDetails]], tmp_path: Any
) -> None:
    connect(cache_directory=tmp_path).close()
    server.fault = lambda handler: handler.answer(503)
    api.set_provider_and_wait(EquipoiseProvider(connect(cache_directory=tmp_path)))
    until(lambda: kinds(heard) == {"READY": 1, "STALE": 1})


def test_a_provider_that_is_shut_down_sends_its_events_and_leaves_the_client_open(
    server: FlagServer, connect: Connect
) -> None:
    ours = connect()
    api.set_provider_and_wait(EquipoiseProvider(ours))
    api.get_client().track("purchase", U1)
    api.shutdown()
    assert [event["name"] for event in server.events] == ["purchase"]
    assert ours.string("colour", "code", {}) == "grey"
