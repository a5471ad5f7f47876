"""The strict check before a snapshot is published: whatever it accepts compiles without a fault."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise

from equipoise_engine.canonical import content_hash
from equipoise_engine.experiments import Experiment, Service
from equipoise_engine.problems import Problem, SnapshotError, pointer
from equipoise_engine.snapshot import SNAPSHOT_MEMBERS, compile_snapshot

LARGEST_FLAG_COUNT = 5_000
LARGEST_VARIANT_COUNT = 64

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_TABLES = ("groups", "segments", "layers", "experiments", "flags")


def validate_snapshot(document: Mapping[str, object]) -> tuple[Problem, ...]:
    """Return every fault of a document at once; none means that it may be published.

    Beyond what spoils a flag it refuses unknown members, unusable keys, excess of the limits,
    experiments that overlap or contradict their flags, and a wrong hash.
    """
    try:
        found = compile_snapshot(document).inspected()
    except SnapshotError as refusal:
        return refusal.found
    strict = chain(
        _members(document),
        _keys(document),
        _limits(document),
        _overlaps(found.experiments),
        *(_flag(key, node, found.experiments) for key, node in _entries(document, "flags")),
        *(_settings(experiment, document) for experiment in found.experiments.values()),
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
    try:
        actual = content_hash(document)
    except (ValueError, RecursionError) as cause:
        yield Problem("", f"has no canonical form: {cause}")
    else:
        if document.get("hash", actual) != actual:
            yield Problem("/hash", "must be the SHA-256 of the canonical JSON without it")


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


def _overlaps(experiments: Mapping[str, Experiment | None]) -> Iterator[Problem]:
    """In one layer no two running experiments share a slot, so no unit is in both."""
    running = [one for one in experiments.values() if one and one.service is Service.SPLIT]
    taken = sorted((one.layer.key, low, high, one.key) for one in running for low, high in one.slots)
    for (layer, _, end, first), (other, start, _, second) in pairwise(taken):
        if layer == other and start < end:
            place = pointer("/experiments", second) + "/slots"
            yield Problem(place, f"overlap those of {first!r} in layer {layer!r}")


def _flag(
    key: str, node: Mapping[str, object], experiments: Mapping[str, Experiment | None]
) -> Iterator[Problem]:
    path = pointer("/flags", key)
    rules = [rule.get("id") for rule in _array(node, "rules") if isinstance(rule, dict)]
    if len(set(map(str, rules))) < len(rules):
        yield Problem(f"{path}/rules", "must have different ids")
    listed = [experiments.get(str(name)) for name in _array(node, "experiments")]
    layers = {one.layer.key for one in listed if one and one.service is Service.SPLIT}
    if len(layers) > 1:
        told = f"that run must share one layer, not {', '.join(sorted(layers))}"
        yield Problem(f"{path}/experiments", told)


def _settings(experiment: Experiment | None, document: Mapping[str, object]) -> Iterator[Problem]:
    """Every flag that an experiment sets must list it, or the experiment never decides it."""
    if experiment is None:
        return
    flags = dict(_entries(document, "flags"))
    for index, arm in enumerate(experiment.arms):
        for flag in arm.values:
            if experiment.key not in _array(flags.get(flag, {}), "experiments"):
                place = pointer("/experiments", experiment.key)
                told = f"there is no flag {flag!r} that lists this experiment"
                yield Problem(pointer(f"{place}/variants/{index}/values", flag), told)
