"""The check before a snapshot is published finds everything, at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from authoring.parts import LAYERS, Json, button, experiment, rollout, serve, snapshot, switch, trial

from equipoise_engine import content_hash, validate_snapshot


def places(document: Json) -> set[str]:
    return {problem.path for problem in validate_snapshot(document)}


def test_a_sound_document_has_no_problems() -> None:
    document = trial()
    assert validate_snapshot(document) == ()
    assert validate_snapshot({**document, "hash": content_hash(document)}) == ()
    assert validate_snapshot({**document, "preview_key": "0af1" * 16}) == ()
    keys = [{"id": 2, "secret": "0af1" * 16}, {"id": 1, "secret": "1" * 64, "until": 1_800_000_000}]
    assert validate_snapshot({**document, "exposure_tokens": {"required": True, "keys": keys}}) == ()


def test_an_unusable_document_tells_its_reasons() -> None:
    assert places({**trial(), "format": 9, "epoch": -1}) == {"/format", "/epoch"}


def _with(change: Callable[[Json], object]) -> Json:
    document = trial()
    change(document)
    return document


WINTER = {"season": 1, "salt": "wintersalt", "unit_type": "user", "parts_per_million": 10_000}
INNER = {"salt": "innersalt", "unit_type": "user", "domain": {"layer": "checkout", "slots": [[0, 5000]]}}

CHANGES: list[tuple[str, Callable[[Json], object], str]] = [
    ("an unknown member at the top", lambda d: d.update(moods={}), "/moods"),
    ("a preview key with capitals", lambda d: d.update(preview_key="A" * 64), "/preview_key"),
    *(
        (
            f"unusable tokens: {tokens}",
            lambda d, held=tokens: d.update(exposure_tokens=held),
            "/exposure_tokens",
        )
        for tokens in (
            "on",
            {"required": 1, "keys": []},
            {"required": True, "keys": []},
            {"required": True, "keys": [{"id": True, "secret": "0" * 64}]},
            {"required": True, "keys": [{"id": 1, "secret": "short"}]},
            {"required": True, "keys": [7]},
            {"required": True, "keys": [{"id": 1, "secret": "0" * 64, "until": None}]},
        )
    ),
    ("a wrong hash", lambda d: d.update(hash="0" * 64), "/hash"),
    ("a key with capitals", lambda d: d["flags"].update(Button=button()), "/flags/Button"),
    ("a key with a slash", lambda d: d["flags"].update({"a/b": button()}), "/flags/a~1b"),
    ("a project without a key", lambda d: d.update(project="The shop"), "/project"),
    ("a unit type that is no key", lambda d: d["unit_types"].append("User"), "/unit_types"),
    ("a group that is no key", lambda d: d.update(groups={"": {"killed": False}}), "/groups/"),
    ("an unused faulty group", lambda d: d.update(groups={"g": {"killed": 1}}), "/groups/g/killed"),
    ("an unused faulty segment", lambda d: d.update(segments={"s": {}}), "/segments/s"),
    ("an unused cycle", lambda d: d.update(segments={"s": {"segment": "s"}}), "/segments/s"),
    (
        "an unused faulty layer",
        lambda d: d["layers"].update(x={"salt": "", "unit_type": "user"}),
        "/layers/x/salt",
    ),
    ("an unused faulty experiment", lambda d: d["experiments"].update(x=None), "/experiments/x"),
    (
        "an unknown state",
        lambda d: d["experiments"]["trial"].update(state="paused"),
        "/experiments/trial/state",
    ),
    ("no slots", lambda d: d["experiments"]["trial"].pop("slots"), "/experiments/trial/slots"),
    (
        "slots that are booleans",
        lambda d: d["experiments"]["trial"].update(slots=[[False, True]]),
        "/experiments/trial/slots",
    ),
    (
        "slots beyond the last",
        lambda d: d["experiments"]["trial"].update(slots=[[0, 10_001]]),
        "/experiments/trial/slots",
    ),
    (
        "a control that is no arm",
        lambda d: d["experiments"]["trial"].update(control="nobody"),
        "/experiments/trial/control",
    ),
    (
        "an arm key that is no key",
        lambda d: d["experiments"]["trial"]["variants"][1].update(key="Green!"),
        "/experiments/trial/variants",
    ),
    (
        "weights that are too large",
        lambda d: d["experiments"]["trial"]["variants"][1].update(weight=2**20),
        "/experiments/trial/variants",
    ),
    (
        "equal arm keys",
        lambda d: d["experiments"]["trial"]["variants"][1].update(key="control"),
        "/experiments/trial/variants",
    ),
    (
        "an arm whose value is no text",
        lambda d: d["experiments"]["trial"]["variants"][1].update(values={"button": 7}),
        "/experiments/trial/variants/1/values",
    ),
    (
        "an arm that sets a flag which does not list the experiment",
        lambda d: d["experiments"]["trial"]["variants"][1]["values"].update(other="on"),
        "/experiments/trial/variants/1/values/other",
    ),
    (
        "a variant key that is no key",
        lambda d: d["flags"]["button"]["variants"].update({"Big Green": "#0f0"}),
        "/flags/button/variants/Big Green",
    ),
    (
        "65 variants",
        lambda d: d["flags"]["button"]["variants"].update({f"v{n}": "x" for n in range(61)}),
        "/flags/button/variants",
    ),
    (
        "65 arms",
        lambda d: d["experiments"]["trial"]["variants"].extend(
            {"key": f"a{n}", "weight": 1, "values": {"button": "grey"}} for n in range(63)
        ),
        "/experiments/trial/variants",
    ),
    (
        "two rules of one id",
        lambda d: d["flags"]["button"].update(rules=[serve("grey"), rollout("green", 1)]),
        "/flags/button/rules",
    ),
    (
        "a number that is not finite",
        lambda d: d["flags"].update(
            n={"type": "number", "variants": {"a": float("inf")}, "off": "a", "default": "a"}
        ),
        "/flags/n/variants/a",
    ),
    (
        "an unused faulty holdout",
        lambda d: d.update(
            holdouts={"winter": {"season": 0, "salt": "s", "unit_type": "user", "parts_per_million": 1}}
        ),
        "/holdouts/winter/season",
    ),
    (
        "a holdout of the same key as an experiment",
        lambda d: d.update(holdouts={"trial": WINTER}),
        "/holdouts/trial",
    ),
    (
        "a holdout that is no key",
        lambda d: d.update(holdouts={"Winter": WINTER}),
        "/holdouts/Winter",
    ),
    (
        "two holdouts of one unit type on one flag",
        lambda d: (
            d.update(holdouts={"winter": WINTER, "spring": WINTER}),
            d["flags"]["button"].update(
                holdouts=[{"holdout": key, "baseline": "grey"} for key in ("winter", "spring")]
            ),
        ),
        "/flags/button/holdouts",
    ),
    (
        "a domain in slots of a running experiment",
        lambda d: d["layers"].update(inner=INNER),
        "/experiments/trial/slots",
    ),
    (
        "a flag that waits for itself",
        lambda d: d["flags"]["button"].update(prerequisites=[{"flag": "button", "variants": ["grey"]}]),
        "/flags/button/prerequisites",
    ),
    (
        "a prerequisite that is no flag",
        lambda d: d["flags"]["button"].update(prerequisites=[{"flag": "gone", "variants": ["grey"]}]),
        "/flags/button/prerequisites/0/flag",
    ),
    (
        "more than 5,000 flags",
        lambda d: d["flags"].update({f"f{n}": switch() for n in range(5_000)}),
        "/flags",
    ),
]


@pytest.mark.parametrize(
    ("change", "path"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES]
)
def test_a_problem_is_found_at_its_place(change: Callable[[Json], object], path: str) -> None:
    document = _with(change)
    if path == "/flags/n/variants/a":
        document["hash"] = "0" * 64
    assert path in places(document)


def test_all_problems_are_told_at_once() -> None:
    document = trial(slots=None)
    document["flags"]["Bad"] = switch(rules=[serve("maybe", {"segment": "nobody"})])
    assert places(document) >= {
        "/experiments/trial/slots",
        "/flags/Bad",
        "/flags/Bad/rules/0/serve",
        "/flags/Bad/rules/0/eligibility/segment",
        "/flags/button/experiments",
    }


def two(first: Json, second: Json, layers: Json = LAYERS) -> Json:
    """Two experiments on one flag."""
    return snapshot(
        layers=layers,
        experiments={"one": experiment(**first), "two": experiment(**second)},
        flags={"button": button(experiments=["one", "two"])},
    )


def test_running_experiments_of_one_layer_must_not_share_a_slot() -> None:
    assert places(two({"slots": [[0, 5000]]}, {"slots": [[5000, 10000]]})) == set()
    assert places(two({"slots": [[0, 5001]]}, {"slots": [[5000, 10000]]})) == {"/experiments/two/slots"}
    assert places(two({"slots": [[0, 9000]]}, {"slots": [[10, 20], [30, 40]]})) == {"/experiments/two/slots"}
    assert places(two({"state": "stopped"}, {})) == set()


def test_running_experiments_on_one_flag_must_share_a_layer() -> None:
    layers = {**LAYERS, "other": {"salt": "other", "unit_type": "user"}}
    document = two({"slots": [[0, 10]]}, {"slots": [[10, 20]], "layer": "other"}, layers)
    assert places(document) == {"/flags/button/experiments"}


def test_a_running_experiment_in_a_launch_layer_goes_beside_one_in_another() -> None:
    layers = {"launch": {"salt": "launchsalt", "unit_type": "user", "launch": True}}
    layers["other"] = {**layers["launch"], "salt": "othersalt"}
    document = two({}, {"layer": "launch"}, {**LAYERS, **layers})
    assert places(document) == set()
    document["experiments"]["three"] = experiment(layer="other")
    document["flags"]["button"]["experiments"].append("three")
    assert places(document) == {"/flags/button/experiments"}


def test_layers_may_share_a_domain_and_not_a_part_of_one() -> None:
    second = {**INNER, "salt": "secondsalt"}
    layers = {**LAYERS, "inner": INNER, "second": second}
    document = two({"slots": [[5000, 10000]]}, {"state": "stopped"}, layers)
    assert places(document) == set()
    layers["second"] = {**second, "domain": {"layer": "checkout", "slots": [[4999, 5000]]}}
    document = two({"slots": [[5000, 10000]]}, {"state": "stopped"}, layers)
    assert places(document) == {"/layers/second/domain/slots"}
