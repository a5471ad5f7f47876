"""Vectors of kill, overrides, rollouts, rules, units, types and errors."""

from __future__ import annotations

from collections.abc import Iterator

from authoring import murmur
from authoring.conditions import negated
from authoring.parts import (
    LAYERS,
    Json,
    button,
    enrolled,
    expected,
    experiment,
    failed,
    rollout,
    serve,
    snapshot,
    switch,
    trial,
    unit_in_arm,
    units,
    user,
    vector,
)

FAULTY_RULE = serve("on", {"attribute": "a", "operator": "resembles", "value": 1})
GROUPS = {"payments": {"killed": True}, "search": {"killed": False}}


def kill() -> Iterator[Json]:
    off = expected("#fff", "plain", "DISABLED")
    forms: list[tuple[str, Json, Json]] = [
        ("environment", button(), {"killed": True}),
        ("group", button(groups=["search", "payments"]), {"groups": GROUPS}),
        ("flag", button(killed=True), {}),
    ]
    busy = {
        "overrides": [{"variant": "blue", "unit_type": "user", "units": ["u1"]}],
        "experiments": ["trial"],
        "rules": [serve("green")],
    }
    for level, flag, rest in forms:
        answer = {**off, "metadata": {"step": "kill", "kill_level": level}}
        yield vector(
            f"kill {level}: off variant", snapshot(flags={"button": flag}, **rest), user("u1"), answer
        )
        document = trial(flag | busy, rest)
        yield vector(f"kill {level}: before overrides, experiments and rules", document, user("u1"), answer)
        yield vector(f"kill {level}: before the context is read", document, [], answer)
        faulty = flag | {"rules": [{"id": "r1", "serve": None}]}
        document = snapshot(flags={"button": faulty}, **rest)
        yield vector(f"kill {level}: although a rule is faulty", document, user("u1"), answer)
        yield vector(
            f"kill {level}: a code default of another type still wins",
            document,
            user("u1"),
            failed(1, "TYPE_MISMATCH"),
            code_default=1,
        )
    both = button(groups=["payments"], killed=True)
    outer = {**off, "metadata": {"kill_level": "environment"}}
    document = snapshot(killed=True, groups=GROUPS, flags={"button": both})
    yield vector("kill: the outermost level is named", document, user("u1"), outer)
    middle = {**off, "metadata": {"kill_level": "group"}}
    document = snapshot(groups=GROUPS, flags={"button": both})
    yield vector("kill: group is named before flag", document, user("u1"), middle)
    document = snapshot(groups=GROUPS, flags={"button": button(groups=["search"])})
    yield vector(
        "kill: another group's kill does not reach", document, user("u1"), expected("#888", "grey", "STATIC")
    )
    document = snapshot(killed=True, flags={"button": button(off="absent")})
    yield vector("kill: without a usable off variant", document, {}, failed("code", "PARSE_ERROR"))


def overrides() -> Iterator[Json]:
    named = {"variant": "blue", "unit_type": "user", "units": ["qa-1", 17]}
    staff = {"variant": "green", "segment": "staff"}
    segments = {"staff": {"attribute": "role", "operator": "equals", "value": "staff"}}
    flag = button(overrides=[named, staff], experiments=["trial"])
    document = trial(flag, {"segments": segments})
    told = {"metadata": {"step": "override", "experiment.arm": "override"}}
    blue = {**expected("#00a", "blue", "TARGETING_MATCH"), **told}
    green = {**expected("#0a0", "green", "TARGETING_MATCH"), **told}
    yield vector("override: a named unit", document, user("qa-1"), blue)
    yield vector("override: an integer names the same unit as its text", document, user("17"), blue)
    yield vector("override: an integer unit is named", document, user(17), blue)
    yield vector("override: a member of a segment", document, user("u9", role="staff"), green)
    yield vector(
        "override: a member of a segment without a unit", document, {"attributes": {"role": "staff"}}, green
    )
    yield vector("override: the first one decides", document, user("qa-1", role="staff"), blue)
    unit = unit_in_arm(0)
    answer = expected("#888", "grey", "SPLIT", enrolment=enrolled("control", unit))
    yield vector("override: others go on to the experiment", document, user(unit), answer)
    document = snapshot(flags={"button": button(overrides=[named])})
    grey = expected("#888", "grey", "DEFAULT")
    yield vector("override: nobody is named", document, user("qa-2"), grey)
    yield vector(
        "override: a unit of another type is not named", document, {"units": {"account": "qa-1"}}, grey
    )
    document = snapshot(flags={"button": button(overrides=[{**named, "units": []}])})
    yield vector("override: an empty list names nobody", document, user("qa-1"), grey)


def rollouts() -> Iterator[Json]:
    inside = next(units(lambda unit: murmur.share("rollsalt", unit) * 10 < 1))
    outside = next(units(lambda unit: murmur.share("rollsalt", unit) * 10 >= 1))
    grey = expected("#888", "grey", "DEFAULT")
    green = expected("#0a0", "green", "SPLIT", metadata={"step": "rule", "rule": "r1"})
    tenth = snapshot(flags={"button": button(rules=[rollout("green", 100_000)])})
    yield vector("rollout 10 %: a unit inside", tenth, user(inside), green)
    yield vector("rollout 10 %: a unit outside", tenth, user(outside), grey)
    for parts, answer in [(0, grey), (1_000_000, green)]:
        document = snapshot(flags={"button": button(rules=[rollout("green", parts)])})
        yield vector(f"rollout {parts} parts: u1", document, user("u1"), answer)
    for unit in ("u1", "ü", "日本語", "0"):
        part = int(murmur.share("rollsalt", unit) * 1_000_000)
        for parts, answer in [(part, grey), (part + 1, green)]:
            document = snapshot(flags={"button": button(rules=[rollout("green", parts)])})
            yield vector(f"rollout {parts} parts: {unit!a} at part {part}", document, user(unit), answer)
    rules = [rollout("green", 100_000), serve("blue", rule="r2")]
    document = snapshot(flags={"button": button(rules=rules)})
    blue = expected("#00a", "blue", "TARGETING_MATCH", metadata={"rule": "r2"})
    yield vector("rollout: outside goes on to the next rule", document, user(outside), blue)
    skipped = {**blue, "metadata": {"rule": "r2", "skipped": "unit_missing"}}
    yield vector("rollout: a missing unit goes on and is noted", document, {"units": {}}, skipped)
    german = {"attribute": "country", "operator": "equals", "value": "DE"}
    rule = {**rollout("green", 1_000_000), "eligibility": german}
    document = snapshot(flags={"button": button(rules=[rule])})
    yield vector("rollout: eligible", document, user("u1", country="DE"), green)
    yield vector("rollout: not eligible", document, user("u1", country="FR"), grey)
    yield vector(
        "rollout: not eligible comes before a missing unit", document, {}, {**grey, "absent": ["skipped"]}
    )
    document = snapshot(flags={"button": button(rules=[rollout("green", 1_000_000, unit_type="account")])})
    yield vector("rollout: by account", document, {"units": {"account": 5}}, green)
    yield vector(
        "rollout: by account, given a user",
        document,
        user("5"),
        grey | {"metadata": {"skipped": "unit_missing"}},
    )
    document = snapshot(flags={"button": button(rules=[serve("green", german), serve("blue", rule="r2")])})
    yield vector(
        "rules: the first that fits decides",
        document,
        user("u1", country="DE"),
        expected("#0a0", "green", "TARGETING_MATCH"),
    )
    yield vector("rules: the next one otherwise", document, user("u1"), blue)


def unit_ids() -> Iterator[Json]:
    everybody = snapshot(flags={"button": button(rules=[rollout("green", 1_000_000)])})
    green = expected("#0a0", "green", "SPLIT", absent=["skipped"])
    missing = expected("#888", "grey", "DEFAULT", metadata={"step": "default", "skipped": "unit_missing"})
    usable = ["a", " ", " a ", "A", "ü" * 128, "a" * 256, "\u0000", "null", 0, -7, 42, 9007199254740991]
    unusable = [
        "",
        "a" * 257,
        "ü" * 129,
        "\ud800",
        "a\udc00b",
        True,
        False,
        1.5,
        None,
        [],
        ["u1"],
        {},
        {"user": "u1"},
    ]
    for unit in usable:
        yield vector(f"unit {ascii(unit)[:20]} of {len(str(unit))} is usable", everybody, user(unit), green)
    for unit in unusable:
        yield vector(
            f"unit {ascii(unit)[:20]} of {len(str(unit))} counts as missing", everybody, user(unit), missing
        )
    for unit in (17, "17"):
        answer = expected("#888", "grey", "SPLIT")
        arm = murmur.arm(murmur.share("splitsalt", "17"), [1, 1])
        if arm:
            answer = expected("#0a0", "green", "SPLIT")
        answer["enrolment"] = enrolled(["control", "treatment"][arm], "17")
        yield vector(f"unit {unit!r} is enrolled as the text 17", trial(), user(unit), answer)
    yield vector("no units at all", everybody, {"attributes": {}}, missing)
    yield vector("null units", everybody, {"units": None, "attributes": None}, missing)
    yield vector("an empty context", everybody, {}, missing)
    yield vector("a unit called __proto__ is one", everybody, user("__proto__"), green)
    document = snapshot(
        unit_types=["user", "toString"],
        flags={"button": button(rules=[rollout("green", 1_000_000, unit_type="toString")])},
    )
    yield vector("a unit type that is a word of JavaScript", document, user("u1"), missing)


def types() -> Iterator[Json]:
    variants: dict[str, tuple[object, object]] = {
        "boolean": (True, False),
        "string": ("text", ""),
        "number": (1.5, 0),
        "object": ({"a": [1, {"b": None}]}, []),
    }
    defaults: dict[str, list[object]] = {
        "boolean": [True, False],
        "string": ["", "x"],
        "number": [0, -1, 2.5],
        "object": [{}, {"x": 1}, []],
    }
    for kind, (first, second) in variants.items():
        flag = {"type": kind, "variants": {"a": first, "b": second}, "off": "b", "default": "a"}
        document = snapshot(flags={"setting": flag})
        for other, candidates in defaults.items():
            for code_default in candidates:
                same = other == kind
                answer = expected(first, "a", "STATIC") if same else failed(code_default, "TYPE_MISMATCH")
                name = f"a {kind} flag with the code default {code_default!r}"
                yield vector(name, document, {}, answer, code_default=code_default)
        name = f"a {kind} flag without a code default"
        yield vector(name, document, {}, expected(first, "a", "STATIC"), code_default=None)


def ruled(condition: object) -> Json:
    return switch(rules=[serve("on", condition)])


def _senseless_flags() -> Iterator[tuple[str, Json, str]]:
    """Yield definitions that can be read and make no sense: "off" with an error."""
    yield "an unknown operator", switch(rules=[FAULTY_RULE]), "GENERAL"
    yield "an unknown segment", ruled({"segment": "nobody"}), "GENERAL"
    yield "a segment in a cycle", ruled({"segment": "egg"}), "GENERAL"
    yield "a segment that is faulty", ruled({"segment": "faulty"}), "GENERAL"
    yield "a segment with a member of the future", ruled({"segment": "moody"}), "GENERAL"
    yield "seventeen levels", ruled(negated({"all": []}, 16)), "GENERAL"
    yield "seventeen levels through a segment", ruled(negated({"segment": "all"}, 15)), "GENERAL"
    yield "an unknown experiment", switch(experiments=["nothing"]), "GENERAL"
    yield "a faulty experiment", switch(experiments=["faulty"]), "GENERAL"
    yield "an experiment in a layer of another unit", switch(experiments=["crossed"]), "GENERAL"
    yield "an experiment that does not set the flag", switch(experiments=["other"]), "GENERAL"
    yield "an experiment in an unknown layer", switch(experiments=["lost"]), "GENERAL"
    yield (
        "an override by an unknown segment",
        switch(overrides=[{"variant": "on", "segment": "x"}]),
        "GENERAL",
    )
    yield "an unknown group", switch(groups=["nothing"]), "GENERAL"
    yield "an undeclared unit type", switch(rules=[rollout("on", 1, unit_type="device")]), "GENERAL"
    yield "a rule that serves an unknown variant", switch(rules=[serve("maybe")]), "GENERAL"


def _malformed_flags() -> Iterator[tuple[str, Json, str]]:
    """Yield definitions that cannot be read: "off" with an error."""
    yield "a condition without a form", ruled({}), "PARSE_ERROR"
    yield "a condition with two forms", ruled({"all": [], "any": []}), "PARSE_ERROR"
    yield "a condition that is text", ruled("country = DE"), "PARSE_ERROR"
    yield "a null part of a condition", ruled({"all": [None]}), "PARSE_ERROR"
    yield "a rule without an id", switch(rules=[{"serve": "on"}]), "PARSE_ERROR"
    yield "a null rule", switch(rules=[None]), "PARSE_ERROR"
    yield "rules that are null", switch(rules=None), "PARSE_ERROR"
    yield "killed that is null", switch(killed=None), "PARSE_ERROR"
    moody = {"attribute": "a", "operator": "is_set", "mood": "odd"}
    yield "a clause with a member of the future", ruled(moody), "PARSE_ERROR"
    yield "a combination with a member of the future", ruled({"all": [], "mood": "odd"}), "PARSE_ERROR"
    yield "killed that is text", switch(killed="false"), "PARSE_ERROR"
    yield "a member of the future", switch(moods=[]), "PARSE_ERROR"
    yield "a group that is a number", switch(groups=[1]), "PARSE_ERROR"
    yield "no off variant", switch(off=None), "PARSE_ERROR"
    yield "a variant of another type", switch(variants={"on": True, "off": False, "x": 1}), "PARSE_ERROR"
    yield "a rollout of too many parts", switch(rules=[rollout("on", 1_000_001)]), "PARSE_ERROR"
    yield "a rollout of half a part", switch(rules=[rollout("on", 0.5)]), "PARSE_ERROR"  # type: ignore[arg-type]
    yield "a rollout without a salt", switch(rules=[rollout("on", 1, salt="")]), "PARSE_ERROR"
    yield (
        "an override without units",
        switch(overrides=[{"variant": "on", "unit_type": "user"}]),
        "PARSE_ERROR",
    )
    yield (
        "an override by a float",
        switch(overrides=[{"variant": "on", "unit_type": "user", "units": [1.5]}]),
        "PARSE_ERROR",
    )


def _faulty_constants() -> Iterator[tuple[str, Json]]:
    constants: list[tuple[str, str, object]] = [
        ("equals", "value", None),
        ("equals", "value", ["DE"]),
        ("equals", "values", ["DE"]),
        ("equals", "value", 9007199254740992),
        ("in", "value", "DE"),
        ("in", "values", ["DE", 1]),
        ("in", "values", [True]),
        ("greater", "value", "18"),
        ("greater", "value", True),
        ("less", "values", [18]),
        ("starts_with", "value", "x"),
        ("contains", "values", [1]),
        ("semver_equals", "value", "one"),
        ("semver_less", "value", 2),
        ("before", "value", "tomorrow"),
        ("before", "value", 1709164800),
        ("after", "value", "2026-02-30T00:00:00Z"),
        ("is_set", "value", True),
    ]
    for operator, member, constant in constants:
        condition = {"attribute": "a", "operator": operator, member: constant}
        yield f"{operator} with {member} {constant!r}", switch(rules=[serve("on", condition)])


def errors() -> Iterator[Json]:
    around: Json = {
        "segments": {
            "egg": {"segment": "hen"},
            "hen": {"all": [{"segment": "egg"}]},
            "faulty": {"attribute": "a", "operator": "resembles"},
            "all": {"all": []},
            "moody": {"attribute": "a", "operator": "is_set", "mood": "odd"},
        },
        "layers": LAYERS,
        "experiments": {
            "faulty": experiment("switch", salt=None),
            "crossed": experiment("switch", layer="accounts"),
            "other": experiment("button"),
            "lost": experiment("switch", layer="nowhere"),
        },
    }
    healthy = button(rules=[serve("green")])
    cases = [
        *_senseless_flags(),
        *_malformed_flags(),
        *((name, flag, "GENERAL") for name, flag in _faulty_constants()),
    ]
    for name, flag, code in cases:
        document = snapshot(**around, flags={"switch": flag, "button": healthy})
        told = {"error_code": code, "metadata": {"step": "error"}}
        answer = expected(False, "off", "ERROR", **told)
        yield vector(f"fault: {name}", document, user("u1", a="x"), answer, code_default=True)
    green = expected("#0a0", "green", "TARGETING_MATCH")
    yield vector(
        "fault: other flags are untouched", document, user("u1"), green, flag="button", code_default="x"
    )
    yield from _beyond_default()
    yield from _unknown_flags()


def _beyond_default() -> Iterator[Json]:
    """Yield flags that have no default to fall back to, and contexts that are none."""
    nothing: list[tuple[str, object]] = [
        ("no usable default", switch(default="gone", rules=[FAULTY_RULE])),
        ("null", None),
        ("a list", []),
        ("of an unknown type", switch(type="date")),
        ("of a type that is no text", switch(type=True)),
        ("given its variants as a list", switch(variants=[True, False])),
        ("without variants", switch(variants={})),
    ]
    for name, flag in nothing:
        document = snapshot(flags={"switch": flag})
        answer = failed(True, "PARSE_ERROR")
        if name == "no usable default":
            answer = failed(True, "GENERAL")
        yield vector(
            f"fault: a flag that is {name} gives the code default", document, {}, answer, code_default=True
        )
    document = snapshot(flags={"switch": switch()})
    contexts: list[object] = [
        None,
        [],
        "u1",
        7,
        {"units": []},
        {"attributes": "x"},
        {"units": {}, "attributes": 1},
    ]
    for context in contexts:
        answer = failed(True, "INVALID_CONTEXT", metadata={"step": "error"})
        yield vector(f"a context that is {context!r}", document, context, answer, code_default=True)


def _unknown_flags() -> Iterator[Json]:
    document = snapshot(flags={"switch": switch()})
    unknown = failed(
        True,
        "FLAG_NOT_FOUND",
        metadata={"step": "unknown", "project": "shop", "environment": "test", "revision": 7},
    )
    yield vector("an unknown flag", document, {}, unknown, flag="nothing", code_default=True)
    yield vector(
        "an unknown flag in a killed environment",
        document | {"killed": True},
        {},
        unknown,
        flag="nothing",
        code_default=True,
    )
    yield vector(
        "a flag called __proto__", document, {}, failed(1, "FLAG_NOT_FOUND"), flag="__proto__", code_default=1
    )
