"""A project that hides unit ids: no file holds one, and everything else is as in any other project."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import httpx
import pytest
from byte_search import found_anywhere
from hypothesis import given
from hypothesis import strategies as st
from people import NOW, an_admin
from starlette.routing import Route
from wire import a_body, a_track, an_exposure

from equipoise_server.access.actions import CreateProject, IssueSdkKey, create_project, issue_sdk_key
from equipoise_server.access.reads import actor_of_user, project_key, working_sdk_keys
from equipoise_server.access.values import Actor, KeyKind, Project, ProjectKey
from equipoise_server.edge import segment
from equipoise_server.edge.app import build
from equipoise_server.edge.events import EventsDoor
from equipoise_server.edge.polling import refresh
from equipoise_server.edge.state import EdgeState
from equipoise_server.events import actions, reads
from equipoise_server.events.erasing import work_off
from equipoise_server.events.models import Erasure
from equipoise_server.events.pseudonyms import hide
from equipoise_server.events.validation import decode_good
from equipoise_server.events.values import EventKind, StorageFailed

pytestmark = pytest.mark.django_db(transaction=True)
IDS = {"known-user-1", "known-user-2", "known-account-9"}
EVER = {"since": NOW - timedelta(days=400), "until": NOW + timedelta(days=400)}


def a_clinic() -> tuple[Actor, Project]:
    owner = an_admin()
    command = CreateProject("clinic", "Clinic", ("user", "account"), is_pseudonymised=True)
    project = create_project(owner, command, now=NOW)
    return actor_of_user(UUID(owner.author.id)), project


def send(project: Project, *events: dict[str, object]) -> None:
    """Through the door's own path: the inbox of the project's key."""
    opened = actions.open_inbox()
    body = a_body(*({**event, "at": NOW.isoformat()} for event in events), sent_at=NOW)
    inbox = actions.hiding(opened, project.id)
    _, written = actions.accept(inbox, project.environments[1].id, body, received_at=NOW)
    written.result(5)
    opened.close()


def units(project: Project, kind: EventKind) -> list[tuple[object, ...]]:
    paths = [str(path) for path in reads.pinned_files(project.environments[1].id, kind, **EVER).paths]
    query = "SELECT unit_type, unit FROM read_parquet(?) ORDER BY ALL"
    return duckdb.connect().execute(query, [paths]).fetchall()


def everybody() -> tuple[dict[str, object], ...]:
    return (
        an_exposure("known-user-1"),
        a_track(units={"user": "known-user-1", "account": "known-account-9"}),
        {**a_track("known-user-2"), "value": "much"},
        an_exposure("known-user-2", cluster_type="account", cluster="known-account-9"),
    )


def test_no_file_ever_holds_a_unit_id(own_disk: Path) -> None:
    _, project = a_clinic()
    send(project, *everybody())
    assert found_anywhere(IDS, own_disk) == []
    actions.compact(now=NOW)
    assert found_anywhere(IDS, own_disk) == []


def test_a_unit_keeps_one_pseudonym_and_another_type_has_another(own_disk: Path) -> None:
    _, project = a_clinic()
    send(project, *everybody())
    actions.compact(now=NOW)
    key = project_key(project.id)
    assert units(project, EventKind.EXPOSURE) == sorted(
        [("user", key.pseudonym("user", "known-user-1")), ("user", key.pseudonym("user", "known-user-2"))]
    )
    assert key.pseudonym("user", "7") != key.pseudonym("account", "7")


def test_who_knows_the_id_can_have_it_erased(own_disk: Path) -> None:
    owner, project = a_clinic()
    send(project, *everybody())
    actions.compact(now=NOW)
    actions.ask_erasure(owner, actions.EraseUnits(project.id, "user", ("known-user-1",)), now=NOW)
    for minutes in range(0, 60, 5):
        work_off(now=NOW + timedelta(minutes=minutes))
    assert Erasure.objects.get().finished_at is not None
    gone = project_key(project.id).pseudonym("user", "known-user-1")
    assert found_anywhere({gone, "known-user-1"}, own_disk) == []
    send(project, a_track("known-user-1"))
    assert actions.compact(now=NOW).stored == 0


def test_events_that_a_trusted_source_loads_are_hidden_too(own_disk: Path) -> None:
    _, project = a_clinic()
    (event,) = decode_good(json.dumps([{**a_track("known-user-1"), "at": NOW.isoformat()}]).encode())
    actions.record(project.environments[1].id, [event], now=NOW)
    assert found_anywhere(IDS, own_disk) == []


def test_every_key_of_the_project_says_that_it_hides_ids(own_disk: Path) -> None:
    owner, project = a_clinic()
    issued = issue_sdk_key(owner, IssueSdkKey(project.environments[1].id, KeyKind.SERVER, "web"), now=NOW)
    assert issued.key.pseudonymised_by == project.id
    assert working_sdk_keys()[issued.key.prefix].key.pseudonymised_by == project.id


def through_the_door(project: Project, owner: Actor, path: str, body: dict[str, object]) -> httpx.Response:
    """POST with a key of the project's, as an application does."""
    issued = issue_sdk_key(owner, IssueSdkKey(project.environments[1].id, KeyKind.SERVER, "web"), now=NOW)
    state, opened = EdgeState(), actions.open_inbox()
    refresh(state)
    door = Route("/v1/events", EventsDoor(state, opened, clock=lambda: NOW), methods=["POST"])
    app = build(state, [door, *segment.routes(state, opened, clock=lambda: NOW)])

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
            return await client.post(path, json=body, headers={"authorization": f"Bearer {issued.secret}"})

    try:
        return asyncio.run(send())
    finally:
        opened.close()


def test_ids_that_come_through_the_doors_are_hidden(own_disk: Path) -> None:
    owner, project = a_clinic()
    good, bad = ({**a_track("known-user-1"), "at": NOW.isoformat()} for _ in range(2))
    body = {"sent_at": NOW.isoformat(), "events": [good, {**bad, "value": "much"}]}
    assert through_the_door(project, owner, "/v1/events", body).json()["accepted"] == 1
    message = {"event": "Bought", "userId": "known-user-2", "messageId": str(uuid4())}
    told = through_the_door(project, owner, "/v1/segment/v1/track", message).json()
    assert (told["accepted"], told["quarantined"]) == (1, [])
    assert found_anywhere(IDS, own_disk) == []
    actions.compact(now=NOW)
    assert found_anywhere(IDS, own_disk) == []
    assert len(units(project, EventKind.TRACK)) == 2


def test_without_the_key_nothing_is_taken(own_disk: Path) -> None:
    opened = actions.open_inbox()
    inbox = actions.hiding(opened, uuid4())
    with pytest.raises(StorageFailed, match=r"bring .* back"):
        actions.accept(inbox, uuid4(), a_body(a_track()), received_at=NOW)
    opened.close()


@given(
    unit=st.one_of(st.text(min_size=1, max_size=60), st.integers()),
    secret=st.binary(min_size=32, max_size=32),
)
def test_hiding_twice_changes_nothing(unit: str | int, secret: bytes) -> None:
    key = ProjectKey(secret)
    (event,) = decode_good(json.dumps([a_track(units={"user": unit})]).encode())
    once = hide(event, key)
    first = dict(once.units)  # type: ignore[union-attr]  # it is a track
    assert hide(once, key).units == first  # type: ignore[union-attr]  # as above
