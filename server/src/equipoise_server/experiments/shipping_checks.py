"""What must hold before a treatment is shipped. Pure; refusing to ship never needs any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from equipoise_server.experiments.checks import CheckRow
from equipoise_server.experiments.values import Experiment, Status, StopCause, VerdictState
from equipoise_server.flags.values import Flag
from equipoise_server.foundation.refusals import Problem

# What the evidence may say that forbids shipping whatever else it says.
BLOCKING_STATES: dict[VerdictState, str] = {
    VerdictState.NO_DATA: "No unit has met a variant yet, so nothing is known about it.",
    VerdictState.TOO_EARLY: "There is too little data to rule harm out. Restart it and let it run longer.",
    VerdictState.WITHHELD_SRM: (
        "The results are withheld because the split of the units is broken. Find the cause, then restart."
    ),
    VerdictState.WITHHELD_STATE: (
        "The results are withheld because the sums they are made from differ from the raw events. They are"
        " made again by themselves; wait for the next report."
    ),
    VerdictState.GUARDRAIL_BREACHED: "A guardrail was breached: the treatment does harm.",
    VerdictState.GUARDRAIL_UNCLEAR: (
        "A guardrail has not been shown to hold. Restart it with more units or a longer run."
    ),
}


@dataclass(frozen=True, slots=True)
class ShippingFacts:
    """An experiment, the arm somebody wants to ship, and the flags by key, without the archived ones."""

    experiment: Experiment
    arm: str
    flags: Mapping[str, Flag]
    environment_key: str
    is_environment_killed: bool = False
    killed_groups: Mapping[str, str] = field(default_factory=dict)
    """Flag key → a group of it that is killed there."""


def status_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """Deciding comes after stopping."""
    if facts.experiment.status is not Status.STOPPED:
        yield Problem("", f"“{facts.experiment.key}” is {facts.experiment.status}; stop it, then decide.")


def arm_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """What is shipped was tried."""
    iteration = facts.experiment.iteration
    if iteration is None:
        return
    treatments = [arm.key for arm in iteration.design.arms if arm.key != iteration.design.control]
    if facts.arm not in treatments:
        yield Problem("arm", f"Choose the treatment to ship: {', '.join(treatments)}.")


def verdict_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """There is evidence, and it can be trusted."""
    verdict = facts.experiment.verdict
    if verdict is None:
        yield Problem("", "There is no report yet; wait for the next refresh.")
    elif verdict.state in BLOCKING_STATES:
        yield Problem("", BLOCKING_STATES[verdict.state])


def block_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """Nothing that analysis found forbids it."""
    verdict = facts.experiment.verdict
    if verdict is None:
        return
    for reason in (*verdict.blocks_shipping, *verdict.blocks_arms.get(facts.arm, ())):
        yield Problem("", reason)


def kill_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """Nobody had to kill it: taking the kill back does not make the treatment safe."""
    iteration = facts.experiment.iteration
    if iteration is not None and iteration.stop_cause is StopCause.KILL:
        yield Problem(
            "", "A kill ended this run, so it cannot be shipped. Mend what was killed, then restart it."
        )


def flag_faults(facts: ShippingFacts) -> Iterator[Problem]:
    """The flags can carry a rollout."""
    iteration = facts.experiment.iteration
    if facts.is_environment_killed:
        where = facts.environment_key
        yield Problem("arm", f"The environment “{where}” is killed; take the kill back first.")
    arms = () if iteration is None else iteration.design.arms
    for key in sorted({key for arm in arms for key in arm.values}):
        flag = facts.flags.get(key)
        if flag is None:
            yield Problem("arm", f"The flag “{key}” is archived; nothing can be rolled out through it.")
        elif flag.settings[facts.environment_key].is_killed:
            yield Problem(
                "arm", f"The flag “{key}” is killed in “{facts.environment_key}”; take the kill back first."
            )
        elif key in facts.killed_groups:
            group = facts.killed_groups[key]
            yield Problem("arm", f"The group “{group}” of “{key}” is killed; take the kill back first.")


SHIPPING_CHECKS: tuple[CheckRow[ShippingFacts], ...] = (
    CheckRow("status", "The experiment is stopped", status_faults),
    CheckRow("arm", "A treatment is chosen", arm_faults),
    CheckRow("verdict", "The evidence can be trusted", verdict_faults),
    CheckRow("blocks", "Nothing in the report forbids shipping", block_faults),
    CheckRow("kill", "No kill ended it", kill_faults),
    CheckRow("flags", "The flags can carry a rollout", flag_faults),
)
