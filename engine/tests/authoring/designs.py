"""Vectors of clusters, of switchbacks, and of what would have differed."""

from __future__ import annotations

from collections.abc import Iterator

from authoring import murmur
from authoring.parts import (
    LAYERS,
    Json,
    button,
    expected,
    experiment,
    serve,
    snapshot,
    trial,
    unit_in_arm,
    units,
    user,
    vector,
)

COLOURS = (("#888", "grey"), ("#0a0", "green"))
ARMS = ("control", "treatment")
GREY = expected("#888", "grey", "DEFAULT", metadata={"step": "default"}, absent=["skipped"])
MISSING = expected("#888", "grey", "DEFAULT", metadata={"skipped": "unit_missing"})
TYPES = {"unit_types": ["user", "account", "city"]}


def _arm(unit: str) -> int:
    return murmur.arm(murmur.share("splitsalt", unit), [1, 1])


BERLIN = next(units(lambda city: _arm(city) == 1, "berlin"))
MUNICH = next(units(lambda city: _arm(city) == 0, "munich"))


def clustered(**members: object) -> Json:
    """Users are exposed, their cities are randomised."""
    layers = {**LAYERS, "cities": {"salt": "citysalt", "unit_type": "city"}}
    cities = experiment(**{"layer": "cities", "cluster_type": "city", **members})
    flags = {"button": button(experiments=["trial"])}
    return snapshot(**{**TYPES, "layers": layers, "experiments": {"trial": cities}, "flags": flags})


def living_in(city: object, unit: object = "u1", **members: object) -> Json:
    return {"units": {"user": unit, "city": city}, **members}


def in_city(city: str, unit: str = "u1", **more: object) -> Json:
    arm = _arm(city)
    seat = {"experiment": "trial", "iteration": 3, "arm": ARMS[arm], "unit_type": "user", "unit": unit}
    seat |= {"layer": "cities", "cluster_type": "city", "cluster": city}
    told = {"experiment.unit_type": "user", "experiment.cluster_type": "city", "experiment.arm": ARMS[arm]}
    return expected(*COLOURS[arm], "SPLIT", enrolment=seat, metadata=told, **more)


def clusters() -> Iterator[Json]:
    document = clustered()
    for city in (BERLIN, MUNICH):
        for unit in ("u1", "u2"):
            name = f"cluster {city}: {unit} has its city's arm"
            yield vector(name, document, living_in(city, unit), in_city(city, unit))
    yield vector("cluster: an integer", document, living_in(7), in_city("7"))
    yield vector("cluster: a unit that is an integer", document, living_in(BERLIN, 7), in_city(BERLIN, "7"))
    yield vector("cluster: none", document, living_in(None), MISSING)
    yield vector("cluster: no unit", document, living_in(BERLIN, ""), MISSING)
    moved = living_in(MUNICH, clusters={"trial:3": BERLIN})
    yield vector("cluster: the first one stays", document, moved, in_city(BERLIN))
    alone = {**user("u1"), "clusters": {"trial:3": BERLIN}}
    yield vector("cluster: the first one alone", document, alone, in_city(BERLIN))
    strange: list[object] = [{}, {"trial:2": BERLIN}, {"other:3": BERLIN}, {"trial:3": ""}, {"trial:3": None}]
    for kept in [*strange, {"trial:3": 1.5}, None, [], "trial:3"]:
        context = living_in(MUNICH, clusters=kept)
        yield vector(f"cluster: {kept!r} is brought along", document, context, in_city(MUNICH))
    slot = murmur.slot("citysalt", BERLIN)
    for slots, answer in [([[slot, slot + 1]], in_city(BERLIN)), ([[0, slot], [slot + 1, 10000]], GREY)]:
        yield vector(f"cluster in slot {slot} of {slots}", clustered(slots=slots), living_in(BERLIN), answer)
    part = int(murmur.share("gatesalt", BERLIN) * 1_000_000)
    for parts, answer in [(part, GREY), (part + 1, in_city(BERLIN))]:
        gate = {"salt": "gatesalt", "parts_per_million": parts}
        yield vector(
            f"cluster at {part} of a gate of {parts}", clustered(gate=gate), living_in(BERLIN), answer
        )
    stopped = clustered(state="stopped")
    control = expected("#888", "grey", "DEFAULT", metadata={"experiment.cluster_type": "city"})
    yield vector("cluster: stopped", stopped, living_in(BERLIN), control)
    yield vector("cluster: stopped, none", stopped, living_in(None), MISSING)
    yield from _cities()


def _cities() -> Iterator[Json]:
    """Cities may also be the units themselves; and what is wrong with clusters."""
    mere = clustered(unit_type="city")
    del mere["experiments"]["trial"]["cluster_type"]
    seat = {"experiment": "trial", "iteration": 3, "arm": "treatment", "unit_type": "city", "unit": BERLIN}
    answer = expected("#0a0", "green", "SPLIT", enrolment={**seat, "layer": "cities"})
    answer["absent"] = ["experiment.cluster_type"]
    yield vector("a city as a unit of its own", mere, living_in(BERLIN), answer)
    for name, members in [
        ("of another layer's type", {"cluster_type": "account"}),
        ("that is null", {"cluster_type": None}),
        ("of an undeclared unit type", {"unit_type": "device"}),
    ]:
        error = expected("#888", "grey", "ERROR", error_code="GENERAL")
        yield vector(f"fault: a cluster {name}", clustered(**members), living_in(BERLIN), error)


# Two regions, four windows of an hour from noon on, of which the first ten minutes are burn-in.
SCHEDULE = {"north": "0110", "south": "1001"}
START = 1772366400  # 2026-03-01T12:00:00Z


def switching(flag: Json | None = None, rest: Json | None = None, **members: object) -> Json:
    plan = {"starts_at": "2026-03-01T12:00:00Z", "window_seconds": 3600, "burn_in_seconds": 600}
    plan = {**plan, "schedule": SCHEDULE, **(rest or {})}
    regions = experiment(**{"layer": "regions", "unit_type": "region", "switchback": plan, **members})
    if "salt" not in members:
        del regions["salt"]
    return snapshot(
        unit_types=["user", "region"],
        layers={"regions": {"salt": "regionsalt", "unit_type": "region"}},
        experiments={"trial": regions},
        flags={"button": flag or button(experiments=["trial"])},
    )


def at(now: object, region: object = "north") -> Json:
    return {"units": {"user": "u1", "region": region}, "now": now}


def in_window(window: int, region: str = "north", *, burn_in: bool = False) -> Json:
    arm = int(SCHEDULE[region][window])
    seat = {"experiment": "trial", "iteration": 3, "arm": ARMS[arm], "unit_type": "region"}
    seat |= {"unit": f"{region}:{window}", "layer": "regions"}
    told = {"experiment.window": window, "experiment.burn_in": burn_in, "experiment.arm": ARMS[arm]}
    return expected(*COLOURS[arm], "SPLIT", enrolment=seat, metadata=told)


def switchbacks() -> Iterator[Json]:
    document = switching()
    for region in SCHEDULE:
        for window in range(4):
            name, now = f"switchback {region}, window {window}", START + window * 3600 + 1800
            yield vector(name, document, at(now, region), in_window(window, region))
    edges: list[tuple[object, Json]] = [
        (START - 0.001, GREY),
        (START, in_window(0, burn_in=True)),
        (START + 599.999, in_window(0, burn_in=True)),
        (START + 600, in_window(0)),
        (START + 3599.999, in_window(0)),
        (START + 3600, in_window(1, burn_in=True)),
        (START + 4 * 3600 - 0.001, in_window(3)),
        (START + 4 * 3600, GREY),
        (0, GREY),
        ("2026-03-01T12:30:00Z", in_window(0)),
        ("2026-03-01T14:30:00+01:00", in_window(1)),
        ("2026-03-02", GREY),
    ]
    for now, answer in edges:
        yield vector(f"switchback at {now}", document, at(now), answer)
    missing = expected("#888", "grey", "DEFAULT", metadata={"skipped": "clock_missing"})
    for now in (None, "noon", "", True, [], {}, "2026-03-01 12:30:00Z"):
        yield vector(f"switchback at {now!r}", document, at(now), missing)
    without = {"units": {"region": "north"}, "attributes": {}}
    yield vector("switchback without a clock", document, without, missing)
    yield from _regions(document, without)
    yield from _faulty_schedules()


def _regions(document: Json, without: Json) -> Iterator[Json]:
    elsewhere = {"units": {"region": "west"}, "attributes": {}}
    yield vector("switchback of a region that is not scheduled", document, at(START, "west"), GREY)
    yield vector("switchback of a region that is not scheduled, no clock", document, elsewhere, GREY)
    yield vector("switchback without a region", document, at(START, None), MISSING)
    ruled = switching(button(experiments=["trial"], rules=[serve("blue")]))
    blue = expected("#00a", "blue", "TARGETING_MATCH", metadata={"skipped": "clock_missing"})
    yield vector("switchback without a clock: the rules go on", ruled, without, blue)
    for state, reason in [({"state": "stopped"}, "DEFAULT"), ({"killed": True}, "DISABLED")]:
        control = expected(
            "#888", "grey", reason, metadata={"step": "experiment"}, absent=["experiment.window"]
        )
        stopped = switching(button(experiments=["trial"], rules=[serve("blue")]), **state)
        yield vector(f"switchback, {reason}: control whatever the time", stopped, without, control)
        answer = expected("#00a", "blue", "TARGETING_MATCH")
        yield vector(f"switchback, {reason}: others", stopped, elsewhere, answer)
    slot = murmur.slot("regionsalt", "north")
    outside = switching(slots=[[0, slot], [slot + 1, 10000]])
    yield vector("switchback outside of its slots", outside, at(START + 1800), GREY)
    unburnt = switching(rest={"burn_in_seconds": 0})
    yield vector("switchback without burn-in", unburnt, at(START), in_window(0))
    long = "r" * 240
    answer = in_window(1)
    answer["enrolment"]["unit"] = f"{long}:1"
    wide = switching(rest={"schedule": {long: "0110"}})
    yield vector("switchback of a region of 240 bytes", wide, at(START + 5400, long), answer)


def _faulty_schedules() -> Iterator[Json]:
    error = expected("#888", "grey", "ERROR", error_code="GENERAL", metadata={"step": "error"})
    plans: list[tuple[str, Json]] = [
        ("rows of different lengths", {"schedule": {"north": "01", "south": "011"}}),
        ("an arm that is not there", {"schedule": {"north": "012"}}),
        ("no regions", {"schedule": {}}),
        ("no windows", {"schedule": {"north": ""}}),
        ("a row of letters", {"schedule": {"north": "01a"}}),
        ("a row of digits of another script", {"schedule": {"north": "\u0660\u0661"}}),
        ("a row that is a list", {"schedule": {"north": [0, 1]}}),
        ("a region without a name", {"schedule": {"": "01"}}),
        ("a region of 241 bytes", {"schedule": {"r" * 241: "01"}}),
        ("a start that is a number", {"starts_at": START}),
        ("a start that is no date", {"starts_at": "noon"}),
        ("windows of no length", {"window_seconds": 0}),
        ("windows of half seconds", {"window_seconds": 0.5}),
        ("burn-in as long as the window", {"burn_in_seconds": 3600}),
        ("burn-in that is null", {"burn_in_seconds": None}),
        ("a member of the future", {"burn_out_seconds": 60}),
    ]
    for name, rest in plans:
        yield vector(f"fault: a switchback with {name}", switching(rest=rest), at(START), error)
    beside: list[tuple[str, Json]] = [
        ("a salt", {"salt": "splitsalt"}),
        ("a gate", {"gate": {"salt": "gatesalt", "parts_per_million": 1_000_000}}),
        ("a cluster", {"cluster_type": "region"}),
        ("null in its place", {"switchback": None}),
    ]
    for name, members in beside:
        yield vector(f"fault: a switchback with {name}", switching(**members), at(START), error)


def differences() -> Iterator[Json]:
    """Yield enrolments with what they tell of the other arms."""
    for name, arms, differs in [
        ("another variant", ("grey", "green"), True),
        ("the same variant", ("green", "green"), False),
        ("another variant in one of two", ("green", "green", "blue"), True),
    ]:
        variants = [
            {"key": key, "weight": 1, "values": {"button": colour}}
            for key, colour in zip(("control", "treatment", "third"), arms, strict=False)
        ]
        unit = unit_in_arm(0, weights=(1,) * len(arms))
        value = {"grey": "#888", "green": "#0a0"}[arms[0]]
        seat = {"experiment": "trial", "iteration": 3, "arm": "control", "unit_type": "user", "unit": unit}
        told = {"experiment.differs": differs}
        answer = expected(value, arms[0], "SPLIT", enrolment={**seat, "layer": "checkout"}, metadata=told)
        yield vector(f"differs: other arms give {name}", trial(variants=variants), user(unit), answer)
    stopped = expected("#888", "grey", "DEFAULT", absent=["experiment.differs"])
    yield vector("differs: nothing when stopped", trial(state="stopped"), user("u1"), stopped)
