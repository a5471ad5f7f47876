"""Hypothesis strategies: snapshots, contexts, and ways to spoil them."""

from __future__ import annotations

import copy
from typing import Any

from authoring.parts import LAYERS, Json, button, experiment, rollout, serve, snapshot, switch
from hypothesis import strategies as st

rarely = st.sampled_from([False] * 9 + [True])
unit_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
salts = st.from_regex(r"[a-z2-7]{8}", fullmatch=True)
colours = st.sampled_from(["plain", "grey", "green", "blue"])
shares = st.integers(0, 1_000_000)
words = st.sampled_from(["a", "b", "DE", "pro"])

NESTED_LAYERS = {
    **LAYERS,
    "inner": {
        "salt": "innersalt",
        "unit_type": "user",
        "domain": {"layer": "checkout", "slots": [[0, 3000], [6000, 9000]]},
    },
    "regions": {"salt": "regionsalt", "unit_type": "region"},
    "launch": {"salt": "launchsalt", "unit_type": "user", "launch": True},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def _members(units: list[int]) -> Json:
    return {"members": {"unit_type": "user", "units": units}}


clauses = st.one_of(
    st.builds(lambda v: {"attribute": "a", "operator": "equals", "value": v}, words | st.booleans()),
    st.builds(lambda v: {"attribute": "b", "operator": "in", "values": v}, st.lists(words, max_size=3)),
    st.builds(lambda v: {"attribute": "n", "operator": "greater", "value": v}, st.integers(0, 9)),
    st.builds(lambda v: {"attribute": "v", "operator": "semver_less", "value": v}, st.just("2.0")),
    st.builds(lambda v: {"attribute": "t", "operator": "before", "value": v}, st.just("2026-01-01")),
    st.just({"attribute": "a", "operator": "is_set"}),
    st.just({"segment": "some"}),
    st.builds(_members, st.lists(st.integers(0, 9), max_size=3)),
)
conditions = st.recursive(
    clauses,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=4,
)

contexts = st.fixed_dictionaries(
    {},
    optional={
        "units": st.fixed_dictionaries(
            {},
            optional={
                "user": unit_ids | st.integers(),
                "account": unit_ids,
                "region": st.sampled_from(["north", "south", "west"]),
            },
        ),
        "now": st.integers(1_772_366_000, 1_772_382_000) | st.just("2026-03-01T13:00:00Z") | st.none(),
        "clusters": st.dictionaries(st.sampled_from(["e0:3", "e1:3"]), unit_ids | st.none(), max_size=1),
        "overrides": st.dictionaries(st.just("button"), colours | st.none(), max_size=1),
        "attributes": st.fixed_dictionaries(
            {},
            optional={
                "a": words | st.booleans() | st.none(),
                "b": words | st.integers(),
                "n": st.integers(0, 9) | st.text(max_size=2),
                "v": st.sampled_from(["1.2.3", "2.0", "x"]),
                "t": st.sampled_from(["2025-01-01", "2027-01-01T00:00:00Z", 5]),
            },
        ),
    },
)


@st.composite
def rules(draw: st.DrawFn, index: int) -> Json:
    name, eligibility = f"r{index}", draw(st.none() | conditions)
    if draw(st.booleans()):
        return serve(draw(colours), eligibility, name)
    unit_type = draw(st.sampled_from(["user", "account"]))
    rule = rollout(draw(colours), draw(shares), salt=draw(salts), rule=name, unit_type=unit_type)
    if draw(st.booleans()):
        del rule["rollout"]["parts_per_million"]
        stages = draw(st.lists(st.tuples(st.none() | conditions, shares), min_size=1, max_size=3))
        rule["rollout"]["rings"] = [
            {"id": f"ring{number}", "eligibility": audience, "parts_per_million": parts}
            for number, (audience, parts) in enumerate(stages)
        ]
    return {**rule, "eligibility": eligibility}


@st.composite
def experiments(draw: st.DrawFn) -> Json:
    low = draw(st.integers(0, 5_000))
    weights = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3).filter(any))
    variants = [
        {"key": f"arm{index}", "weight": weight, "values": {"button": draw(colours)}}
        for index, weight in enumerate(weights)
    ]
    if draw(rarely):
        return _switching(
            draw(st.lists(st.sampled_from("0" if len(weights) == 1 else "01"), min_size=1)), variants
        )
    clusters = {"layer": "accounts", "cluster_type": "account"} if draw(st.booleans()) else {}
    return (
        experiment(
            layer=draw(st.sampled_from(["checkout", "inner", "launch"])),
            state=draw(st.sampled_from(["running", "stopped"])),
            killed=draw(rarely),
            eligibility=draw(st.none() | conditions),
            slots=draw(st.sampled_from([[], [[0, 10_000]], [[low, low + 5_000]]])),
            gate=draw(st.none() | st.builds(_gate, salts, st.integers(0, 1_000_000))),
            salt=draw(salts),
            control="arm0",
            variants=variants,
        )
        | clusters
    )


def _switching(arms: list[str], variants: list[Json]) -> Json:
    schedule = {"north": "".join(arms), "south": "".join(reversed(arms))}
    plan = {"starts_at": "2026-03-01T12:00:00Z", "window_seconds": 3600, "burn_in_seconds": 600}
    members = {"layer": "regions", "unit_type": "region", "control": "arm0", "variants": variants}
    regions = experiment(**members, switchback={**plan, "schedule": schedule})
    del regions["salt"]
    return regions


def _gate(salt: str, parts: int) -> Json:
    return {"salt": salt, "parts_per_million": parts}


@st.composite
def snapshots(draw: st.DrawFn) -> Json:
    """Sound documents with one flag, "button", that may do everything at once."""
    listed = draw(st.lists(experiments(), max_size=2))
    flag = button(
        killed=draw(rarely),
        groups=["some"],
        prerequisites=draw(st.lists(st.just({"flag": "first", "variants": ["on"]}), max_size=1)),
        overrides=draw(
            st.lists(
                st.one_of(
                    st.builds(lambda v: {"variant": v, "segment": "some"}, colours),
                    st.builds(_named, colours, st.lists(unit_ids, max_size=2)),
                ),
                max_size=2,
            )
        ),
        holdouts=draw(st.lists(st.builds(_cover, colours), max_size=1)),
        experiments=[f"e{index}" for index in range(len(listed))],
        rules=[draw(rules(index)) for index in range(draw(st.integers(0, 3)))],
    )
    return snapshot(
        killed=draw(rarely),
        groups={"some": {"killed": draw(rarely)}},
        segments={"some": {"attribute": "b", "operator": "equals", "value": "pro"}},
        unit_types=["user", "account", "region"],
        layers=NESTED_LAYERS,
        holdouts={
            "winter": {
                "season": 1,
                "salt": draw(salts),
                "unit_type": "user",
                "parts_per_million": draw(shares),
            }
        },
        experiments={f"e{index}": one for index, one in enumerate(listed)},
        flags={"button": flag, "first": switch(rules=[rollout("on", 800_000, salt="firstsalt")])},
    )


def _cover(baseline: str) -> Json:
    return {"holdout": "winter", "baseline": baseline}


def _named(variant: str, units: list[str]) -> Json:
    return {"variant": variant, "unit_type": "user", "units": units}


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for key, value in pairs for place in places(value, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, documents: st.SearchStrategy[Json]) -> Any:
    """Return a document with up to three values replaced by anything or removed."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(document)))
        if not path:
            return draw(json_values)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        if draw(st.booleans()):
            parent[path[-1]] = draw(json_values)
        else:
            del parent[path[-1]]
    return document
