"""What the checks let through, the engine of the SDKs accepts: nobody learns of a fault at publishing."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise_engine import compile_snapshot
from equipoise_server.access.values import Environment, Project
from equipoise_server.experiments.values import ExperimentsPayload
from equipoise_server.flags.checks import (
    Served,
    Surroundings,
    all_problems,
    segment_problems,
    served_json,
    settings_problems,
    variants_problems,
)
from equipoise_server.flags.settings_json import segments_named
from equipoise_server.flags.values import FlagsPayload, FlagType, FlagVariant, Override, Rollout, Rule
from equipoise_server.foundation.revisions import Revision
from equipoise_server.snapshots.composing import Rows, compose
from equipoise_server.snapshots.vetting import faults

PRODUCTION = Environment(UUID(int=2), UUID(int=1), "production", "Production", is_protected=False)
SHOP = Project(UUID(int=1), "shop", "Shop", ("user", "account"), "user", (PRODUCTION,))
SEGMENTS = {"staff": {"attribute": "staff", "operator": "equals", "value": True}}

keys = st.sampled_from(["on", "off", "other", "No", ""])
texts = st.text(max_size=4) | st.sampled_from(["user", "account", "staff", "nobody", ""])
values = st.one_of(st.booleans(), st.integers(), st.floats(), texts, st.dictionaries(texts, st.floats()))
clauses = st.fixed_dictionaries(
    {
        "attribute": st.sampled_from(["country", "age", ""]),
        "operator": st.sampled_from(
            ["equals", "in", "greater", "contains", "semver_less", "before", "is_set", "like"]
        ),
    },
    optional={"value": values, "values": st.lists(values, max_size=2)},
) | st.builds(
    lambda operator, constant: {"attribute": "age", "operator": operator, "value": constant},
    st.sampled_from(["equals", "greater", "less_or_equal"]),
    st.integers(-9, 9) | st.floats(),
)
conditions = st.recursive(
    clauses | st.fixed_dictionaries({"segment": st.sampled_from(["staff", "nobody"])}),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, max_size=2)}) | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=4,
)


def settings_over(
    variants: st.SearchStrategy[str], unit_types: st.SearchStrategy[str]
) -> st.SearchStrategy[Served]:
    """Settings that name these variants and unit types."""
    rollout = st.builds(Rollout, variants, unit_types, st.integers(-1, 1_000_001), st.just("saltsalt"))
    eligibility, ids = st.none() | conditions, st.sampled_from(["r1", "r2"])
    rule = st.builds(Rule, ids, eligibility, variants) | st.builds(
        Rule, ids, eligibility, st.just(""), st.none() | rollout
    )
    override = st.builds(
        Override, variants, unit_types, st.lists(texts, min_size=1, max_size=2).map(tuple)
    ) | st.builds(Override, variants, segment=st.sampled_from(["staff", "nobody"]))
    return st.builds(Served, variants, variants, st.lists(override, max_size=2), st.lists(rule, max_size=2))


served_settings = settings_over(
    st.sampled_from(["on", "off"]), st.sampled_from(["user", "account"])
) | settings_over(keys, st.sampled_from(["user", "planet", ""]))


def published(flag_type: FlagType, variants: list[FlagVariant], served: Served) -> list[str]:
    """What would speak against publishing a flag."""
    written = served_json(served)
    rules = written["rules"]
    assert isinstance(rules, list)
    flag = {
        **written, "type": str(flag_type), "killed": False, "groups": [],
        "variants": {variant.key: variant.value for variant in variants},
    }  # fmt: skip
    rows = Rows(
        SHOP, PRODUCTION, FlagsPayload({"f": flag}, SEGMENTS, killed=False), ExperimentsPayload({}, {})
    )
    return [problem.message for problem in faults(compose(rows, Revision(1, 1)), b"")]


@settings(max_examples=300, deadline=None)
@given(served_settings)
def test_settings_that_pass_the_checks_can_be_published(served: Served) -> None:
    variants = [FlagVariant("on", True), FlagVariant("off", False), FlagVariant("other", True)]
    around = Surroundings(frozenset(["on", "off", "other"]), SHOP.unit_types, SEGMENTS)
    if not all_problems(settings_problems(served, around)):
        assert published(FlagType.BOOLEAN, variants, served) == []


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(FlagType), st.lists(st.builds(FlagVariant, keys, values), max_size=3))
def test_variants_that_pass_the_checks_can_be_published(
    flag_type: FlagType, variants: list[FlagVariant]
) -> None:
    if not all_problems(variants_problems(flag_type, variants)):
        first = variants[0].key
        assert published(flag_type, variants, Served(first, first)) == []


@settings(max_examples=200, deadline=None)
@given(conditions)
def test_segments_that_pass_the_checks_spoil_no_snapshot(condition: dict[str, object]) -> None:
    if all_problems(segment_problems("fresh", condition, SEGMENTS, unit_types=SHOP.unit_types)):
        return
    rows = Rows(
        SHOP,
        PRODUCTION,
        FlagsPayload({}, {**SEGMENTS, "fresh": condition}, killed=False),
        ExperimentsPayload({}, {}),
    )
    document = compose(rows, Revision(1, 1))
    assert faults(document, b"") == []
    assert compile_snapshot(document).faults == {}


def test_the_segments_of_a_condition_are_found_however_deep() -> None:
    condition = {"any": [{"not": {"segment": "a"}}, {"all": [{"segment": "b"}, {"attribute": "segment"}]}]}
    assert segments_named(condition) == {"a", "b"}
    assert segments_named(None) == frozenset()
