"""Events as an SDK writes them, for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def an_exposure(unit: str = "u1", variant: str = "control", **given: object) -> dict[str, object]:
    """One exposure of the checkout-button experiment."""
    return {
        "kind": "exposure", "id": str(uuid4()), "at": NOON.isoformat(), "experiment": "checkout-button",
        "iteration": 1, "flag": "checkout-button", "variant": variant, "unit_type": "user", "unit": unit,
        "revision": 7, **given,
    }  # fmt: skip


def a_track(unit: str = "u1", name: str = "purchase", **given: object) -> dict[str, object]:
    """One event of one user."""
    return {
        "kind": "track", "id": str(uuid4()), "at": NOON.isoformat(), "name": name, "units": {"user": unit},
        **given,
    }  # fmt: skip


def a_body(*events: object, sent_at: datetime = NOON) -> bytes:
    """A batch as it travels."""
    return json.dumps({"sent_at": sent_at.isoformat(), "events": events}).encode()


SHOP = UUID("00000000-0000-4000-8000-000000000001")
"""An environment's id, where only the id matters."""
