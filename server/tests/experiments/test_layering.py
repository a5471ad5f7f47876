"""Layers that people make: shared, launch and nested ones; who gets a unit is decided by the engine."""

from __future__ import annotations

from dataclasses import replace

import pytest
from people import NOW, a_member
from scenes import Shop, a_design, a_draft_experiment, a_running_experiment, a_shop, environment_of, launched

from equipoise_server.access.values import Role
from equipoise_server.audit.reads import of_subject
from equipoise_server.experiments import reads
from equipoise_server.experiments.actions import CreateLayer, create_layer
from equipoise_server.experiments.values import LayerRoom
from equipoise_server.foundation.refusals import Forbidden, Invalid
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
FLAG = "checkout-button"
UNITS = [f"unit-{number}" for number in range(4_000)]


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def made(shop: Shop, key: str, unit_type: str = "user", **more: object) -> LayerRoom:
    command = CreateLayer(environment_of(shop).id, key, key.capitalize(), unit_type)
    return create_layer(shop.owner, replace(command, **more), now=NOW)  # type: ignore[arg-type]  # by name


def enrolments(shop: Shop, flag: str = FLAG) -> dict[str, str]:
    snapshot = snapshots.preview(environment_of(shop).id)
    seats = ((unit, snapshot.evaluate(flag, {"units": {"user": unit}}, None).enrolment) for unit in UNITS)
    return {unit: seat.experiment for unit, seat in seats if seat is not None}


def test_a_layer_that_people_made_is_empty_and_shared(shop: Shop) -> None:
    room = made(shop, "checkout")
    assert (room.key, room.free_slots, room.taken, room.is_own) == ("checkout", 10_000, (), False)
    a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.25))
    (room,) = reads.layers_of(environment_of(shop).id)
    assert room.taken == ((0, 2_500, FLAG),)


def test_the_audit_record_of_a_layer_names_the_layer(shop: Shop) -> None:
    room = made(shop, "checkout")
    assert [record.action for record in of_subject("layer", room.id)] == ["layer.create"]


def test_a_nested_layer_takes_slots_that_nobody_else_can_have(shop: Shop) -> None:
    made(shop, "outer")
    inner = made(shop, "inner", inside="outer", share=0.3)
    assert (inner.inside, inner.domain) == ("outer", ((0, 3_000),))
    outer = next(room for room in reads.layers_of(environment_of(shop).id) if room.key == "outer")
    assert (outer.domains, outer.free_slots) == (((0, 3_000, "inner"),), 7_000)
    a_running_experiment(shop, design=a_design(layer="outer", slot_share=0.7))
    draft = a_draft_experiment(shop, "banner", a_design("banner", layer="outer", slot_share=0.1))
    checks = reads.launch_checks(draft, environment_of(shop), NOW)
    assert [check.key for check in checks if not check.passed] == ["layer"]


def test_experiments_beside_and_inside_a_domain_share_no_unit(shop: Shop) -> None:
    made(shop, "outer")
    made(shop, "inner", inside="outer", share=0.5)
    a_running_experiment(shop, design=a_design(layer="outer", slot_share=0.5))
    a_running_experiment(shop, "banner", a_design("banner", layer="inner", slot_share=1.0))
    beside, inside = enrolments(shop), enrolments(shop, "banner")
    assert set(beside) | set(inside) == set(UNITS)
    assert not set(beside) & set(inside)


def test_layers_over_the_same_domain_divide_it_independently(shop: Shop) -> None:
    made(shop, "outer")
    first = made(shop, "first", inside="outer", share=0.5)
    second = made(shop, "second", inside="outer", beside="first")
    assert second.domain == first.domain
    a_running_experiment(shop, design=a_design(layer="first", slot_share=0.5))
    a_running_experiment(shop, "banner", a_design("banner", layer="second", slot_share=0.5))
    one, other = set(enrolments(shop)), set(enrolments(shop, "banner"))
    assert len(one & other) == pytest.approx(len(UNITS) / 8, rel=0.2)


def test_a_launch_layer_takes_whom_other_layers_leave(shop: Shop) -> None:
    made(shop, "launches", is_launch=True)
    a_running_experiment(shop, design=a_design(layer="checkout", slot_share=0.4))
    beside = a_draft_experiment(shop, "rest", a_design(FLAG, layer="launches"), flag=FLAG)
    launched(shop, beside)
    found = enrolments(shop)
    assert set(found) == set(UNITS)
    assert set(found.values()) == {FLAG, "rest"}


def test_two_launch_layers_on_one_flag_are_rivals(shop: Shop) -> None:
    for key in ("launches", "more"):
        made(shop, key, is_launch=True)
    a_running_experiment(shop, design=a_design(layer="launches", slot_share=0.4))
    rival = a_draft_experiment(shop, "rest", a_design(FLAG, layer="more", slot_share=0.4), flag=FLAG)
    checks = reads.launch_checks(rival, environment_of(shop), NOW)
    assert [check.key for check in checks if not check.passed] == ["rivals"]


def test_everything_wrong_with_a_layer_is_told_at_once(shop: Shop) -> None:
    made(shop, "outer")
    with pytest.raises(Invalid) as refused:
        made(shop, "Outer!", name=" ", unit_type="city", inside="outer")
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"key", "name", "unit_type", "share"}
    for changes, told in (
        ({"key": "outer"}, "already"),
        ({"inside": "nowhere"}, "no layer “nowhere”"),
        ({"inside": "outer", "unit_type": "account", "share": 0.5}, "divides users"),
        ({"inside": "outer", "beside": "outer"}, "no layer nested"),
    ):
        with pytest.raises(Invalid, match=told):
            made(shop, **{"key": "inner", **changes})  # type: ignore[arg-type]  # by name


def test_nothing_is_nested_in_a_full_layer_or_in_one_experiments_own(shop: Shop) -> None:
    a_running_experiment(shop)
    with pytest.raises(Invalid) as refused:
        made(shop, "inner", inside=FLAG, share=0.5)
    told = str(refused.value)
    assert "belongs to one experiment" in told
    assert "0 % left" in told


def test_layers_lie_at_most_sixteen_deep(shop: Shop) -> None:
    made(shop, "layer-1")
    for depth in range(2, 17):
        made(shop, f"layer-{depth}", inside=f"layer-{depth - 1}", share=1.0)
    with pytest.raises(Invalid, match="at most 16 deep"):
        made(shop, "layer-17", inside="layer-16", share=1.0)


def test_a_viewer_makes_no_layer(shop: Shop) -> None:
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        create_layer(viewer, CreateLayer(environment_of(shop).id, "mine", "Mine", "user"), now=NOW)
