"""The OFREP doors over one snapshot, in process: what the tests of OFREP ask."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from asking import Answer, ask
from starlette.types import ASGIApp

from equipoise_engine import content_hash
from equipoise_server.access.secrets import digest
from equipoise_server.access.values import KeyKind, SdkKey, WorkingKey
from equipoise_server.edge.admission import Admission
from equipoise_server.edge.app import build
from equipoise_server.edge.broadcaster import Broadcaster
from equipoise_server.edge.ofrep import routes
from equipoise_server.edge.state import EdgeState, View, servable
from equipoise_server.edge.streams import Streams
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.values import KeptSnapshot

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
SHOP = UUID(int=1)
SERVER, CLIENT = "eq_server_aa_1", "eq_client_bb_2"
PREVIEW_KEY = "0af1" * 16
USER = {"targetingKey": "u-1"}
STANDARD_REASONS = {
    "STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "CACHED", "DISABLED", "UNKNOWN", "STALE", "ERROR",
}  # fmt: skip


def a_key(secret: str, kind: KeyKind) -> tuple[str, WorkingKey]:
    """A key of the shop, by its prefix."""
    prefix = secret.rpartition("_")[0]
    key = SdkKey(uuid4(), SHOP, kind, "tests", prefix, AT, None, None)
    return prefix, WorkingKey(key, digest(secret))


KEYS = dict([a_key(SERVER, KeyKind.SERVER), a_key(CLIENT, KeyKind.CLIENT)])


def a_flag(kind: str, value: object, **members: object) -> dict[str, object]:
    """A flag that serves one value."""
    return {"type": kind, "variants": {"a": value}, "off": "a", "default": "a", **members}


def a_document(number: int) -> dict[str, object]:
    """A snapshot with every kind of flag and of answer."""
    german = {"attribute": "country", "operator": "equals", "value": "DE"}
    business = {
        "variant": "big", "unit_type": "account", "units": ["acme"],
    }  # fmt: skip
    content: dict[str, object] = {
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": number,
        "default_unit_type": "user", "unit_types": ["user", "account"], "preview_key": PREVIEW_KEY,
        "layers": {"own": {"salt": "layersalt", "unit_type": "user"}},
        "experiments": {
            "trial": {
                "iteration": 2, "layer": "own", "unit_type": "user", "state": "running",
                "slots": [[0, 10000]], "salt": "splitsalt", "control": "control",
                "variants": [
                    {"key": "control", "weight": 1, "values": {"button": "off"}},
                    {"key": "treatment", "weight": 1, "values": {"button": "on"}},
                ],
            }
        },
        "flags": {
            "bool": a_flag("boolean", True), "text": a_flag("string", f"hello {number}"),
            "whole": a_flag("number", 3), "price": a_flag("number", 2.5), "decimal": a_flag("number", 1),
            "object": a_flag("object", {"x": [1, 2.5]}),
            "killed": a_flag("boolean", False, killed=True),
            "faulty": a_flag("string", "safe", rules=[{"id": "r", "serve": "nowhere"}]),
            "german": a_flag("boolean", True, rules=[{"id": "r", "eligibility": german, "serve": "a"}]),
            "plan": {
                "type": "string", "variants": {"small": "s", "big": "b"}, "off": "small",
                "default": "small", "overrides": [business],
            },
            "button": {
                "type": "boolean", "variants": {"on": True, "off": False}, "off": "off", "default": "off",
                "experiments": ["trial"],
            },
        },
    }  # fmt: skip
    return {**content, "hash": content_hash(content)}


@dataclass(slots=True)
class Scene:
    """The OFREP doors over a snapshot, in process."""

    state: EdgeState = field(default_factory=EdgeState)
    broadcaster: Broadcaster = field(init=False)
    app: ASGIApp = field(init=False)

    def __post_init__(self) -> None:
        self.show(1)
        self.broadcaster = Broadcaster(self.state, jitter=lambda: 0.5)
        room = Admission(10, 100.0, clock=self.state.clock, jitter=lambda: 0.5)
        self.app = build(self.state, routes(self.state, Streams(self.state, self.broadcaster, room)))

    def show(self, number: int) -> None:
        """Swap in another revision."""
        document = a_document(number)
        kept = KeptSnapshot(
            SHOP, Revision(1, number), AT, str(document["hash"]), json.dumps(document).encode()
        )
        self.state.swap(View(KEYS, {SHOP: servable(kept, frozenset({"price", "decimal"}))}, 0.0))

    def ask(self, path: str = "", body: object = None, **headers: str) -> Answer:
        """One evaluation, with a client key unless told otherwise."""
        content = body if isinstance(body, bytes) else json.dumps({"context": USER} if body is None else body)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if not sent.keys() & {"authorization", "x-api-key"}:
            sent["x-api-key"] = CLIENT
        encoded = content if isinstance(content, bytes) else content.encode()
        place = f"/ofrep/v1/evaluate/flags{path}"
        return ask(self.app, "POST", place, headers={"host": "flags.example.org", **sent}, body=encoded)
