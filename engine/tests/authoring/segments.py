"""Vectors of lists of units: named, and hashed into a blob beside the snapshot."""

from __future__ import annotations

import base64
import hashlib
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
    unit_in_arm,
    user,
    vector,
)

SALT = "listsalt"
LISTED = ["u1", "u2", "17", "日本語", *(f"member-{n}" for n in range(60))]
ON = expected(True, "on", "TARGETING_MATCH", metadata={"step": "rule"})
OFF = expected(False, "off", "DEFAULT", metadata={"step": "default"})
FAULT = expected(False, "off", "ERROR", error_code="GENERAL", metadata={"step": "error"})
SHAPE = {**FAULT, "error_code": "PARSE_ERROR"}


def blob(units: list[str], salt: str = SALT) -> bytes:
    hashes = sorted({murmur.member(salt, unit) for unit in units})
    return b"".join(number.to_bytes(8, "big") for number in hashes)


def address(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(*blobs: bytes) -> Json:
    return {address(data): base64.b64encode(data).decode() for data in blobs}


def hashed(data: bytes, **members: object) -> Json:
    return {"members": {"unit_type": "user", "blob": address(data), "salt": SALT, **members}}


def named(*units: object, **members: object) -> Json:
    return {"members": {"unit_type": "user", "units": list(units), **members}}


def ruled(condition: object) -> Json:
    return snapshot(flags={"switch": switch(rules=[serve("on", condition)])})


def hashes() -> Iterator[Json]:
    """Yield hashes of members around the sizes of blocks and headers."""
    for salt in ("listsalt", "k3v9q2xa"):
        for unit in [
            *LISTED[:6],
            *("x" * size for size in (0, 1, 14, 15, 16, 17, 31, 32, 33, 247, 256)),
            "ü" * 128,
        ]:
            yield {"salt": salt, "unit": unit, "hash": f"{murmur.member(salt, unit):016x}"}


def vectors() -> Iterator[Json]:
    listed, nobody = blob(LISTED), blob([])
    told = {"blobs": kept(listed, nobody)}
    document = ruled(hashed(listed))
    for unit in (*LISTED[:6], "member-59"):
        yield vector(f"hashed list: {unit!a} is in it", document, user(unit), ON, **told)
    yield vector("hashed list: an integer is the unit of its text", document, user(17), ON, **told)
    for unit in ("u3", "U1", "u1 ", "", None, 1.5):
        yield vector(f"hashed list: {unit!r} is not in it", document, user(unit), OFF, **told)
    yield vector("hashed list: no unit", document, {}, {**OFF, "absent": ["skipped"]}, **told)
    account = {"units": {"account": "u1"}}
    yield vector("hashed list: a unit of another type", document, account, OFF, **told)
    accounts = ruled(hashed(listed, unit_type="account"))
    yield vector("hashed list of accounts", accounts, account, ON, **told)
    yield vector("hashed list: empty", ruled(hashed(nobody)), user("u1"), OFF, **told)
    yield vector("hashed list: another salt", ruled(hashed(listed, salt="other")), user("u1"), OFF, **told)
    yield vector("hashed list: not", ruled({"not": hashed(listed)}), user("u3"), ON, **told)
    yield vector("hashed list: not, without a unit", ruled({"not": hashed(listed)}), {}, ON, **told)
    one = blob(["u1"])
    yield vector("hashed list of one: in it", ruled(hashed(one)), user("u1"), ON, blobs=kept(one))
    yield vector("hashed list of one: not in it", ruled(hashed(one)), user("u2"), OFF, blobs=kept(one))
    yield from _named()
    yield from _uses(listed)
    yield from _faults(listed)


def _named() -> Iterator[Json]:
    document = ruled(named("u1", 17))
    yield vector("named list: in it", document, user("u1"), ON)
    yield vector("named list: an integer", document, user("17"), ON)
    yield vector("named list: not in it", document, user("u2"), OFF)
    yield vector("named list: no unit", document, {}, OFF)
    yield vector("named list: empty", ruled(named()), user("u1"), OFF)
    either = {"any": [named("u1"), {"attribute": "plan", "operator": "equals", "value": "pro"}]}
    yield vector("named list or attribute: by name", ruled(either), user("u1"), ON)
    yield vector("named list or attribute: by attribute", ruled(either), user("u2", plan="pro"), ON)


def _uses(listed: bytes) -> Iterator[Json]:
    told = {"blobs": kept(listed)}
    segments = {"heavy": hashed(listed), "heavy-german": {"all": [{"segment": "heavy"}, GERMAN]}}
    flag = switch(rules=[serve("on", {"segment": "heavy-german"})])
    document = snapshot(segments=segments, flags={"switch": flag})
    german = user("u1", country="DE")
    yield vector("a segment of a hashed list and a clause", document, german, ON, **told)
    yield vector("a segment of a hashed list and no clause", document, user("u1"), OFF, **told)
    flag = button(overrides=[{"variant": "blue", "segment": "heavy"}])
    document = snapshot(segments=segments, flags={"button": flag})
    blue = expected("#00a", "blue", "TARGETING_MATCH", metadata={"experiment.arm": "override"})
    yield vector("an override by a hashed list", document, user("u1"), blue, **told)
    grey = expected("#888", "grey", "DEFAULT")
    yield vector("an override by a hashed list: others", document, user("u3"), grey, **told)
    document = snapshot(
        segments=segments,
        layers=LAYERS,
        experiments={"trial": experiment(eligibility={"segment": "heavy"})},
        flags={"button": button(experiments=["trial"])},
    )
    unit = next(unit for unit in LISTED if murmur.arm(murmur.share("splitsalt", unit), [1, 1]))
    green = expected("#0a0", "green", "SPLIT", enrolment=enrolled("treatment", unit))
    yield vector("an experiment among a hashed list", document, user(unit), green, **told)
    other = unit_in_arm(1)
    answer = green if other in LISTED else grey
    yield vector("an experiment among a hashed list: others", document, user(other), answer, **told)
    rule = {**rollout("green", 1_000_000), "eligibility": {"segment": "heavy"}}
    document = snapshot(segments=segments, flags={"button": button(rules=[rule])})
    green = expected("#0a0", "green", "SPLIT")
    yield vector("a rollout among a hashed list", document, user("u2"), green, **told)


def _faults(listed: bytes) -> Iterator[Json]:
    told = {"blobs": kept(listed)}
    cases: list[tuple[str, Json, Json]] = [
        ("a blob that is missing", hashed(b"nowhere"), FAULT),
        ("an undeclared unit type", hashed(listed, unit_type="device"), FAULT),
        ("no salt", {"members": {"unit_type": "user", "blob": address(listed)}}, SHAPE),
        ("no blob", {"members": {"unit_type": "user", "salt": SALT}}, SHAPE),
        ("both forms", named("u1", blob=address(listed)), SHAPE),
        ("units that are null", {"members": {"unit_type": "user", "units": None}}, SHAPE),
        ("units that are none", named(""), SHAPE),
        ("units of an undeclared type", named("u1", unit_type="device"), FAULT),
        ("a list", {"members": ["u1"]}, SHAPE),
        ("null", {"members": None}, SHAPE),
        ("members beside all", {"members": {}, "all": []}, SHAPE),
    ]
    for name, condition, answer in cases:
        yield vector(f"fault: members that are {name}", ruled(condition), user("u1"), answer, **told)
    flags = {"switch": switch(), "button": button(rules=[serve("blue", hashed(b"nowhere"))])}
    calm = expected(False, "off", "STATIC")
    yield vector("a missing blob leaves other flags alone", snapshot(flags=flags), user("u1"), calm)
    answer = expected("#888", "grey", "ERROR", error_code="GENERAL")
    loud = {"flag": "button", "code_default": "x"}
    yield vector(
        "a missing blob spoils the flags that use it", snapshot(flags=flags), user("u1"), answer, **loud
    )
    large = {"any": [{"segment": "many"}] * 10}
    for count, answer in [(997, OFF), (998, FAULT)]:
        segments = {"many": {"any": [{"attribute": "a", "operator": "is_set"}] * count}}
        document = snapshot(segments=segments, flags={"switch": switch(rules=[serve("on", large)])})
        name = f"a condition of {10 * (count + 2) + 1} parts, segments included"
        yield vector(name, document, user("u1"), answer)


GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}
