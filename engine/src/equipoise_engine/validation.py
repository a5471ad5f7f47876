"""The strict check before a snapshot is published: whatever it accepts compiles without a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise

from equipoise_engine.canonical import content_hash
from equipoise_engine.experiments import Service
from equipoise_engine.members import Members
from equipoise_engine.problems import Problem, SnapshotError, pointer
from equipoise_engine.snapshot import NO_BLOBS, SNAPSHOT_MEMBERS, Inspection, compile_snapshot

LARGEST_FLAG_COUNT = 5_000
LARGEST_VARIANT_COUNT = 64

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SECRET = re.compile(r"[0-9a-f]{64}")
_TABLES = ("groups", "segments", "layers", "holdouts", "experiments", "flags")


def validate_snapshot(
    document: Mapping[str, object], blobs: Mapping[str, Members] = NO_BLOBS
) -> tuple[Problem, ...]:
    """Return every fault of a document at once; none means that it may be published.

    `blobs` holds the lists of members by address. Beyond what spoils a flag it refuses unknown
    members, unusable keys, excess of the limits, experiments that overlap or contradict their flags,
    and a wrong hash.
    """
    try:
        found = compile_snapshot(document, blobs).inspected()
    except SnapshotError as refusal:
        return refusal.found
    strict = chain(
        _members(document),
        _keys(document),
        _limits(document),
        _overlaps(found),
        _holdouts(document),
        *(_flag(key, node, found) for key, node in _entries(document, "flags")),
        _settings(found, dict(_entries(document, "flags"))),
    )
    return tuple(dict.fromkeys([*found.problems, *strict]))


def _entries(document: Mapping[str, object], name: str) -> list[tuple[str, dict[str, object]]]:
    """Return the entries of a table that are objects; the others are noted elsewhere."""
    table = document.get(name, {})
    entries = table.items() if isinstance(table, dict) else ()
    return [(key, node) for key, node in entries if isinstance(node, dict)]


def _members(document: Mapping[str, object]) -> Iterator[Problem]:
    for name in sorted(document.keys() - SNAPSHOT_MEMBERS):
        yield Problem(pointer("", name), "is not a member that this version knows")
    preview_key = document.get("preview_key", "0" * 64)
    if not (isinstance(preview_key, str) and _SECRET.fullmatch(preview_key)):
        yield Problem("/preview_key", "must be 64 lower-case hex digits")
    if "exposure_tokens" in document and not _are_tokens(document["exposure_tokens"]):
        yield Problem("/exposure_tokens", "must say whether tokens are required, and list keys")
    try:
        actual = content_hash(document)
    except (ValueError, RecursionError) as cause:
        yield Problem("", f"has no canonical form: {cause}")
    else:
        if document.get("hash", actual) != actual:
            yield Problem("/hash", "must be the SHA-256 of the canonical JSON without it")


def _are_tokens(held: object) -> bool:
    """Tell whether a node is what signs tokens of exposures (spec/exposure-tokens.md)."""
    if not isinstance(held, dict) or not isinstance(held.get("required"), bool):
        return False
    keys = held.get("keys")
    return isinstance(keys, list) and bool(keys) and all(map(_is_token_key, keys))


def _is_token_key(key: object) -> bool:
    if not isinstance(key, dict) or type(key.get("id")) is not int:
        return False
    secret, until = key.get("secret"), key.get("until", 0)
    return isinstance(secret, str) and _SECRET.fullmatch(secret) is not None and type(until) is int


def _keys(document: Mapping[str, object]) -> Iterator[Problem]:
    places = [(f"/{name}", document[name]) for name in ("project", "environment")]
    places += [("/unit_types", unit_type) for unit_type in _array(document, "unit_types")]
    for name in _TABLES:
        places += [(pointer(f"/{name}", key), key) for key, _ in _entries(document, name)]
    for flag, node in _entries(document, "flags"):
        place = pointer("/flags", flag) + "/variants"
        places += [(pointer(place, key), key) for key in _table(node, "variants")]
    for experiment, node in _entries(document, "experiments"):
        place = pointer("/experiments", experiment) + "/variants"
        arms = (arm.get("key") for arm in _array(node, "variants") if isinstance(arm, dict))
        places += [(place, key) for key in arms]
    for place, key in places:
        if not (isinstance(key, str) and _KEY.fullmatch(key)):
            yield Problem(place, f"key must be 1 to 64 of a-z 0-9 . _ -, not start with . _ -: {key!r}")


def _array(node: Mapping[str, object], name: str) -> list[object]:
    value = node.get(name, [])
    return value if isinstance(value, list) else []


def _table(node: Mapping[str, object], name: str) -> dict[str, object]:
    value = node.get(name, {})
    return value if isinstance(value, dict) else {}


def _limits(document: Mapping[str, object]) -> Iterator[Problem]:
    count = len(_table(document, "flags"))
    if count > LARGEST_FLAG_COUNT:
        yield Problem("/flags", f"must be at most {LARGEST_FLAG_COUNT:,}, not {count:,}")
    for name in ("flags", "experiments"):
        for key, node in _entries(document, name):
            count = len(_table(node, "variants") or _array(node, "variants"))
            if count > LARGEST_VARIANT_COUNT:
                place = pointer(f"/{name}", key) + "/variants"
                yield Problem(place, f"must be at most {LARGEST_VARIANT_COUNT}, not {count}")


def _overlaps(found: Inspection) -> Iterator[Problem]:
    """In one layer no two running experiments or domains share a slot, so no unit is in both."""
    running = [one for one in found.experiments.values() if one and one.service is Service.SPLIT]
    taken = [
        (one.layer.key, low, high, pointer("/experiments", one.key), one.key)
        for one in running
        for low, high in one.slots
    ]
    # Layers over the same slots divide one domain, each for itself: together they take it once.
    domains = {
        (layer.domain.layer.key, layer.domain.slots): layer.key
        for layer in reversed(found.layers)
        if layer.domain
    }
    for (outer, slots), key in domains.items():
        taken += [(outer, low, high, pointer("/layers", key) + "/domain", key) for low, high in slots]
    for (layer, _, end, _, first), (other, start, _, place, _) in pairwise(sorted(taken)):
        if layer == other and start < end:
            yield Problem(f"{place}/slots", f"overlap those of {first!r} in layer {layer!r}")


def _flag(key: str, node: Mapping[str, object], found: Inspection) -> Iterator[Problem]:
    path = pointer("/flags", key)
    rules = [rule.get("id") for rule in _array(node, "rules") if isinstance(rule, dict)]
    if len(set(map(str, rules))) < len(rules):
        yield Problem(f"{path}/rules", "must have different ids")
    listed = [found.experiments.get(str(name)) for name in _array(node, "experiments")]
    running = [one.layer for one in listed if one and one.service is Service.SPLIT]
    for is_launch in (False, True):
        layers = {layer.key for layer in running if layer.is_launch is is_launch}
        if len(layers) > 1:
            told = f"that run must share one layer, not {', '.join(sorted(layers))}"
            yield Problem(f"{path}/experiments", told)
    covers = [cover.get("holdout") for cover in _array(node, "holdouts") if isinstance(cover, dict)]
    types = [holdout.unit_type for name in covers if (holdout := found.holdouts.holdout(str(name)))]
    if len(set(types)) < len(types):
        yield Problem(f"{path}/holdouts", "must be of different unit types")


def _holdouts(document: Mapping[str, object]) -> Iterator[Problem]:
    """Exposures tell experiments and holdouts by their keys."""
    for key in _table(document, "holdouts").keys() & _table(document, "experiments").keys():
        yield Problem(pointer("/holdouts", key), "is the key of an experiment, too")


def _settings(found: Inspection, flags: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    """Every flag that an experiment sets must list it, or the experiment never decides it."""
    for experiment in filter(None, found.experiments.values()):
        place = pointer("/experiments", experiment.key)
        for index, arm in enumerate(experiment.arms):
            for flag in arm.values:
                if experiment.key not in _array(flags.get(flag, {}), "experiments"):
                    told = f"there is no flag {flag!r} that lists this experiment"
                    yield Problem(pointer(f"{place}/variants/{index}/values", flag), told)
