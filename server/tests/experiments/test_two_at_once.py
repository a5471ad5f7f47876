"""Two people who make the same thing at the same moment: the second is told so, and loses nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from people import NOW, OPERATOR
from racing import just_before
from scenes import (
    PURCHASE,
    Shop,
    a_button_flag,
    a_design,
    a_draft_experiment,
    a_shop,
    environment_of,
    launched,
)

from equipoise_server.access.actions import CreateProject, create_project
from equipoise_server.experiments.actions import (
    CreateExperiment,
    CreateHoldout,
    CreateLayer,
    create_experiment,
    create_holdout,
    create_layer,
)
from equipoise_server.experiments.values import Holdout, HoldoutScope
from equipoise_server.flags.actions import (
    AddEnvironment,
    CoverFlag,
    CreateGroup,
    CreateList,
    CreateSegment,
    add_environment,
    cover_flag,
    create_group,
    create_list,
    create_segment,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.foundation.refusals import Conflict
from equipoise_server.metrics.actions import CreateMetric, create_metric
from equipoise_server.metrics.values import Direction

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return a_shop()


def a_holdout(shop: Shop) -> Holdout:
    command = CreateHoldout("same", "Same", "user", 50_000, HoldoutScope())
    return create_holdout(shop.owner, command, now=NOW)


def a_layer(shop: Shop) -> object:
    command = CreateLayer(environment_of(shop).id, "same", "Same", "user")
    return create_layer(shop.owner, command, now=NOW)


def an_environment(shop: Shop) -> object:
    return add_environment(shop.owner, AddEnvironment(shop.project.id, "same", "Same"), now=NOW)


def a_project(shop: Shop) -> object:
    return create_project(shop.owner, CreateProject("same", "Same", ("user",)), now=NOW)


def an_experiment(shop: Shop) -> object:
    command = CreateExperiment(shop.project.id, "same", "Same", a_design())
    return create_experiment(shop.owner, command, now=NOW)


def a_metric(shop: Shop) -> object:
    command = CreateMetric(shop.project.id, "same", "Same", PURCHASE, Direction.INCREASE)
    return create_metric(shop.owner, command, now=NOW)


def a_segment(shop: Shop) -> object:
    return create_segment(shop.owner, CreateSegment(shop.project.id, "same", "Same", {"all": []}), now=NOW)


def a_list(shop: Shop) -> object:
    return create_list(shop.owner, CreateList(shop.project.id, "same", "Same", "user"), now=NOW)


def a_group(shop: Shop) -> object:
    return create_group(shop.owner, CreateGroup(shop.project.id, "same", "Same"), now=NOW)


def a_flag(shop: Shop) -> object:
    return a_button_flag(shop, "same")


MAKERS = [
    (a_holdout, "experiments_holdout"),
    (a_layer, "experiments_layer"),
    (an_environment, "access_environment"),
    (a_project, "access_project"),
    (an_experiment, "experiments_experiment"),
    (a_metric, "metrics_metric"),
    (a_segment, "flags_segment"),
    (a_list, "flags_segment"),
    (a_group, "flags_group"),
    (a_flag, "flags_flag"),
]


@pytest.mark.parametrize(("make", "table"), MAKERS, ids=[make.__name__ for make, _ in MAKERS])
def test_the_second_of_two_who_take_a_key_at_once_is_told(
    shop: Shop, make: Callable[[Shop], object], table: str
) -> None:
    with (
        just_before(f'INSERT INTO "{table}"', lambda: make(shop)),
        pytest.raises(Conflict, match=r"“same” .*choose another") as refused,
    ):
        make(shop)
    assert [problem.field for problem in refused.value.problems] == ["key"]


def test_a_flag_that_is_covered_twice_at_once_is_covered_by_the_first(shop: Shop) -> None:
    holdout = a_holdout(shop)
    draft = a_draft_experiment(shop)
    (flag,) = draft.design.arms[0].values
    first = CoverFlag(a_flag_id(shop, flag), environment_of(shop).id, holdout.id, "same", "user", "grey")
    with (
        just_before('INSERT INTO "flags_baseline"', lambda: cover_flag(OPERATOR, first, now=NOW)),
        pytest.raises(Conflict, match="A holdout covers the flag “checkout-button”"),
    ):
        launched(shop, draft)


def a_flag_id(shop: Shop, key: str) -> UUID:
    return flag_by_key(shop.project.id, key).id


def test_two_launches_that_make_the_same_layer_at_once_do_not_share_it_unseen(shop: Shop) -> None:
    draft = a_draft_experiment(shop, design=replace(a_design(), layer="same"))
    with (
        just_before('INSERT INTO "experiments_layer"', lambda: a_layer(shop)),
        pytest.raises(Conflict, match="“same” meanwhile; launch once more"),
    ):
        launched(shop, draft)
