"""Whatever happens in whatever order, the state equals plain Python over what is there."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from analysis_state import assert_true
from histories import DEFINITIONS, STARTS, a_history, a_plan, an_id, something
from hypothesis import Phase, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from plain_units import DAY, Met
from stored import Stored

from equipoise_server.analysis.plan import Plan
from equipoise_server.analysis.rollups.advance import advance
from equipoise_server.analysis.rollups.audit import moved_sums_mismatches
from equipoise_server.analysis.rollups.forgetting import compact, forget_units
from equipoise_server.analysis.rollups.state import open_state

KEYS = sorted(DEFINITIONS)
seeds = some.integers(0, 2**32)


class Life(RuleBasedStateMachine):
    """Events arrive late and early, metrics and experiments come and go, units are forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.stored = Stored(Path(self._directory.name))
        self._opened = open_state(None)
        self.state = self._opened.__enter__()
        self.now = STARTS + 2 * DAY
        self.plans: dict[str, Plan] = {}
        self.is_current = False

    @initialize(seed=seeds, keys=some.lists(some.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
    def begin(self, seed: int, keys: list[str]) -> None:
        self.stored.receive(*a_history(random.Random(seed), units=12))
        self.plans["checkout"] = a_plan({key: DEFINITIONS[key] for key in keys})

    @rule(seed=seeds)
    def events_arrive(self, seed: int) -> None:
        dice = random.Random(seed)
        did = [something(dice, f"u{dice.randint(0, 14)}") for _ in range(dice.randint(1, 9))]
        self._receive([], did)

    @rule(seed=seeds)
    def exposures_arrive(self, seed: int) -> None:
        dice = random.Random(seed)
        met = [
            Met(an_id(dice), f"u{dice.randint(0, 14)}", STARTS + dice.randint(0, 5 * 24) * (DAY // 24),
                dice.choice(("control", "treatment", "override")), dice.choice(("checkout", "search")))
            for _ in range(dice.randint(1, 4))
        ]  # fmt: skip
        self._receive(met, [])

    @rule()
    def files_are_merged(self) -> None:
        self.stored.merge()

    @rule(keys=some.lists(some.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
    def metrics_change(self, keys: list[str]) -> None:
        self.plans["checkout"] = a_plan({key: DEFINITIONS[key] for key in keys})
        self.is_current = False

    @rule(keys=some.lists(some.sampled_from(KEYS), min_size=1, max_size=3, unique=True))
    def another_experiment_runs(self, keys: list[str]) -> None:
        self.plans["search"] = a_plan({key: DEFINITIONS[key] for key in keys}, "search")
        self.is_current = False

    @precondition(lambda self: "search" in self.plans)
    @rule()
    def the_other_experiment_ends(self) -> None:
        del self.plans["search"]
        self.is_current = False

    @rule(hours=some.integers(0, 30))
    def time_passes(self, hours: int) -> None:
        self.now += hours * DAY // 24
        self.is_current = False

    @rule()
    def refreshes(self) -> None:
        advance(self.state, [*self.plans.values()], self.stored.arrived(), now=self.now)
        self.is_current = True

    @precondition(lambda self: self.is_current)
    @rule()
    def rows_are_compacted(self) -> None:
        compact(self.state, [*self.plans.values()])

    @precondition(lambda self: self.is_current)
    @rule(number=some.integers(0, 14))
    def a_unit_is_forgotten(self, number: int) -> None:
        unit = f"u{number}"
        forget_units(self.state, [*self.plans.values()], "user", [unit])
        self.stored.forget(unit)
        texts = self.state.run("SELECT COUNT(*) FROM units WHERE units.unit = ?", [unit])
        assert texts == [(0,)]

    @invariant()
    def the_state_is_true(self) -> None:
        if self.is_current:
            assert moved_sums_mismatches(self.state, [*self.plans.values()]) == {}
            for plan in self.plans.values():
                assert_true(self.state, plan, self.stored, self.now)

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)
        self._directory.cleanup()

    def _receive(self, met: list[Met], did: list[object]) -> None:
        self.stored.receive(met, did)  # type: ignore[arg-type]  # events of this round
        self.is_current = False


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=30,
    stateful_step_count=14,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestLife = pytest.mark.timeout(300)(TestLife)
