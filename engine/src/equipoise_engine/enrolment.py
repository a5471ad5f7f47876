"""Compiles one experiment into a step: eligibility → slot in the layer → gate → split or schedule.

A stopped or killed experiment enrols the same units and answers its control, without an enrolment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple, final

from equipoise_engine.contexts import Units, clock
from equipoise_engine.decisions import Answer, decided
from equipoise_engine.experiments import Experiment, Service
from equipoise_engine.hashing import canonical_unit, salt
from equipoise_engine.metadata import Metadata
from equipoise_engine.retracing import retrace
from equipoise_engine.splits import Arms, GateTest, placed, slot_edges, split
from equipoise_engine.steps import Decider, FlagStep, Found, Reading, Skip
from equipoise_engine.switchbacks import Switchback


def experiment_step(experiment: Experiment, answers: Mapping[str, Answer]) -> FlagStep:
    """Serve what an experiment gives the units that it enrols.

    Args:
        experiment: who is enrolled, and how they are split.
        answers: arm key → answer, for the flag that the step belongs to.
    """
    decider = _decider(experiment, answers)

    def read(units: Units, context: object) -> Reading:
        return retrace(experiment, units, context)

    return FlagStep("experiment", experiment.key, experiment.eligible, decider, read)


def _decider(experiment: Experiment, answers: Mapping[str, Answer]) -> Decider:
    if experiment.service is not Service.SPLIT:
        return Control(experiment, answers)
    if experiment.switchback is not None:
        return Scheduled(experiment, experiment.switchback, answers)
    if experiment.cluster_type is not None or experiment.layer.domain is not None:
        return Thorough(experiment, answers)
    return split(experiment, answers)


class _Entered(NamedTuple):
    """A unit that an experiment enrols, and what is randomised: itself or its cluster."""

    unit: str
    randomised: str


@final
class Entrance:
    """Finds which unit an experiment enrols, whatever its id and wherever its layer lies."""

    __slots__ = ("_experiment", "_gate", "_rooms")

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._gate = None if experiment.gate is None else GateTest(experiment.gate)
        self._rooms = tuple((salt(layer.salt), slot_edges(slots)) for layer, slots in experiment.rooms)

    def entered(self, units: Units, context: object) -> _Entered | Skip | None:
        """Return the unit; what else it returns is what the step finds."""
        experiment, gate = self._experiment, self._gate
        unit = canonical_unit(units.get(experiment.unit_type))
        randomised = experiment.randomised_unit(units, context)
        if unit is None or randomised is None:
            return Skip.UNIT_MISSING
        schedule = experiment.switchback
        if schedule is not None and randomised not in schedule.arms:
            return None
        for room, edges in self._rooms:
            if not bisect_right(edges, room.hash(randomised)) & 1:
                return None
        return _Entered(unit, randomised) if gate is None or gate.passes(randomised) else None


@final
class Control(Decider):
    """Gives the units of an experiment that no longer runs its control."""

    __slots__ = ("_control", "_entrance")

    def __init__(self, experiment: Experiment, answers: Mapping[str, Answer]) -> None:
        self._entrance, self._control = Entrance(experiment), decided(answers[experiment.control.key])

    def decide(self, units: Units, context: object) -> Found:
        """Answer, or pass."""
        entered = self._entrance.entered(units, context)
        return self._control if isinstance(entered, _Entered) else entered


@final
class Thorough(Decider):
    """Gives each enrolled unit its arm, or the arm of its cluster."""

    __slots__ = ("_arms", "_entrance", "_is_clustered", "_salt")

    def __init__(self, experiment: Experiment, answers: Mapping[str, Answer]) -> None:
        self._entrance, self._salt = Entrance(experiment), salt(experiment.salt)
        self._arms = Arms(experiment, answers)
        self._is_clustered = experiment.cluster_type is not None

    def decide(self, units: Units, context: object) -> Found:
        """Answer, or pass."""
        entered = self._entrance.entered(units, context)
        if not isinstance(entered, _Entered):
            return entered
        answer = self._arms.drawn(self._salt.hash(entered.randomised))
        if self._is_clustered and answer.place is not None:
            answer = answer.placed(answer.place._replace(cluster=entered.randomised))
        return decided(answer, entered.unit)


@final
class Scheduled(Decider):
    """Gives each region of a schedule the arm of the window that the context's time lies in."""

    __slots__ = ("_answers", "_entrance", "_schedule")

    def __init__(self, experiment: Experiment, schedule: Switchback, answers: Mapping[str, Answer]) -> None:
        self._entrance, self._schedule = Entrance(experiment), schedule
        self._answers = placed(experiment, answers)

    def decide(self, units: Units, context: object) -> Found:
        """Answer, or pass."""
        entered = self._entrance.entered(units, context)
        if not isinstance(entered, _Entered):
            return entered
        now = clock(context)
        if now is None:
            return Skip.CLOCK_MISSING
        window = self._schedule.window(now)
        if window is None:
            return None
        answer = self._answers[int(self._schedule.arms[entered.randomised][window.index])]
        told = {"experiment.window": window.index, "experiment.burn_in": window.is_burn_in}
        unit = f"{entered.unit}:{window.index}"
        return decided(answer.told(Metadata({**answer.metadata, **told})), unit)
