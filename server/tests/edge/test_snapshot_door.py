"""GET /v1/snapshot: who gets it, when it is sent again, and what happens in trouble."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field

import pytest
from asking import Answer, ask
from django.db import OperationalError, connection
from people import NOW
from scenes import Shop, a_button_flag, a_shop, settings_of
from starlette.types import ASGIApp

from equipoise_server.access.actions import IssueSdkKey, issue_sdk_key, revoke_sdk_key
from equipoise_server.access.reads import sdk_key
from equipoise_server.access.values import IssuedKey, KeyKind
from equipoise_server.edge.app import build
from equipoise_server.edge.polling import Poller, note_uses, refresh
from equipoise_server.edge.snapshot import accepts_gzip, is_same
from equipoise_server.edge.state import EdgeState
from equipoise_server.flags.actions import KillFlag, kill_flag
from equipoise_server.snapshots import models as snapshot_models
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is set."""

    seconds: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.seconds


@dataclass(slots=True)
class Door:
    """The door over a shop with one flag, and its clock."""

    shop: Shop
    clock: Clock = field(default_factory=Clock)
    state: EdgeState = field(init=False)
    app: ASGIApp = field(init=False)

    def __post_init__(self) -> None:
        self.state = EdgeState(self.clock)
        self.app = build(self.state)

    def key(self, kind: KeyKind = KeyKind.SERVER) -> IssuedKey:
        """A new key for production, already known to the door."""
        environment = self.shop.project.environment("production")
        assert environment is not None
        issued = issue_sdk_key(self.shop.owner, IssueSdkKey(environment.id, kind, "web"), now=NOW)
        refresh(self.state)
        return issued

    def snapshot(self, secret: str, **headers: str) -> Answer:
        """What the door says to a bearer of a secret."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.app, "GET", "/v1/snapshot", headers={"authorization": f"Bearer {secret}", **sent})


def a_door() -> Door:
    """The door over a shop with one flag."""
    shop = a_shop()
    a_button_flag(shop)
    return Door(shop)


def test_a_server_key_gets_the_snapshot_of_its_environment() -> None:
    door = a_door()
    issued = door.key()
    answer = door.snapshot(issued.secret)
    kept = snapshots.current(issued.key.environment_id)
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, kept.body, kept.etag)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "private, no-cache"


def test_a_client_key_is_told_that_rules_are_for_servers() -> None:
    door = a_door()
    answer = door.snapshot(door.key(KeyKind.CLIENT).secret)
    assert answer.status == 403
    assert "client key" in str(answer.json()["detail"])
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer nonsense", "Bearer eq_server_00_00"]
)
def test_without_a_working_key_nothing_is_served(authorization: str) -> None:
    door = a_door()
    door.key()
    answer = ask(door.app, "GET", "/v1/snapshot", headers={"authorization": authorization})
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["title"]


def test_the_right_prefix_with_another_secret_is_refused() -> None:
    door = a_door()
    secret = door.key().secret
    wrong = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    assert door.snapshot(wrong).status == 401


def test_who_has_the_snapshot_already_gets_no_body() -> None:
    door = a_door()
    secret = door.key().secret
    etag = door.snapshot(secret).headers["etag"]
    answer = door.snapshot(secret, if_none_match=f'"other", W/{etag}')
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)


def test_a_kill_is_served_after_the_next_round_with_a_new_etag() -> None:
    door = a_door()
    secret = door.key().secret
    before = door.snapshot(secret)
    flag = a_button_flag(door.shop, "other")
    kill_flag(door.shop.owner, KillFlag(flag.id, settings_of(flag).environment_id), now=NOW)
    refresh(door.state)
    answer = door.snapshot(secret, if_none_match=before.headers["etag"])
    assert answer.status == 200
    assert json.loads(answer.body)["flags"]["other"]["killed"] is True


def test_only_environments_that_changed_are_loaded_again() -> None:
    door = a_door()
    door.key()
    assert door.state.view is not None
    held = door.state.view.snapshots
    refresh(door.state)
    assert all(door.state.view.snapshots[key] is value for key, value in held.items())


def test_the_body_is_compressed_for_who_accepts_it() -> None:
    door = a_door()
    secret = door.key().secret
    answer = door.snapshot(secret, accept_encoding="br, gzip;q=0.8")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == door.snapshot(secret).body


def test_a_revoked_key_is_refused_after_the_next_round() -> None:
    door = a_door()
    issued = door.key()
    revoke_sdk_key(door.shop.owner, issued.key.id, now=NOW)
    refresh(door.state)
    assert door.snapshot(issued.secret).status == 401


def test_a_silent_database_leaves_flags_served_and_their_age_readable() -> None:
    door = a_door()
    secret = door.key().secret

    def fail(_state: EdgeState) -> None:
        raise OperationalError("the database is away")

    poller = Poller(door.state, refresh=fail)
    door.clock.seconds += 12.5
    poller.tick()
    answer = door.snapshot(secret)
    assert (answer.status, answer.headers["equipoise-age"]) == (200, "12.500")


def test_no_request_asks_the_database() -> None:
    door = a_door()
    secret = door.key().secret
    with connection.execute_wrapper(_refuse_queries):
        assert door.snapshot(secret).status == 200
        assert ask(door.app, "GET", "/v1/health").status == 200


def _refuse_queries(*_arguments: object) -> None:
    raise AssertionError("a request asked the database")


def test_before_the_first_round_the_door_asks_for_patience() -> None:
    app = build(EdgeState())
    answer = ask(app, "GET", "/v1/snapshot", headers={"authorization": "Bearer eq_server_1_2"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert ask(app, "GET", "/v1/health").json() == {"status": "starting", "age_seconds": None}


def test_health_turns_bad_when_the_database_was_silent_for_a_minute() -> None:
    door = a_door()
    door.key()
    assert ask(door.app, "GET", "/v1/health").json() == {"status": "ok", "age_seconds": 0.0}
    door.clock.seconds += 61
    answer = ask(door.app, "GET", "/v1/health")
    assert (answer.status, answer.json()) == (503, {"status": "stale", "age_seconds": 61.0})


def test_one_environment_that_cannot_be_loaded_does_not_hold_up_the_others() -> None:
    door = a_door()
    development, production = door.shop.project.environments
    newest = snapshot_models.Snapshot.objects.filter(environment_id=development.id)
    newest.update(hash="0" * 64)
    secret = door.key().secret
    assert door.snapshot(secret).status == 200
    assert door.state.view is not None
    assert set(door.state.view.snapshots) == {production.id}


def test_the_use_of_a_key_is_noted_later() -> None:
    door = a_door()
    issued = door.key()
    door.snapshot(issued.secret)
    assert sdk_key(issued.key.id).last_used_at is None
    note_uses(door.state)
    assert sdk_key(issued.key.id).last_used_at is not None
    assert door.state.used_keys == set()


def test_what_the_door_does_not_know_is_a_problem() -> None:
    app = build(EdgeState())
    missing, wrong = ask(app, "GET", "/v1/nothing"), ask(app, "POST", "/v1/snapshot")
    assert (missing.status, wrong.status) == (404, 405)
    assert {missing.headers["content-type"], wrong.headers["content-type"]} == {"application/problem+json"}


@pytest.mark.parametrize(
    ("sent", "same"),
    [("", False), ('"b"', False), ('"a"', True), ('W/"a"', True), ("*", True), ('"b","a"', True)],
)
def test_the_entity_tags_a_client_offers_are_compared_weakly(sent: str, same: bool) -> None:
    assert is_same(sent, '"a"') is same


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [("", False), ("br", False), ("gzip", True), ("gzip;q=0", False), ("GZIP; q=0.5", True), ("*", True)],
)
def test_gzip_is_sent_only_where_it_is_accepted(sent: str, accepted: bool) -> None:
    assert accepts_gzip(sent) is accepted
