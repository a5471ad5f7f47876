"""Vectors of layers within layers, of launch layers, and of rings."""

from __future__ import annotations

from collections.abc import Iterator

from authoring import murmur
from authoring.parts import Json, button, expected, experiment, serve, snapshot, units, user, vector

OUTER = {"salt": "outersalt", "unit_type": "user"}
LOWER = [[0, 5000]]
GREY = expected("#888", "grey", "DEFAULT")
BLUE_ARM = [{"key": "control", "weight": 1, "values": {"button": "blue"}}]


def inside(salt: str, ranges: list[list[int]]) -> object:
    return lambda unit: any(low <= murmur.slot(salt, unit) < high for low, high in ranges)


def find(**wanted: bool) -> str:
    """Return the first unit that is in the lower half of the layers named, or is not."""
    salts = {"outer": "outersalt", "inner": "innersalt", "core": "coresalt", "launch": "launchsalt"}
    return next(
        units(lambda unit: all((murmur.slot(salts[name], unit) < 5000) is be for name, be in wanted.items()))
    )


def domain(layer: str, slots: object = None) -> Json:
    return {"layer": layer, "slots": slots or LOWER}


def nested(**members: object) -> Json:
    """One experiment in the lower half of a layer that divides the lower half of another."""
    layers = {"outer": OUTER, "inner": {"salt": "innersalt", "unit_type": "user", "domain": domain("outer")}}
    layers |= {"core": {"salt": "coresalt", "unit_type": "user", "domain": domain("inner")}}
    trial = experiment(layer="inner", slots=LOWER, **members)
    flag = button(experiments=["trial"])
    return snapshot(layers=layers, experiments={"trial": trial}, flags={"button": flag})


def split(unit: str, layer: str) -> Json:
    arm = murmur.arm(murmur.share("splitsalt", unit), [1, 1])
    value, variant = (("#888", "grey"), ("#0a0", "green"))[arm]
    seat = {"experiment": "trial", "iteration": 3, "arm": ("control", "treatment")[arm]}
    seat |= {"unit_type": "user", "unit": unit, "layer": layer}
    return expected(value, variant, "SPLIT", enrolment=seat, metadata={"experiment.layer": layer})


def vectors() -> Iterator[Json]:
    document = nested()
    for outer in (True, False):
        for inner in (True, False):
            unit = find(outer=outer, inner=inner)
            answer = split(unit, "inner") if outer and inner else GREY
            where = f"{'inside' if outer else 'outside'} and {'inside' if inner else 'outside'}"
            yield vector(f"a layer in a layer: {where}", document, user(unit), answer)
    deep = nested()
    deep["experiments"]["trial"]["layer"] = "core"
    for core in (True, False):
        unit = find(outer=True, inner=True, core=core)
        answer = split(unit, "core") if core else GREY
        yield vector(f"three layers deep: {'inside' if core else 'outside'}", deep, user(unit), answer)
    unit = find(outer=False, inner=True, core=True)
    yield vector("three layers deep: outside of the first", deep, user(unit), GREY)
    unit = "日本語"
    slot = murmur.slot("outersalt", unit)
    for ranges, is_in in [([[slot, slot + 1]], True), ([[0, slot], [slot + 1, 10000]], False)]:
        document = nested()
        document["layers"]["inner"]["domain"]["slots"] = ranges
        document["experiments"]["trial"]["slots"] = [[0, 10000]]
        answer = split(unit, "inner") if is_in else GREY
        yield vector(f"a domain of {ranges}: slot {slot}", document, user(unit), answer)
    for state, reason in [({"state": "stopped"}, "DEFAULT"), ({"killed": True}, "DISABLED")]:
        document = nested(**state)
        document["flags"]["button"]["rules"] = [serve("blue")]
        control = expected("#888", "grey", reason, metadata={"step": "experiment"})
        unit = find(outer=True, inner=True)
        yield vector(f"a layer in a layer, {reason}: inside", document, user(unit), control)
        blue = expected("#00a", "blue", "TARGETING_MATCH")
        unit = find(outer=False, inner=True)
        yield vector(f"a layer in a layer, {reason}: outside", document, user(unit), blue)
    missing = {**GREY, "metadata": {"skipped": "unit_missing"}}
    yield vector("a layer in a layer: no unit", nested(), {}, missing)
    yield from _chains()
    yield from _launches()
    yield from _faults()


def _chains() -> Iterator[Json]:
    for depth in (16, 17):
        layers = {"l1": OUTER}
        for level in range(2, depth + 1):
            layers[f"l{level}"] = {
                **OUTER,
                "salt": f"s{level}",
                "domain": domain(f"l{level - 1}", [[0, 10000]]),
            }
        trial = experiment(layer=f"l{depth}")
        flags = {"button": button(experiments=["trial"])}
        document = snapshot(layers=dict(reversed(layers.items())), experiments={"trial": trial}, flags=flags)
        answer = split("u1", "l16")
        if depth > 16:
            answer = expected("#888", "grey", "ERROR", error_code="GENERAL")
        yield vector(f"a chain of {depth} layers", document, user("u1"), answer)


def _launches() -> Iterator[Json]:
    layers = {"outer": OUTER, "launch": {"salt": "launchsalt", "unit_type": "user", "launch": True}}
    ramp = experiment(layer="launch", slots=LOWER, variants=BLUE_ARM)

    def both(first: Json | None = None, **members: object) -> Json:
        listed = button(experiments=["ramp", "trial"])
        trial = experiment(layer="outer", slots=LOWER, **(first or {}))
        experiments = {"ramp": {**ramp, **members}, "trial": trial}
        return snapshot(layers=layers, experiments=experiments, flags={"button": listed})

    def launched(unit: str) -> Json:
        seat = {"experiment": "ramp", "iteration": 3, "arm": "control", "unit_type": "user", "unit": unit}
        return expected("#00a", "blue", "SPLIT", enrolment={**seat, "layer": "launch"})

    unit = find(outer=True, launch=True)
    yield vector("a launch layer is asked after other layers", both(), user(unit), split(unit, "outer"))
    control = expected("#888", "grey", "DEFAULT", metadata={"experiment.key": "trial"})
    yield vector(
        "a launch layer is asked after a stopped one", both({"state": "stopped"}), user(unit), control
    )
    unit = find(outer=False, launch=True)
    yield vector("a launch layer takes whom others left", both(), user(unit), launched(unit))
    yield vector("a launch layer's own slots", both(), user(find(outer=False, launch=False)), GREY)
    control = expected("#00a", "blue", "DEFAULT", metadata={"experiment.key": "ramp"})
    yield vector("a stopped launch", both(state="stopped"), user(unit), control)
    unit = find(outer=True, launch=True)
    yield vector("a stopped launch comes last", both(state="stopped"), user(unit), split(unit, "outer"))


def _faults() -> Iterator[Json]:
    def faulty(name: str, code: str = "GENERAL", **inner: object) -> Json:
        document = nested()
        document["layers"]["inner"] |= inner
        answer = expected("#888", "grey", "ERROR", error_code="GENERAL", metadata={"step": "error"})
        return vector(f"fault: {name}", document, user("u1"), answer)

    yield faulty("a domain of no layer", domain=domain("nowhere"))
    yield faulty("a layer within itself", domain=domain("inner"))
    yield faulty("two layers within each other", domain=domain("core"))
    yield faulty("a domain of another unit type", unit_type="account")
    yield faulty("a domain that is null", domain=None)
    yield faulty("a domain without slots", domain={"layer": "outer"})
    yield faulty("a domain with slots out of range", domain=domain("outer", [[0, 10001]]))
    yield faulty("launch that is text", launch="yes")


_STAFF = {"attribute": "role", "operator": "equals", "value": "staff"}
_GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}


def rings() -> Iterator[Json]:
    """Yield rollouts in rings: the audience of one after the other, each with a share of its own."""
    yield from _rings_that_serve()
    yield from _rings_at_their_edges()
    yield from _faulty_rings()


def _ringed(*parts: int, ids: tuple[str, ...] = ("team", "country", "all"), **more: object) -> Json:
    stages = [
        {"id": key, "eligibility": audience, "parts_per_million": share}
        for key, audience, share in zip(ids, (_STAFF, _GERMAN, None), parts, strict=False)
    ]
    body = {"variant": "green", "unit_type": "user", "salt": "rollsalt", "rings": stages, **more}
    rule = {"id": "r1", "rollout": body}
    return snapshot(flags={"button": button(rules=[rule, serve("blue", rule="r2")])})


def _green(ring: str) -> Json:
    return expected("#0a0", "green", "SPLIT", metadata={"step": "rule", "rule": "r1", "ring": ring})


def _blue() -> Json:
    return expected("#00a", "blue", "TARGETING_MATCH", metadata={"rule": "r2"}, absent=["ring"])


def _low_unit() -> str:
    return next(units(lambda unit: murmur.share("rollsalt", unit) * 100 < 5))


def _rings_that_serve() -> Iterator[Json]:
    low, blue = _low_unit(), _blue()
    middle = next(units(lambda unit: 20 < murmur.share("rollsalt", unit) * 100 < 40))
    yield vector("rings: the team", _ringed(1_000_000, 0, 0), user(middle, role="staff"), _green("team"))
    yield vector("rings: the others", _ringed(1_000_000, 0, 0), user(low), blue)
    wide = _ringed(1_000_000, 500_000, 50_000)
    both = user(middle, role="staff", country="DE")
    yield vector("rings: the first that lets in is named", wide, both, _green("team"))
    yield vector("rings: the second", wide, user(middle, country="DE"), _green("country"))
    yield vector("rings: the last, inside", wide, user(low), _green("all"))
    yield vector("rings: the last, outside", wide, user(middle), blue)
    tight = _ringed(10_000, 500_000, 0)
    yield vector("rings: a wider ring lets in whom a narrow one does not", tight, both, _green("country"))
    yield vector("rings: the narrow one alone", tight, user(middle, role="staff"), blue)
    skipped = {**blue, "metadata": {"skipped": "unit_missing"}}
    yield vector("rings: no unit", wide, {"attributes": {"role": "staff"}}, skipped)


def _rings_at_their_edges() -> Iterator[Json]:
    blue = _blue()
    for unit in ("u1", "日本語"):
        part = int(murmur.share("rollsalt", unit) * 1_000_000)
        for parts, answer in [(part, blue), (part + 1, _green("all"))]:
            yield vector(f"rings: {unit!a} at {parts} parts", _ringed(0, 0, parts), user(unit), answer)
    document = _ringed(1_000_000, 1_000_000, 1_000_000)
    document["flags"]["button"]["rules"][0]["eligibility"] = _GERMAN
    staff = user(_low_unit(), role="staff")
    yield vector("rings: the rule's own eligibility comes first", document, staff, blue)


def _faulty_rings() -> Iterator[Json]:
    error = expected("#888", "grey", "ERROR", error_code="GENERAL", metadata={"step": "error"})
    shape = {**error, "error_code": "PARSE_ERROR"}
    unknown = {"id": "a", "parts_per_million": 1, "eligibility": {"attribute": "a", "operator": "x"}}
    faults: list[tuple[str, Json, Json]] = [
        ("two rings of one id", _ringed(1, 2, ids=("a", "a")), error),
        ("no rings", _ringed(), shape),
        ("rings that are null", _ringed(rings=None), shape),
        ("a share beside rings", _ringed(1, parts_per_million=1), shape),
        ("a ring without a share", _ringed(rings=[{"id": "a"}]), shape),
        ("a ring that is text", _ringed(rings=["team"]), shape),
        ("a ring of an unknown operator", _ringed(rings=[unknown]), error),
    ]
    for name, faulty, answer in faults:
        yield vector(f"fault: {name}", faulty, user(_low_unit()), answer)
