"""Exposures from client keys: what the server vouched for counts, what nobody vouched for does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asking import Answer, ask
from people import NOW
from scenes import Shop, a_metric, a_running_experiment, a_shop, environment_of
from starlette.routing import Route
from starlette.types import ASGIApp
from wire import a_body, a_track

from equipoise_server.access.actions import (
    IssueSdkKey,
    RotateTokenKey,
    SetExposureTokens,
    issue_sdk_key,
    rotate_token_key,
    set_exposure_tokens,
)
from equipoise_server.access.values import KeyKind
from equipoise_server.analysis.actions import refresh as refresh_report
from equipoise_server.analysis.values import SrmState
from equipoise_server.edge import ofrep, segment
from equipoise_server.edge.admission import Admission
from equipoise_server.edge.app import build
from equipoise_server.edge.broadcaster import Broadcaster
from equipoise_server.edge.events import EventsDoor
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.edge.streams import Streams
from equipoise_server.events import actions, reads, replaying
from equipoise_server.events.actions import Inbox, ReplayEvents
from equipoise_server.events.values import Repair, RepairKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.foundation.exposure_tokens import TokenRule
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
FORGED = 20


@dataclass(slots=True)
class Web:
    """A page of the shop, and who forges what pages send: both have the client key."""

    shop: Shop
    inbox: Inbox
    now: datetime = NOW
    app: ASGIApp = field(init=False)
    state: EdgeState = field(default_factory=EdgeState)
    keys: dict[KeyKind, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in KeyKind:
            command = IssueSdkKey(environment_of(self.shop).id, kind, f"the {kind}")
            self.keys[kind] = issue_sdk_key(self.shop.owner, command, now=NOW).secret
        streams = Streams(
            self.state,
            Broadcaster(self.state, jitter=lambda: 0.5),
            Admission(10, 100.0, clock=self.state.clock, jitter=lambda: 0.5),
        )
        door = EventsDoor(self.state, self.inbox, clock=lambda: self.now)
        routes = [
            *ofrep.routes(self.state, streams, clock=self._seconds),
            Route("/v1/events", door, methods=["POST"]),
            *segment.routes(self.state, self.inbox, clock=lambda: self.now),
        ]
        self.app = build(self.state, routes)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def tokens(self, rule: TokenRule) -> None:
        command = SetExposureTokens(environment_of(self.shop).id, rule)
        set_exposure_tokens(self.shop.owner, command, now=NOW)

    def answer(self, unit: str, **headers: str) -> Answer:
        """All flags for a unit, as a page asks for them."""
        refresh(self.state)
        headers |= {"x-api-key": self.keys[KeyKind.CLIENT], "host": "flags.example.org"}
        body = json.dumps({"context": {"targetingKey": unit}}).encode()
        return ask(self.app, "POST", "/ofrep/v1/evaluate/flags", headers=headers, body=body)

    def told(self, unit: str) -> dict[str, Any]:
        """The metadata of the flag of the experiment."""
        flags: Any = self.answer(unit).json()["flags"]
        found: dict[str, Any] = next(one["metadata"] for one in flags if one["key"] == "checkout-button")
        return found

    def exposure(self, unit: str, **changes: object) -> dict[str, object]:
        """What a page that met the flag sends; a change is a lie."""
        told = self.told(unit)
        event = {
            "kind": "exposure", "id": str(uuid4()), "at": self.now.isoformat(), "flag": "checkout-button",
            "experiment": told["experiment.key"], "iteration": told["experiment.iteration"],
            "variant": told["experiment.arm"], "unit_type": told["experiment.unit_type"], "unit": unit,
            "token": told.get("exposure.token"), **changes,
        }  # fmt: skip
        return {name: value for name, value in event.items() if value is not None}

    def send(self, *events: object, kind: KeyKind = KeyKind.CLIENT) -> dict[str, Any]:
        refresh(self.state)
        return self._post("/v1/events", a_body(*events, sent_at=self.now), kind)

    def call(self, *messages: object) -> dict[str, Any]:
        """Send Segment's messages."""
        refresh(self.state)
        return self._post("/v1/segment/v1/batch", json.dumps({"batch": messages}).encode(), KeyKind.CLIENT)

    def _post(self, path: str, body: bytes, kind: KeyKind) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.keys[kind]}"}
        answer = ask(self.app, "POST", path, headers=headers, body=body)
        assert answer.status == 200, answer.body
        return answer.json()

    def reasons(self, *events: object) -> list[str]:
        """The named reasons, one for each refused event."""
        return [
            problem.split(": ")[1] for one in self.send(*events)["quarantined"] for problem in one["problems"]
        ]


@pytest.fixture
def web(own_disk: Path) -> Iterator[Web]:
    shop = a_shop()
    a_metric(shop)
    a_running_experiment(shop)
    inbox = actions.open_inbox()
    yield Web(shop, inbox)
    inbox.close()


def test_answers_carry_no_tokens_until_somebody_asks_for_them(web: Web) -> None:
    assert "exposure.token" not in web.told("u-1")
    web.tokens(TokenRule.ISSUED)
    assert web.told("u-1")["exposure.token"].startswith("x1.1.")
    web.tokens(TokenRule.OFF)
    assert "exposure.token" not in web.told("u-1")


def test_an_answer_is_the_same_all_day(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    first = web.answer("u-1").headers["etag"]
    web.now += timedelta(seconds=86_399 - NOW.timestamp() % 86_400)
    assert web.answer("u-1", **{"if-none-match": first}).status == 304
    web.now += timedelta(seconds=1)
    assert web.answer("u-1").headers["etag"] != first


def test_what_the_server_vouched_for_counts(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    assert web.send(web.exposure("u-1"), a_track("u-1"))["accepted"] == 2


def test_a_place_that_the_server_did_not_give_is_set_aside(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    honest = web.exposure("u-1")
    other = "control" if honest["variant"] == "treatment" else "treatment"
    lies = [{"variant": other}, {"unit": "u-2"}, {"iteration": 2}, {"cluster_type": "user", "cluster": "u-3"}]
    assert web.reasons(*({**honest, **lie} for lie in lies)) == ["token_invalid"] * 4
    assert web.reasons({**honest, "token": ""}, web.exposure("u-3", token="x1.1.2.3")) == [
        "token_missing", "token_invalid",
    ]  # fmt: skip


def test_a_token_is_good_for_a_page_that_was_offline_for_a_month(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    event = web.exposure("u-1")
    web.now += timedelta(days=31)
    assert web.send(event)["accepted"] == 1
    web.now += timedelta(days=1)
    assert web.reasons(event) == ["token_expired"]


def test_tokens_that_are_issued_alone_are_asked_of_nobody(web: Web) -> None:
    web.tokens(TokenRule.ISSUED)
    assert web.send(web.exposure("u-1", token=None))["accepted"] == 1


def test_server_keys_need_no_token(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    assert web.send(web.exposure("u-1", token=None), kind=KeyKind.SERVER)["accepted"] == 1


def test_a_replaced_key_keeps_the_tokens_of_pages_that_are_open_unless_it_has_leaked(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    place = environment_of(web.shop).id
    first = web.exposure("u-1")
    rotate_token_key(web.shop.owner, RotateTokenKey(place), now=NOW)
    second = web.exposure("u-2")
    assert str(second["token"]).startswith("x1.2.")
    assert web.send(first, second)["accepted"] == 2
    rotate_token_key(web.shop.owner, RotateTokenKey(place, has_leaked=True), now=NOW)
    assert web.reasons(first, second) == ["token_invalid"] * 2
    assert web.send(web.exposure("u-3"))["accepted"] == 1


def test_a_fifth_of_forged_exposures_changes_no_count(web: Web) -> None:
    """Threat: somebody reports the treatment for units of their own, to skew a result."""
    web.tokens(TokenRule.REQUIRED)
    honest = [web.exposure(f"u-{number}") for number in range(4 * FORGED)]
    forged = [
        {**honest[number], "id": str(uuid4()), "unit": f"bot-{number}", "variant": "treatment"}
        for number in range(FORGED)
    ]
    answer = web.send(*honest, *forged)
    assert (answer["accepted"], len(answer["quarantined"])) == (4 * FORGED, FORGED)
    actions.compact(now=NOW)
    assert reads.data_quality(environment_of(web.shop).id).stored == 4 * FORGED
    (fault,) = reads.quarantine_faults(environment_of(web.shop).id)
    assert fault.problems[0].startswith("token: token_invalid: ")
    assert fault.events == FORGED


def test_without_tokens_the_split_tells_of_forged_exposures(web: Web) -> None:
    """Half as many as the honest ones, whose own split is by chance: 8 standard errors, give or take one."""
    honest = [web.exposure(f"u-{number}") for number in range(4 * FORGED * 5)]
    forged = [
        {**honest[number], "id": str(uuid4()), "unit": f"bot-{number}", "variant": "treatment"}
        for number in range(2 * FORGED * 5)
    ]
    web.send(*honest, *forged)
    actions.compact(now=NOW)
    (iteration,) = experiments.analysable_iterations()
    report = refresh_report(iteration.id, NOW + timedelta(days=1))
    assert report.srm.state in {SrmState.ALERTED, SrmState.LOCKED}


def test_segment_messages_bring_their_token_along(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    told = web.told("u-1")
    viewed = {
        "type": "track", "event": "Experiment Viewed", "userId": "u-1",
        "properties": {
            "experiment_id": told["experiment.key"], "variation_id": told["experiment.arm"],
            "exposure_token": told["exposure.token"],
        },
    }  # fmt: skip
    without = {**viewed, "properties": {**viewed["properties"], "exposure_token": ""}}  # type: ignore[dict-item] # a literal of ours
    answer = web.call(viewed, without, {"type": "page", "name": "Home", "userId": "u-1"})
    assert answer["accepted"] == 2
    assert "token_missing" in answer["quarantined"][0]["problems"][0]


def test_a_replay_asks_for_the_token_again_and_leaves_the_reason(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    web.send(web.exposure("u-1", token=None))
    actions.compact(now=NOW)
    (fault,) = reads.quarantine_faults(environment_of(web.shop).id)
    again = replayed(web, fault.key)
    assert again.accepted == 0
    assert reads.quarantine_faults(environment_of(web.shop).id)[0].problems == fault.problems
    web.tokens(TokenRule.ISSUED)  # whoever may set the rule may take what was sent without tokens
    assert replayed(web, fault.key).accepted == 1


def replayed(web: Web, fault: str) -> Any:
    place = environment_of(web.shop).id
    command = ReplayEvents(place, fault=fault, vocabulary=snapshots.vocabulary(place))
    preview = actions.preview_replay(web.shop.owner, command)
    state = actions.replay(web.shop.owner, command, now=NOW)
    replaying.do_replay(state.id, now=NOW)
    (found,) = (one for one in reads.replays_of(place) if one.id == state.id)
    assert found.accepted == preview.accepted
    return found


def test_nothing_becomes_an_exposure_without_a_token_by_being_repaired_first(web: Web) -> None:
    web.tokens(TokenRule.REQUIRED)
    broken = web.exposure("u-1", token=None)
    broken["arm"] = broken.pop("variant")
    (refused,) = web.send(broken)["quarantined"]
    assert refused["problems"][-1].startswith("token: token_invalid: ")
    message = {"type": "track", "happened": "Experiment Viewed", "userId": "u-1"}
    (refused,) = web.call(message)["quarantined"]
    assert refused["problems"][-1].startswith("token: token_invalid: ")
    (refused,) = web.send({**a_track(), "name": ""})["quarantined"]
    assert not any("token" in problem for problem in refused["problems"])


@pytest.mark.parametrize("kind", KeyKind)
def test_events_of_unit_types_that_the_project_does_not_have_are_set_aside(web: Web, kind: KeyKind) -> None:
    ship = {**a_track(), "units": {"user": "u-1", "ship": "s-1"}}
    exposure = web.exposure("u-1", unit_type="ship", cluster_type="port", cluster="p-1")
    answer = web.send(a_track(), ship, exposure, kind=kind)
    assert answer["accepted"] == 1
    assert [one["problems"] for one in answer["quarantined"]] == [
        ["units.ship: the project has no such unit type"],
        [
            "unit_type: the project has no such unit type",
            "cluster_type: the project has no such unit type",
        ],
    ]


def test_a_renamed_unit_type_lets_a_track_in_and_an_unknown_one_does_not(web: Web) -> None:
    web.send({**a_track(), "units": {"visitor": "u-1"}}, kind=KeyKind.SERVER)
    actions.compact(now=NOW)
    place = environment_of(web.shop).id
    (fault,) = reads.quarantine_faults(place)
    assert replayed(web, fault.key).accepted == 0
    to_user = Repair(RepairKind.RENAME_UNIT_TYPE, "user", "visitor")
    command = ReplayEvents(place, fault=fault.key, repairs=(to_user,), vocabulary=snapshots.vocabulary(place))
    state = actions.replay(web.shop.owner, command, now=NOW)
    replaying.do_replay(state.id, now=NOW)
    assert reads.data_quality(place).quarantined == 0


def test_client_keys_wait_while_nobody_knows_what_the_environment_asks(web: Web) -> None:
    refresh(web.state)
    assert web.state.base is not None
    web.state.swap(type(web.state.base)(web.state.base.keys, {}, 0.0))
    for kind, status in ((KeyKind.CLIENT, 503), (KeyKind.SERVER, 200)):
        headers = {"authorization": f"Bearer {web.keys[kind]}"}
        answer = ask(web.app, "POST", "/v1/events", headers=headers, body=a_body(a_track()))
        assert answer.status == status
