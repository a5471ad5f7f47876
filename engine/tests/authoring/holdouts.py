"""Vectors of holdouts: who is held, who is open, and what comes before and after."""

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
    rollout,
    serve,
    snapshot,
    switch,
    units,
    user,
    vector,
)

HOLDOUTS = {
    "half": {"season": 2, "salt": "holdsalt", "unit_type": "user", "parts_per_million": 500_000},
    "accounts": {"season": 1, "salt": "accthold", "unit_type": "account", "parts_per_million": 500_000},
}
COVER = {"holdout": "half", "baseline": "grey"}


def held(unit: str, salt: str = "holdsalt", parts: int = 500_000) -> bool:
    return int(murmur.share(salt, unit) * 1_000_000) < parts


HELD, OPEN = next(units(held)), next(units(lambda unit: not held(unit)))


def place(arm: str, unit: str, **more: object) -> Json:
    seat = {"experiment": "half", "iteration": 2, "arm": arm, "unit_type": "user", "unit": unit}
    return {**seat, "layer": "half", **more}


def told(arm: str, **more: object) -> Json:
    named = {"holdout.key": "half", "holdout.season": 2, "holdout.arm": arm, "holdout.unit_type": "user"}
    return {**named, **more}


def kept(unit: str = HELD, **more: object) -> Json:
    """The answer to a unit that is held."""
    answer = expected("#888", "grey", "SPLIT", metadata=told("holdout", step="holdout"))
    return {**answer, "holdouts": [place("holdout", unit)], "absent": ["experiment.key"], **more}


def opened(value: str, variant: str, reason: str, step: str, **more: object) -> Json:
    answer = expected(value, variant, reason, metadata=told("open", step=step))
    return {**answer, "holdouts": [place("open", OPEN)], **more}


def covered(flag: Json | None = None, **members: object) -> Json:
    flag = {"holdouts": [COVER], **(flag or button(rules=[serve("blue")]))}
    return snapshot(holdouts=HOLDOUTS, flags={"button": flag}, **members)


def vectors() -> Iterator[Json]:
    blue = opened("#00a", "blue", "TARGETING_MATCH", "rule")
    yield vector("held: the baseline", covered(), user(HELD), kept())
    yield vector("open: what follows", covered(), user(OPEN), blue)
    for unit in ("ü", "日本語", "0", "17"):
        part = int(murmur.share("holdsalt", unit) * 1_000_000)
        for parts, arm in [(part, "open"), (part + 1, "holdout")]:
            document = covered()
            document["holdouts"]["half"]["parts_per_million"] = parts
            answer = kept(unit) if arm == "holdout" else {**blue, "holdouts": [place("open", unit)]}
            yield vector(f"{unit!a} and a holdout of {parts} parts", document, user(unit), answer)
    document = covered()
    document["holdouts"]["half"] |= {"season": 3, "salt": "season3"}
    released = next(units(lambda unit: held(unit) and not held(unit, "season3")))
    answer = {**blue, "metadata": told("open") | {"holdout.season": 3}}
    answer["holdouts"] = [place("open", released, iteration=3)]
    yield vector("a new season draws anew", document, user(released), answer)
    yield from _unit_types()
    yield from _order()
    yield from _faults()


def _unit_types() -> Iterator[Json]:
    missing = expected("#00a", "blue", "TARGETING_MATCH", metadata={"skipped": "unit_missing"})
    missing["absent"] = ["holdout.key", "holdout.arm"]
    yield vector("a holdout without a unit is passed over", covered(), {}, missing)
    both = button(holdouts=[COVER, {"holdout": "accounts", "baseline": "green"}], rules=[serve("blue")])
    account_held = next(units(lambda unit: held(unit, "accthold"), "a"))
    account_open = next(units(lambda unit: not held(unit, "accthold"), "a"))
    account = {"experiment": "accounts", "iteration": 1, "unit_type": "account", "layer": "accounts"}
    document = covered(both)

    def asked(unit: object, account: object) -> Json:
        return {"units": {"user": unit, "account": account}}

    answer = opened("#00a", "blue", "TARGETING_MATCH", "rule")
    answer["holdouts"] = [place("open", OPEN), {**account, "arm": "open", "unit": account_open}]
    yield vector("two holdouts, open in both", document, asked(OPEN, account_open), answer)
    answer = expected(
        "#0a0", "green", "SPLIT", metadata={"holdout.key": "accounts", "holdout.arm": "holdout"}
    )
    answer["holdouts"] = [place("open", OPEN), {**account, "arm": "holdout", "unit": account_held}]
    yield vector("two holdouts, held in the second", document, asked(OPEN, account_held), answer)
    yield vector("two holdouts, held in the first", document, asked(HELD, account_held), kept())
    answer = {**answer, "holdouts": answer["holdouts"][1:]}
    answer["metadata"] = {**answer["metadata"], "skipped": "unit_missing"}
    yield vector("two holdouts, the first without a unit", document, asked(None, account_held), answer)


def _order() -> Iterator[Json]:
    calm = opened("#888", "grey", "DEFAULT", "default")
    yield vector("open, and nothing follows: the default", covered(button()), user(OPEN), calm)
    yield vector("held, and nothing follows: the baseline", covered(button()), user(HELD), kept())
    named = [{"variant": "green", "unit_type": "user", "units": [HELD]}]
    green = expected("#0a0", "green", "TARGETING_MATCH", absent=["holdout.key"])
    yield vector("an override comes before a holdout", covered(button(overrides=named)), user(HELD), green)
    linked = {**user(HELD), "overrides": {"button": "green"}}
    yield vector("a link comes before a holdout", covered(), linked, green)
    off = expected("#fff", "plain", "DISABLED", absent=["holdout.key"])
    yield vector("a kill comes before a holdout", covered(button(killed=True)), user(HELD), off)
    waits = covered(button(prerequisites=[{"flag": "first", "variants": ["on"]}]))
    waits["flags"]["first"] = switch()
    off = expected("#fff", "plain", "DEFAULT", absent=["holdout.key"])
    yield vector("a prerequisite comes before a holdout", waits, user(HELD), off)
    running = {"layers": LAYERS, "experiments": {"trial": experiment()}}
    document = covered(button(experiments=["trial"]), **running)
    yield vector("a holdout comes before an experiment", document, user(HELD), kept())
    unit = next(units(lambda unit: not held(unit) and _is_treated(unit)))
    answer = opened("#0a0", "green", "SPLIT", "experiment", enrolment=enrolled("treatment", unit))
    yield vector(
        "open, and in an experiment: both",
        document,
        user(unit),
        {**answer, "holdouts": [place("open", unit)]},
    )
    stopped = covered(
        button(experiments=["trial"]), layers=LAYERS, experiments={"trial": experiment(state="stopped")}
    )
    yield vector(
        "open, and the experiment stopped",
        stopped,
        user(OPEN),
        opened("#888", "grey", "DEFAULT", "experiment"),
    )
    tenth = covered(button(rules=[rollout("green", 1_000_000, unit_type="account")]))
    answer = opened("#888", "grey", "DEFAULT", "default")
    answer["metadata"]["skipped"] = "unit_missing"
    yield vector("open, and a rollout without its unit", tenth, user(OPEN), answer)
    document = covered()
    document["flags"]["other"] = switch(rules=[serve("on")])
    told = {"flag": "other", "code_default": False}
    other = expected(True, "on", "TARGETING_MATCH", absent=["holdout.key"])
    yield vector("a flag that is not covered", document, user(HELD), other, **told)


def _is_treated(unit: str) -> bool:
    return murmur.arm(murmur.share("splitsalt", unit), [1, 1]) == 1


def _faults() -> Iterator[Json]:
    def faulty(name: str, cover: object, code: str = "GENERAL", **holdout: object) -> Json:
        document = covered(button(holdouts=cover, rules=[serve("blue")]))
        document["holdouts"]["half"] |= holdout
        answer = expected("#888", "grey", "ERROR", error_code=code, metadata={"step": "error"})
        return vector(f"fault: {name}", document, user(HELD), answer)

    yield faulty("a holdout that is not there", [{**COVER, "holdout": "gone"}])
    yield faulty("a baseline that is no variant", [{**COVER, "baseline": "pink"}])
    yield faulty("a holdout without a season", [COVER], season=0)
    yield faulty("a holdout of too many parts", [COVER], parts_per_million=1_000_001)
    yield faulty("a holdout without a salt", [COVER], salt=None)
    yield faulty("a holdout of an undeclared unit type", [COVER], unit_type="device")
    yield faulty("a holdout with a member of the future", [COVER], flags={})
    yield faulty("a cover that is text", ["half"], "PARSE_ERROR")
    yield faulty("covers that are an object", {"half": "grey"}, "PARSE_ERROR")
    yield faulty("a cover without a baseline", [{"holdout": "half"}], "PARSE_ERROR")
