"""Vectors of experiments: eligibility, slots, gate, split, kill, stop, and what comes after."""

from __future__ import annotations

from collections.abc import Iterator

from authoring import murmur
from authoring.parts import (
    LAYERS,
    Json,
    button,
    enrolled,
    expected,
    experiment,
    serve,
    snapshot,
    switch,
    trial,
    unit_in_arm,
    units,
    user,
    vector,
)

COLOURS = {"control": ("#888", "grey"), "treatment": ("#0a0", "green")}
DEFAULT = expected("#888", "grey", "DEFAULT")
GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}


def split(arm: str, unit: str, **more: object) -> Json:
    """The answer for a unit that is enrolled in "trial"."""
    told = {"step": "experiment", "experiment.key": "trial", "experiment.arm": arm}
    told |= {"experiment.active": True, "experiment.iteration": 3, "experiment.layer": "checkout"}
    more.setdefault("metadata", told)
    return expected(*COLOURS[arm], "SPLIT", enrolment=enrolled(arm, unit), **more)


def vectors() -> Iterator[Json]:
    yield from _splits()
    yield from _slots_and_gates()
    yield from _stops()
    yield from _several()
    yield from _joint()


def _splits() -> Iterator[Json]:
    for unit in ("u1", "u2", "u3", "u4", "日本語", "5bc8fbbc-bde5-4099-8164-d8399f767c45"):
        index = murmur.arm(murmur.share("splitsalt", unit), [1, 1])
        answer = split(("control", "treatment")[index], unit)
        yield vector(f"split 1:1 of {unit!a}", trial(), user(unit), answer)
    arms = [
        {"key": "control", "weight": 0, "values": {"button": "grey"}},
        {"key": "treatment", "weight": 3, "values": {"button": "green"}},
    ]
    yield vector("split: weight 0 gets nobody", trial(variants=arms), user("u1"), split("treatment", "u1"))
    for index in range(3):
        weights = (1, 2, 7)
        unit = unit_in_arm(index, weights=weights)
        keys, colours = ("control", "green-arm", "blue-arm"), ("grey", "green", "blue")
        arms = [
            {"key": key, "weight": weight, "values": {"button": colour}}
            for key, weight, colour in zip(keys, weights, colours, strict=True)
        ]
        value = ("#888", "#0a0", "#00a")[index]
        answer = expected(value, colours[index], "SPLIT", enrolment=enrolled(keys[index], unit))
        yield vector(f"split 1:2:7, arm {index}", trial(variants=arms), user(unit), answer)
    other = next(units(lambda unit: _arm(unit, "splitsalt") != _arm(unit, "restarted")))
    arm = ("control", "treatment")[_arm(other, "restarted")]
    answer = split(arm, other, metadata={"experiment.iteration": 4})
    answer["enrolment"]["iteration"] = 4
    document = trial(salt="restarted", iteration=4)
    yield vector("split: a restart has another salt", document, user(other), answer)
    document = trial(eligibility=GERMAN)
    yield vector("eligibility holds", document, user("u1", country="DE"), split(_name("u1"), "u1"))
    yield vector("eligibility does not hold", document, user("u1"), DEFAULT)
    missing = {**DEFAULT, "metadata": {"step": "default", "skipped": "unit_missing"}}
    yield vector("eligible without a unit", document, {"attributes": {"country": "DE"}}, missing)
    unnoted = {**DEFAULT, "absent": ["skipped"]}
    yield vector("neither eligible nor with a unit", document, {}, unnoted)


def _arm(unit: str, salt: str = "splitsalt") -> int:
    return murmur.arm(murmur.share(salt, unit), [1, 1])


def _name(unit: str) -> str:
    return ("control", "treatment")[_arm(unit)]


def _slots_and_gates() -> Iterator[Json]:
    for unit in ("u1", "u2", "ü"):
        slot = murmur.slot("layersalt", unit)
        inside, name = split(_name(unit), unit), f"{unit!a} in slot {slot}"
        forms = [
            ([[slot, slot + 1]], inside),
            ([[0, slot], [slot + 1, 10000]], DEFAULT),
            ([[0, slot + 1]], inside),
            ([[slot, 10000]], inside),
            ([[slot + 1, 10000]], DEFAULT),
            ([], DEFAULT),
        ]
        for ranges, answer in forms:
            yield vector(f"slots {ranges}: {name}", trial(slots=ranges), user(unit), answer)
        part = int(murmur.share("gatesalt", unit) * 1_000_000)
        for parts, answer in [(part, DEFAULT), (part + 1, inside), (0, DEFAULT), (1_000_000, inside)]:
            gate = {"salt": "gatesalt", "parts_per_million": parts}
            yield vector(f"gate of {parts}: {unit!a} at {part}", trial(gate=gate), user(unit), answer)
    overlapping = trial(slots=[[5000, 10000], [0, 6000], [100, 200]])
    yield vector("slots that overlap are one range", overlapping, user("u1"), split(_name("u1"), "u1"))
    for unit in ("a" * 110, "a" * 111, "a" * 118, "a" * 119, "a" * 256, "ü" * 128):
        name = f"a unit of {len(unit)} times {unit[0]!a} is split"
        yield vector(name, trial(), user(unit), split(_name(unit), unit))
    document = trial(button(experiments=["trial"], rules=[serve("blue")]), slots=[])
    blue = expected("#00a", "blue", "TARGETING_MATCH")
    yield vector("outside an experiment rules decide", document, user("u1"), blue)
    document = trial(button(experiments=["trial"], rules=[serve("blue")]))
    yield vector("inside, rules do not", document, user("u1"), split(_name("u1"), "u1"))
    skipped = {**blue, "metadata": {"skipped": "unit_missing", "step": "rule"}}
    yield vector("without a unit rules decide and the skip is noted", document, {}, skipped)


def _stops() -> Iterator[Json]:
    unit, rules = unit_in_arm(1), [serve("blue")]
    inactive = {"step": "experiment", "experiment.arm": "control", "experiment.active": False}
    forms: list[tuple[str, Json, str, Json]] = [
        ("stopped", {"state": "stopped"}, "DEFAULT", inactive),
        ("killed", {"killed": True}, "DISABLED", {**inactive, "kill_level": "experiment"}),
        ("stopped and killed", {"state": "stopped", "killed": True}, "DISABLED", inactive),
    ]
    for name, members, reason, told in forms:
        document = trial(button(experiments=["trial"], rules=rules, default="blue"), **members)
        answer = expected("#888", "grey", reason, metadata=told)
        yield vector(f"{name}: control to its units, unexposed", document, user(unit), answer)
        document = trial(button(experiments=["trial"], rules=rules), slots=[], **members)
        blue = expected("#00a", "blue", "TARGETING_MATCH")
        yield vector(f"{name}: rules to the others", document, user(unit), blue)
        gate = {"salt": "gatesalt", "parts_per_million": 0}
        document = trial(button(experiments=["trial"], rules=rules), gate=gate, **members)
        yield vector(f"{name}: rules to those outside the gate", document, user(unit), blue)
        document = trial(eligibility=GERMAN, **members)
        yield vector(f"{name}: not eligible", document, user(unit), DEFAULT)


def _several() -> Iterator[Json]:
    unit = "u1"
    slot = murmur.slot("layersalt", unit)
    blue_arm = [{"key": "control", "weight": 1, "values": {"button": "blue"}}]

    def two(first: Json, second: Json) -> Json:
        return snapshot(
            layers=LAYERS,
            experiments={"trial": experiment(**first), "second": experiment(variants=blue_arm, **second)},
            flags={"button": button(experiments=["trial", "second"])},
        )

    second = enrolled("control", unit, experiment="second")
    blue = expected("#00a", "blue", "SPLIT", enrolment=second)
    mine = split(_name(unit), unit)
    yield vector("two experiments: the first that enrols", two({}, {}), user(unit), mine)
    apart = two({"slots": [[0, slot]]}, {"slots": [[slot, 10000]]})
    yield vector("two experiments with disjoint slots", apart, user(unit), blue)
    stopped = two({"state": "stopped"}, {})
    yield vector("a running one comes before a stopped one", stopped, user(unit), blue)
    killed = two({"killed": True}, {})
    yield vector("a running one comes before a killed one", killed, user(unit), blue)
    outside = two({"state": "stopped"}, {"slots": []})
    grey = expected("#888", "grey", "DEFAULT", metadata={"experiment.key": "trial"})
    yield vector("the stopped one, when the running one does not enrol", outside, user(unit), grey)
    by_account = two({"unit_type": "account", "layer": "accounts"}, {})
    noted = {**blue, "metadata": {"skipped": "unit_missing", "experiment.key": "second"}}
    yield vector("the first skipped for lack of an account", by_account, user(unit), noted)


def _joint() -> Iterator[Json]:
    """One experiment sets two flags: a unit has the same arm in both."""
    arms = [
        {"key": "control", "weight": 1, "values": {"button": "grey", "banner": "off"}},
        {"key": "treatment", "weight": 1, "values": {"button": "green", "banner": "on"}},
    ]
    document = snapshot(
        layers=LAYERS,
        experiments={"trial": experiment(variants=arms)},
        flags={"button": button(experiments=["trial"]), "banner": switch(experiments=["trial"])},
    )
    for index, arm in enumerate(("control", "treatment")):
        unit = unit_in_arm(index)
        yield vector(f"joint: {arm} of the button", document, user(unit), split(arm, unit))
        value, variant = ((False, "off"), (True, "on"))[index]
        answer = expected(value, variant, "SPLIT", enrolment=enrolled(arm, unit))
        yield vector(
            f"joint: {arm} of the banner", document, user(unit), answer, flag="banner", code_default=False
        )
    faulty = {"button": button(experiments=["trial"], killed=None), "banner": switch(experiments=["trial"])}
    document = document | {"flags": faulty}
    unit = unit_in_arm(1)
    answer = expected(True, "on", "SPLIT", enrolment=enrolled("treatment", unit))
    yield vector(
        "joint: a fault of one flag leaves the other",
        document,
        user(unit),
        answer,
        flag="banner",
        code_default=False,
    )
