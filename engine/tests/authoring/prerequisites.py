"""Vectors of prerequisites, and of overrides that a context brings along."""

from __future__ import annotations

from collections.abc import Iterator

from authoring.parts import (
    LAYERS,
    Json,
    button,
    enrolled,
    expected,
    experiment,
    rollout,
    serve,
    snapshot,
    switch,
    unit_in_arm,
    user,
    vector,
)

GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}
OFF = expected(
    "#fff",
    "plain",
    "DEFAULT",
    metadata={"step": "prerequisite", "prerequisite": "checkout"},
    absent=["rule", "kill_level"],
)
BLUE = expected("#00a", "blue", "TARGETING_MATCH", metadata={"step": "rule"}, absent=["prerequisite"])


def asks(flag: str = "checkout", *variants: str) -> Json:
    return {"flag": flag, "variants": list(variants or ("on",))}


def behind(checkout: Json, flag: Json | None = None, **rest: object) -> Json:
    """A button that serves blue to all behind the flag "checkout"."""
    flag = flag or button(prerequisites=[asks()], rules=[serve("blue")])
    return snapshot(flags={"button": flag, "checkout": checkout}, **rest)


def vectors() -> Iterator[Json]:
    yield from _met_or_not()
    yield from _chains()
    yield from _faults()


def _met_or_not() -> Iterator[Json]:
    on, off = switch(default="on"), switch()
    yield vector("prerequisite met: the rules decide", behind(on), user("u1"), BLUE)
    yield vector("prerequisite not met: the off variant", behind(off), user("u1"), OFF)
    yield vector("prerequisite not met: before a unit is looked for", behind(off), {}, OFF)
    ruled = switch(rules=[serve("on", GERMAN)])
    yield vector("prerequisite met by a rule", behind(ruled), user("u1", country="DE"), BLUE)
    yield vector("prerequisite not met by a rule", behind(ruled), user("u1"), OFF)
    killed = switch(default="on", killed=True)
    yield vector("a killed prerequisite serves its off variant", behind(killed), user("u1"), OFF)
    wants_off = button(prerequisites=[asks("checkout", "off")], rules=[serve("blue")])
    yield vector("a killed prerequisite, of which off is wanted", behind(killed, wants_off), user("u1"), BLUE)
    either = button(prerequisites=[asks("checkout", "on", "off")], rules=[serve("blue")])
    yield vector("a prerequisite with two variants", behind(off, either), user("u1"), BLUE)
    two = button(prerequisites=[asks("first"), asks()], rules=[serve("blue")])
    for first, second, answer in [(on, on, BLUE), (on, off, OFF)]:
        document = behind(second, two)
        document["flags"]["first"] = first
        yield vector(f"two prerequisites, {answer['variant']}", document, user("u1"), answer)
    document = behind(off, two)
    document["flags"]["first"] = off
    first = {**OFF, "metadata": {"prerequisite": "first"}}
    yield vector("two prerequisites: the first that is not met is named", document, user("u1"), first)
    static = button(prerequisites=[asks()])
    grey = expected("#888", "grey", "DEFAULT", metadata={"step": "default"})
    yield vector("a flag with prerequisites alone is not static", behind(on, static), user("u1"), grey)
    named = [{"variant": "green", "unit_type": "user", "units": ["u1"]}]
    flag = button(prerequisites=[asks()], overrides=named)
    yield vector("prerequisites come before overrides", behind(off, flag), user("u1"), OFF)
    dead = button(prerequisites=[asks()], killed=True)
    answer = expected("#fff", "plain", "DISABLED", metadata={"step": "kill"}, absent=["prerequisite"])
    yield vector("a kill comes before prerequisites", behind(off, dead), user("u1"), answer)
    parent = switch(rules=[rollout("on", 1_000_000)])
    yield vector("a prerequisite without a unit", behind(parent), {}, {**OFF, "absent": ["skipped"]})
    linked = {"overrides": {"checkout": "on"}}
    yield vector("a prerequisite met by a link", behind(off), {**user("u1"), **linked}, BLUE)


def _chains() -> Iterator[Json]:
    arms = [
        {"key": "control", "weight": 1, "values": {"checkout": "off"}},
        {"key": "treatment", "weight": 1, "values": {"checkout": "on"}},
    ]
    document = behind(
        switch(experiments=["trial"]), layers=LAYERS, experiments={"trial": experiment(variants=arms)}
    )
    control, treatment = unit_in_arm(0), unit_in_arm(1)
    yield vector("a prerequisite in an experiment, treated", document, user(treatment), BLUE)
    yield vector("a prerequisite in an experiment, control", document, user(control), OFF)
    answer = expected(True, "on", "SPLIT", enrolment=enrolled("treatment", treatment))
    told = {"flag": "checkout", "code_default": False}
    yield vector("a prerequisite still answers for itself", document, user(treatment), answer, **told)
    for length in (16, 17):
        flags = {"f1": switch(default="on")}
        for level in range(2, length + 1):
            flags[f"f{level}"] = switch(prerequisites=[asks(f"f{level - 1}")], default="on")
        document = snapshot(flags=dict(reversed(flags.items())))
        sound = expected(True, "on", "DEFAULT")
        if length > 16:
            sound = expected(True, "on", "ERROR", error_code="GENERAL")
        yield vector(f"a chain of {length} flags", document, user("u1"), sound)
    for count in (64, 65):
        flags = {f"f{n}": switch(default="on") for n in range(count)}
        wide = {"wide": switch(prerequisites=[asks(key) for key in flags], default="on")}
        sound = expected(True, "on", "DEFAULT")
        if count > 64:
            sound = expected(True, "on", "ERROR", error_code="GENERAL")
        yield vector(f"{count} prerequisites", snapshot(flags={**wide, **flags}), user("u1"), sound)


def _faults() -> Iterator[Json]:
    def faulty(name: str, prerequisites: object, code: str = "GENERAL", **others: Json) -> Json:
        flag = button(prerequisites=prerequisites, rules=[serve("blue")])
        document = snapshot(flags={"button": flag, "checkout": switch(default="on"), **others})
        answer = expected("#888", "grey", "ERROR", error_code=code, metadata={"step": "error"})
        return vector(f"fault: {name}", document, user("u1"), answer)

    yield faulty("a prerequisite that is no flag", [asks("nothing")])
    yield faulty("a prerequisite without that variant", [asks("checkout", "on", "maybe")])
    yield faulty("a flag that waits for itself", [asks("button", "blue")])
    around = switch(prerequisites=[asks("button", "blue")])
    yield faulty("two flags that wait for each other", [asks("other")], other=around)
    yield faulty("a flag behind a cycle", [asks("other")], other=switch(prerequisites=[asks("other")]))
    yield faulty("prerequisites that are an object", {"checkout": "on"}, "PARSE_ERROR")
    yield faulty("a prerequisite that is text", ["checkout"], "PARSE_ERROR")
    yield faulty("a prerequisite of no variants", [{"flag": "checkout", "variants": []}], "PARSE_ERROR")
    yield faulty("a prerequisite with a null flag", [{"flag": None, "variants": ["on"]}], "PARSE_ERROR")
    broken = switch(default="on", rules=None)
    yield vector("a faulty prerequisite counts by the default that it serves", behind(broken), {}, BLUE)
    yield vector("a prerequisite that serves no variant is not met", behind(switch(default=None)), {}, OFF)


def links() -> Iterator[Json]:
    """Yield overrides that a context brings along."""
    told = {"metadata": {"step": "override", "experiment.arm": "override"}}
    green = expected("#0a0", "green", "TARGETING_MATCH", **told)
    blue = expected("#00a", "blue", "TARGETING_MATCH", **told)
    grey = expected("#888", "grey", "DEFAULT", metadata={"step": "default"})
    named = [{"variant": "blue", "unit_type": "user", "units": ["u1"]}]
    flag = button(overrides=named, experiments=["trial"])
    document = snapshot(
        layers=LAYERS, experiments={"trial": experiment(eligibility=GERMAN)}, flags={"button": flag}
    )

    def linked(overrides: object, **members: object) -> Json:
        return {**user("u1"), "overrides": overrides, **members}

    yield vector("a link names the variant", document, linked({"button": "green"}), green)
    yield vector("a link comes before named units", document, linked({"button": "green"}), green)
    german = linked({"button": "green"}, attributes={"country": "DE"})
    yield vector("a link comes before an experiment", document, german, green)
    yield vector("a link without units", document, {"overrides": {"button": "green"}}, green)
    yield vector("a link with null units", document, linked({"button": "green"}, units=None), green)
    yield vector("a link to another flag", document, linked({"banner": "on"}), blue)
    for overrides in (
        {"button": "pink"},
        {"button": None},
        {"button": 1},
        {"button": ["green"]},
        {},
        None,
        [],
        "x",
    ):
        yield vector(f"a link that names {overrides!r}", document, linked(overrides), blue)
    strangers = {**user("u2"), "overrides": {"button": "pink"}}
    yield vector("a link to nothing leaves a stranger alone", document, strangers, grey)
    static = snapshot(flags={"button": button()})
    yield vector("a link to a static flag", static, linked({"button": "green"}), green)
    calm = expected("#888", "grey", "STATIC")
    yield vector("a static flag stays static with other links", static, linked({"other": "green"}), calm)
    dead = snapshot(flags={"button": button(killed=True)})
    off = expected("#fff", "plain", "DISABLED")
    yield vector("a link does not undo a kill", dead, linked({"button": "green"}), off)
    waits = snapshot(flags={"button": button(prerequisites=[asks()]), "checkout": switch()})
    yield vector("a link does not meet prerequisites", waits, linked({"button": "green"}), OFF)
    faulty = snapshot(flags={"button": button(rules=None)})
    answer = expected("#888", "grey", "ERROR", error_code="PARSE_ERROR")
    yield vector("a link does not mend a fault", faulty, linked({"button": "green"}), answer)
