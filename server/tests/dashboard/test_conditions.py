"""Conditions: what is built is what is stored, and what is stored can be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from equipoise_server.dashboard.conditions import OPERATORS, as_rows, from_rows, sentence
from equipoise_server.dashboard.forms import Form, filled
from equipoise_server.dashboard.pages.clauses import clause_texts, read_condition
from equipoise_server.flags.values import Condition
from equipoise_server.foundation.refusals import Problem

_text = st.text("abcXYZ-_./ 019", min_size=1, max_size=8).map(str.strip).filter(bool)
_constants = st.one_of(_text, st.booleans(), st.integers(-999, 999), st.sampled_from(["5", "true", "1.5"]))
_LISTS = ("in", "contains", "starts_with", "ends_with")


@st.composite
def clauses(draw: st.DrawFn) -> Condition:
    """One clause of any operator."""
    operator = draw(st.sampled_from([key for key, _ in OPERATORS]))
    clause: dict[str, object] = {"attribute": draw(_text), "operator": operator}
    if operator in _LISTS:
        values = _constants if operator == "in" else _text
        clause["values"] = draw(st.lists(values, min_size=1, max_size=3))
    elif operator.startswith(("greater", "less")):
        clause["value"] = draw(st.integers(-99, 99))
    elif operator == "equals":
        clause["value"] = draw(_constants)
    elif operator != "is_set":
        clause["value"] = draw(_text)
    return {"not": clause} if draw(st.booleans()) else clause


flat = st.one_of(
    clauses(),
    st.fixed_dictionaries({"segment": st.just("staff")}),
    st.builds(
        lambda j, c: {j: c}, st.sampled_from(["all", "any"]), st.lists(clauses(), min_size=2, max_size=4)
    ),
)


@given(flat)
def test_the_builder_gives_back_what_it_was_given(condition: Condition) -> None:
    built = as_rows(condition)
    assert built is not None
    assert from_rows(built) == condition


@given(flat)
def test_the_form_gives_back_what_it_was_given(condition: Condition) -> None:
    problems: list[Problem] = []
    assert read_condition(filled(clause_texts(condition, "x.")), problems, "x.") == condition
    assert problems == []


def test_a_nested_condition_goes_to_the_experts_field_and_survives() -> None:
    nested: Condition = {"all": [{"any": [{"segment": "a"}, {"segment": "b"}]}, {"segment": "c"}]}
    form = filled(clause_texts(nested))
    assert "condition_json" in form.values
    assert read_condition(form, []) == nested


def test_no_lines_mean_everybody() -> None:
    assert read_condition(Form({"clause.0.attribute": ("",)}), []) is None
    assert sentence(None) == "everybody"


def test_a_condition_reads_as_a_sentence() -> None:
    condition: Condition = {
        "all": [
            {"attribute": "country", "operator": "in", "values": ["DE", "AT"]},
            {"not": {"segment": "staff"}},
        ]
    }
    assert sentence(condition) == "country is one of DE, AT and not in segment staff"


def test_json_that_is_none_is_named_with_the_way_out() -> None:
    problems: list[Problem] = []
    read_condition(Form({"condition_json": ("{",)}), problems)
    assert [problem.field for problem in problems] == ["condition_json"]
    assert "Empty the field" in problems[0].message
