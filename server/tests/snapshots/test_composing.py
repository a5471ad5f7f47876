"""From rows to the document that clients get."""

from __future__ import annotations

from uuid import UUID

import pytest

from equipoise_engine import content_hash, validate_snapshot
from equipoise_server.access.values import Environment, Project
from equipoise_server.experiments.values import ExperimentsPayload
from equipoise_server.flags.values import FlagsPayload
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.composing import Rows, compose
from equipoise_server.snapshots.vetting import faults, is_large_growth

PRODUCTION = Environment(UUID(int=2), UUID(int=1), "production", "Production", is_protected=False)
SHOP = Project(UUID(int=1), "shop", "Shop", ("user", "account"), "user", (PRODUCTION,))


def an_experiment(state: str, slots: tuple[int, int], *flags: str) -> dict[str, object]:
    """An experiment that gives every flag its off variant in control, its on variant in treatment."""
    return {
        "iteration": 1, "layer": "checkout", "unit_type": "user", "state": state, "killed": False,
        "eligibility": None, "slots": [list(slots)], "gate": None, "salt": "splitsal", "control": "control",
        "variants": [
            {"key": "control", "weight": 1, "values": dict.fromkeys(flags, "off")},
            {"key": "treatment", "weight": 1, "values": dict.fromkeys(flags, "on")},
        ],
    }  # fmt: skip


def a_flag() -> dict[str, object]:
    """A boolean flag that is off."""
    return {
        "type": "boolean", "variants": {"on": True, "off": False}, "off": "off", "default": "off",
        "killed": False, "groups": [], "overrides": [], "rules": [],
    }  # fmt: skip


def rows(experiments: dict[str, dict[str, object]], *flags: str) -> Rows:
    """The rows of a shop with a checkout layer."""
    return Rows(
        SHOP,
        PRODUCTION,
        FlagsPayload({key: a_flag() for key in flags}, {}, killed=False),
        ExperimentsPayload({"checkout": {"salt": "layersal", "unit_type": "user"}}, experiments),
    )


def test_a_flag_lists_the_experiments_that_set_it_running_ones_first() -> None:
    experiments = {
        "old": an_experiment("stopped", (0, 100), "banner"),
        "first": an_experiment("running", (100, 200), "banner", "price"),
        "second": an_experiment("running", (200, 300), "banner"),
    }
    document = compose(rows(experiments, "banner", "price", "free"), Revision(1, 7))
    flags = document["flags"]
    assert isinstance(flags, dict)
    assert flags["banner"]["experiments"] == ["first", "second", "old"]
    assert flags["price"]["experiments"] == ["first"]
    assert flags["free"]["experiments"] == []


def test_the_engine_accepts_the_document_under_its_own_hash() -> None:
    document = compose(
        rows({"first": an_experiment("running", (0, 100), "banner")}, "banner"), Revision(2, 7)
    )
    assert validate_snapshot(document) == ()
    assert document["hash"] == content_hash(document)
    assert (document["epoch"], document["revision"]) == (2, 7)


def test_every_fault_of_a_document_is_found_with_its_place() -> None:
    experiments = {
        "first": an_experiment("running", (0, 200), "banner"),
        "second": an_experiment("running", (100, 300), "nowhere"),
    }
    document = compose(rows(experiments, "banner"), Revision(1, 1))
    found = {problem.field for problem in faults(document, b"")}
    assert "experiments.second.slots" in found
    assert "experiments.second.variants.0.values.nowhere" in found


@pytest.mark.parametrize(
    ("before", "after", "large"),
    [
        (100_000, 150_000, False),
        (100_000, 150_001, True),
        (1_000, 21_000, False),
        (1_000, 21_001, True),
        (100_000, 1_000, False),
    ],
)
def test_growth_is_large_beyond_half_as_much_again_and_twenty_kilobytes(
    before: int, after: int, large: bool
) -> None:
    assert is_large_growth(before, after) is large
