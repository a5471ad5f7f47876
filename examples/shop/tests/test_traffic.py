"""Visits through the real SDK: what the shop reports holds the effects that its table declares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

import equipoise_sdk
from equipoise_shop.traffic import Past, backfill, live
from equipoise_shop.truth import BUTTON, ONE_PAGE, RANKING

UNTIL = datetime(2026, 3, 15, 9, tzinfo=UTC)
PAST = Past(days=2, visitors_per_day=4_000, until=UNTIL, seed=5)

Recorded = tuple[dict[str, object], ...]


def _experiment(flag: str, control: object, treatment: object) -> dict[str, object]:
    """A snapshot in which everybody takes part in one experiment on a flag."""
    kind = "boolean" if isinstance(control, bool) else "string"
    arms = ("control", "treatment")
    return {
        "format": 1, "project": "shop", "environment": "production", "epoch": 1, "revision": 1,
        "default_unit_type": "user", "unit_types": ["user"], "killed": False, "groups": {}, "segments": {},
        "layers": {"own": {"salt": "layersalt", "unit_type": "user"}},
        "experiments": {
            "trial": {
                "iteration": 1, "layer": "own", "unit_type": "user", "state": "running", "killed": False,
                "eligibility": None, "slots": [[0, 10_000]], "gate": None, "salt": "splitsalt",
                "control": "control",
                "variants": [{"key": arm, "weight": 1, "values": {flag: arm}} for arm in arms],
            }
        },
        "flags": {
            flag: {
                "type": kind, "variants": {"control": control, "treatment": treatment}, "off": "control",
                "default": "control", "killed": False, "groups": [], "overrides": [],
                "experiments": ["trial"], "rules": [],
            }
        },
    }  # fmt: skip


def _recorded(flag: str, control: object, treatment: object) -> Recorded:
    client = equipoise_sdk.in_memory(_experiment(flag, control, treatment))
    backfill(client, PAST, report=lambda _: None)
    return client.recorded


def _arms(recorded: Recorded) -> dict[object, object]:
    """Unit → arm of everybody who was exposed."""
    return {event["unit"]: event["variant"] for event in recorded if event["kind"] == "exposure"}


def _named(recorded: Recorded, name: str) -> list[Mapping[str, object]]:
    return [event for event in recorded if event.get("name") == name]


def _unit(event: Mapping[str, object]) -> object:
    units = event["units"]
    assert isinstance(units, dict)
    return units["user"]


def test_the_green_button_sells_more() -> None:
    recorded = _recorded(BUTTON.key, "grey", "green")
    arms = _arms(recorded)
    assert len(arms) == PAST.days * PAST.visitors_per_day
    buyers = Counter(arms[_unit(event)] for event in _named(recorded, "purchase"))
    units = Counter(arms.values())
    assert buyers["treatment"] / units["treatment"] > buyers["control"] / units["control"]


def test_the_learned_ranking_makes_pages_60_milliseconds_slower() -> None:
    recorded = _recorded(RANKING.key, "popular", "learned")
    arms = _arms(recorded)
    loads: dict[object, list[float]] = {"control": [], "treatment": []}
    for event in _named(recorded, "page_load"):
        if _unit(event) in arms:
            loads[arms[_unit(event)]].append(float(str(event["value"])))
    means = {arm: sum(values) / len(values) for arm, values in loads.items()}
    assert means["treatment"] - means["control"] == pytest.approx(60, abs=6)


def test_the_one_page_checkout_loses_a_twelfth_of_its_exposures_and_their_purchases() -> None:
    recorded = _recorded(ONE_PAGE.key, False, True)
    units = Counter(_arms(recorded).values())
    assert units["treatment"] / units["control"] == pytest.approx(0.92, abs=0.06)
    exposed = set(_arms(recorded))
    assert {_unit(event) for event in _named(recorded, "purchase")} <= exposed


def test_outcomes_come_after_the_exposure_and_inside_the_past() -> None:
    recorded = _recorded(BUTTON.key, "grey", "green")
    exposed_at = {e["unit"]: str(e["at"]) for e in recorded if e["kind"] == "exposure"}
    bought_at = {_unit(e): str(e["at"]) for e in _named(recorded, "purchase")}
    assert bought_at
    assert all(moment > exposed_at[unit] for unit, moment in bought_at.items())
    times = [datetime.fromisoformat(str(event["at"])) for event in recorded]
    assert UNTIL - timedelta(days=2) <= min(times)
    assert max(times) <= UNTIL


def test_the_same_seed_tells_the_same_past() -> None:
    def told() -> list[dict[str, object]]:
        return [{k: v for k, v in e.items() if k != "id"} for e in _recorded(BUTTON.key, "grey", "green")]

    assert told() == told()


def test_live_visitors_come_until_somebody_stops_them() -> None:
    client = equipoise_sdk.in_memory(_experiment(BUTTON.key, "grey", "green"))
    stop, begun = Event(), datetime(2026, 3, 15, 9, tzinfo=UTC)
    ticks = iter(range(10_000))

    def clock() -> datetime:
        if (tick := next(ticks)) == 20:
            stop.set()
        return begun + timedelta(seconds=tick)

    came = live(client, visitors_per_second=1_000, seed=5, clock=clock, stop=stop)
    assert came == 20
    assert len(_arms(client.recorded)) == came
