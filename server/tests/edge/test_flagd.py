"""The flagd export: flagd's own evaluator gives every unit the same, or the report says why not."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest
from asking import Answer, ask
from flagd_scene import DECIMAL, LEFT_OUT, Json, a_document, answers, contexts, evaluated
from openfeature.contrib.tools.flagd.core import FlagdCore
from people import NOW
from starlette.applications import Starlette

from equipoise_engine import canonical_json, compile_snapshot, content_hash, validate_snapshot
from equipoise_server.access.secrets import digest
from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey
from equipoise_server.edge.flagd import door
from equipoise_server.edge.flagd.dialects import Dialect
from equipoise_server.edge.flagd.export import exported
from equipoise_server.edge.state import EdgeState, View, servable
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

SHOP = UUID(int=1)
SERVER, CLIENT = "eq_server_aa_1", "eq_client_bb_2"
UNITS = 500


def parts(dialect: Dialect, document: Json | None = None) -> tuple[Json, Json]:
    """The definition and the report of the scene."""
    document = a_document() if document is None else document
    faults = compile_snapshot(document).faults
    made = exported(document, dialect, decimal_flags=DECIMAL, is_faulty=faults.__contains__)
    return json.loads(made.definition), json.loads(made.report)


def test_the_scene_is_a_sound_snapshot_but_for_the_list_that_is_not_there() -> None:
    assert {fault.path.split("/")[2] for fault in validate_snapshot(a_document())} <= {"by-large-list"}


@pytest.fixture
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """flagd's evaluator prints a trace for each text that is no version."""
    caplog.set_level("CRITICAL", "openfeature.contrib")


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("dialect", [Dialect.V3, Dialect.BOTH])
def test_flagds_own_evaluator_agrees_on_every_unit(dialect: Dialect) -> None:
    document = a_document()
    definition, _ = parts(dialect)
    engine, core = compile_snapshot(document), FlagdCore()
    core.set_flags(definition)
    types = {key: document["flags"][key]["type"] for key in definition["flags"]}
    served: dict[str, set[object]] = {}
    for context in contexts(UNITS, ascii_only=False):
        ours, theirs = answers(engine, list(types), context), evaluated(core, types, context)
        told = dict(zip(types, zip(theirs, ours, strict=True), strict=True))
        assert theirs == ours, (context, {key: pair for key, pair in told.items() if pair[0] != pair[1]})
        for key, (variant, _) in zip(types, ours, strict=True):
            served.setdefault(key, set()).add(variant)
    alike = {key for key, variants in served.items() if len(variants) == 1}
    assert alike == {"static", "limit", "killed", "group-killed", "needs-dead", "if-everybody", "if-nobody"}


def test_the_report_names_what_is_left_out_and_why() -> None:
    definition, report = parts(Dialect.V3)
    assert set(report["left_out"]) == LEFT_OUT
    assert set(definition["flags"]).isdisjoint(LEFT_OUT)
    assert set(report["expressed"]) == set(definition["flags"])
    assert "before" in report["left_out"]["by-date"]
    assert "switchback" in report["left_out"]["by-clock"]
    assert "before" in report["left_out"]["needs-date"]
    assert report["assumes"]["attributes"]["if-greater"] == {"age": "a number"}
    assert report["assumes"]["attributes"]["if-version"] == {"app": "text"}
    assert "100 ASCII" in parts(Dialect.BOTH)[1]["assumes"]["units"]


def test_a_faulty_flag_is_left_out() -> None:
    document = a_document()
    document["flags"]["static"]["default"] = "no such"
    definition, report = parts(Dialect.V3, document)
    assert "fault" in report["left_out"]["static"]
    assert "static" not in definition["flags"]


def test_numbers_keep_the_form_in_which_they_were_declared() -> None:
    definition, _ = parts(Dialect.V3)
    assert json.dumps(definition["flags"]["fee"]["variants"]) == '{"none": 0.0, "some": 2.5}'
    assert json.dumps(definition["flags"]["limit"]["variants"]) == '{"low": 1, "high": 100}'


def asked(path: str, secret: str = SERVER, **headers: str) -> Answer:
    """What the door says."""
    document = a_document()
    document["hash"] = content_hash(document)
    kept = KeptSnapshot(SHOP, Revision(3, 9), NOW, str(document["hash"]), canonical_json(document))
    keys = {}
    for kind, name in ((KeyKind.SERVER, SERVER), (KeyKind.CLIENT, CLIENT)):
        key = SdkKey(uuid4(), SHOP, kind, "tests", name.rpartition("_")[0], NOW, None, None)
        keys[key.prefix] = WorkingKey(key, digest(name))
    state = EdgeState()
    state.swap(View(keys, {SHOP: servable(kept, DECIMAL)}, 0.0))
    path, _, query = path.partition("?")
    sent = {"authorization": f"Bearer {secret}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return ask(Starlette(routes=[*door.routes(state)]), "GET", path, headers=sent, query=query)


def test_the_door_sends_definition_and_report_with_tags() -> None:
    first = asked("/flagd/v1/production.json")
    assert (first.status, first.json()["metadata"]) == (
        200, {"flagSetId": "shop/production", "version": "3.9"},
    )  # fmt: skip
    assert first.json() == parts(Dialect.V3)[0]
    assert asked("/flagd/v1/production.json", if_none_match=first.headers["etag"]).status == 304
    both = asked("/flagd/v1/production.json?dialect=both")
    assert both.headers["etag"] != first.headers["etag"]
    assert asked("/flagd/v1/production/report.json?dialect=v2").json()["dialect"] == "v2"


@pytest.mark.parametrize(
    ("path", "secret", "status"),
    [
        ("/flagd/v1/production.json", CLIENT, 403),
        ("/flagd/v1/production.json", "eq_server_aa_9", 401),
        ("/flagd/v1/staging.json", SERVER, 404),
        ("/flagd/v1/production.json?dialect=v9", SERVER, 400),
    ],
)
def test_whoever_may_not_or_asks_for_something_else_is_told(path: str, secret: str, status: int) -> None:
    answer = asked(path, secret)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
