"""The metric catalogue: one meaning per version, and no misuse gets in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW, a_member, a_project, an_admin, an_outsider

from equipoise_server.access.values import Actor, Project, Role
from equipoise_server.audit import reads as audit
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid, NotFound
from equipoise_server.metrics import reads
from equipoise_server.metrics.actions import (
    CreateMetric,
    ReviseMetric,
    archive_metric,
    create_metric,
    revise_metric,
)
from equipoise_server.metrics.values import (
    Aggregate,
    Definition,
    Direction,
    Fact,
    Margin,
    MarginKind,
    Metric,
    MetricKind,
)

pytestmark = pytest.mark.django_db
REVENUE = Definition(MetricKind.SUM, Fact("purchase", Aggregate.SUM, "total"))


@pytest.fixture
def shop() -> tuple[Actor, Project]:
    return a_project(an_admin())


def revenue(owner: Actor, project: Project) -> Metric:
    command = CreateMetric(project.id, "revenue", "Revenue per user", REVENUE, display="€")
    return create_metric(owner, command, now=NOW)


def as_it_is(metric: Metric) -> ReviseMetric:
    return ReviseMetric(
        metric.id, metric.edition, metric.name, metric.definition, metric.direction, metric.description,
        metric.tier, metric.owner, metric.display, metric.default_margin, metric.minimum_units,
    )  # fmt: skip


def test_a_new_metric_starts_at_version_one_and_is_audited(shop: tuple[Actor, Project]) -> None:
    owner, project = shop
    metric = revenue(owner, project)
    assert (metric.version, metric.definition, metric.display) == (1, REVENUE, "€")
    assert audit.of_subject("metric", metric.id)[0].action == "metric.create"


def test_a_reworded_metric_keeps_its_version(shop: tuple[Actor, Project]) -> None:
    metric = revenue(*shop)
    reworded = revise_metric(
        shop[0], replace(as_it_is(metric), name="Money", description="All of it", owner="Bo"), now=NOW
    )
    assert (reworded.version, reworded.version_id) == (1, metric.version_id)
    assert (reworded.name, reworded.edition) == ("Money", 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"definition": replace(REVENUE, window=timedelta(days=14))},
        {"definition": replace(REVENUE, cap=500.0)},
        {"definition": replace(REVENUE, fact=replace(REVENUE.fact, where={"currency": "EUR"}))},
        {"direction": Direction.DECREASE},
    ],
)
def test_a_metric_with_another_meaning_becomes_a_new_version_and_the_old_one_stays(
    shop: tuple[Actor, Project], changed: dict[str, object]
) -> None:
    metric = revenue(*shop)
    revised = revise_metric(shop[0], replace(as_it_is(metric), **changed), now=NOW)
    assert revised.version == 2
    assert reads.metric_by_key(metric.project_id, "revenue", version=1).definition == REVENUE
    assert [version.version for version in reads.versions_of(metric.id)] == [2, 1]


def test_a_second_person_who_did_not_see_the_first_change_is_refused(shop: tuple[Actor, Project]) -> None:
    metric = revenue(*shop)
    revise_metric(shop[0], replace(as_it_is(metric), name="Money"), now=NOW)
    with pytest.raises(Conflict):
        revise_metric(shop[0], replace(as_it_is(metric), name="Turnover"), now=NOW)
    assert reads.metric(metric.id).name == "Money"


def test_the_catalogue_is_in_the_order_of_a_dictionary(shop: tuple[Actor, Project]) -> None:
    owner, project = shop
    for key, name in (("visits", "visits within a week"), ("basket", "Basket"), ("refunds", "refunds")):
        create_metric(owner, CreateMetric(project.id, key, name, REVENUE), now=NOW)
    assert [each.key for each in reads.metrics_of(project.id)] == ["basket", "refunds", "visits"]


def test_an_archived_metric_leaves_the_catalogue_and_its_key_is_never_used_again(
    shop: tuple[Actor, Project],
) -> None:
    owner, project = shop
    metric = revenue(owner, project)
    archive_metric(owner, metric.id, now=NOW)
    assert reads.metrics_of(project.id) == ()
    assert reads.metric_by_key(project.id, "revenue").archived_at == NOW
    with pytest.raises(Invalid, match="archived metric"):
        revenue(owner, project)
    with pytest.raises(Conflict):
        archive_metric(owner, metric.id, now=NOW)


def test_only_members_who_may_edit_metrics_can(shop: tuple[Actor, Project]) -> None:
    owner, project = shop
    for actor in (a_member(owner, project, Role.VIEWER), an_outsider()):
        with pytest.raises(Forbidden):
            revenue(actor, project)
    assert revenue(a_member(owner, project, Role.EXPERIMENTER), project).version == 1


def test_a_metric_of_another_project_is_not_found(shop: tuple[Actor, Project]) -> None:
    revenue(*shop)
    _, other = a_project(an_admin("bob@example.com"), "other")
    with pytest.raises(NotFound):
        reads.metric_by_key(other.id, "revenue")


RATIO = Definition(MetricKind.RATIO, Fact("order"), Fact("session"))
CONVERSION = Definition(MetricKind.CONVERSION, Fact("purchase"))
MISUSES = [
    ({"definition": replace(RATIO, denominator=None)}, "definition.denominator", "needs a denominator"),
    ({"definition": replace(REVENUE, denominator=Fact("x"))}, "definition.denominator", "only a ratio"),
    ({"definition": replace(CONVERSION, cap=3.0)}, "definition.cap", "cannot be capped"),
    ({"definition": replace(RATIO, cap=3.0)}, "definition.cap", "cannot be capped"),
    ({"definition": replace(REVENUE, cap=0.0)}, "definition.cap", "above 0"),
    ({"definition": replace(REVENUE, cap=float("nan"))}, "definition.cap", "above 0"),
    ({"definition": replace(REVENUE, window=timedelta(0))}, "definition.window", "at most 90 days"),
    ({"definition": replace(REVENUE, window=timedelta(days=91))}, "definition.window", "at most 90 days"),
    ({"definition": replace(REVENUE, kind="median")}, "definition.kind", "use one of"),
    (
        {"definition": replace(CONVERSION, fact=Fact(" ")), "display": "percent"},
        "definition.fact.event",
        "name the event",
    ),
    ({"definition": replace(RATIO, denominator=Fact(""))}, "definition.denominator.event", "name the event"),
    (
        {"definition": replace(CONVERSION, fact=Fact("buy", property="total"))},
        "definition.fact.property",
        "set the aggregate",
    ),
    (
        {"definition": Definition(MetricKind.SUM, Fact("purchase"))},
        "definition.fact.aggregate",
        "needs the aggregate “sum”",
    ),
    ({"definition": replace(REVENUE, fact=replace(REVENUE.fact, where={"": 1.0}))}, "definition.fact.where",
     "name"),
    ({"default_margin": Margin(MarginKind.ABSOLUTE, 0)}, "default_margin", "above 0"),
    ({"default_margin": Margin(MarginKind.RELATIVE, 1)}, "default_margin", "below 1"),
    ({"display": ""}, "display", "percent"),
    ({"display": "percent"}, "display", "no share"),
    ({"definition": CONVERSION, "display": "€"}, "display", "is a share"),
    ({"minimum_units": 0}, "minimum_units", "at least 1"),
    ({"name": " "}, "name", "give the metric a name"),
    ({"minimum_units": 2**40}, "minimum_units", "at most"),
    ({"key": "Not a key"}, "key", "cannot be used"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field", "way_out"), MISUSES)
def test_a_misuse_is_refused_with_the_metric_the_field_and_the_way_out(
    shop: tuple[Actor, Project], wrong: dict[str, object], field: str, way_out: str
) -> None:
    owner, project = shop
    sound = CreateMetric(project.id, "revenue", "Revenue", REVENUE)
    with pytest.raises(Invalid) as refused:
        create_metric(owner, replace(sound, **wrong), now=NOW)
    [problem] = refused.value.problems
    assert problem.field == field
    assert way_out in problem.message
    assert str(wrong.get("key", "revenue")) in problem.message
    assert reads.metrics_of(project.id) == ()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"description": "nul \x00"}, "description"),
        ({"name": "n" * 201}, "name"),
        ({"owner": "n" * 201}, "owner"),
        ({"definition": replace(REVENUE, fact=Fact("\ud800", Aggregate.SUM))}, "definition.fact"),
        ({"definition": replace(RATIO, denominator=Fact("nul \x00"))}, "definition.denominator"),
    ],
)
def test_a_text_that_no_database_can_keep_is_refused(
    shop: tuple[Actor, Project], wrong: dict[str, object], field: str
) -> None:
    sound = CreateMetric(shop[1].id, "revenue", "Revenue", REVENUE)
    with pytest.raises(Invalid) as refused:
        create_metric(shop[0], replace(sound, **wrong), now=NOW)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_every_fault_of_a_metric_is_listed_at_once(shop: tuple[Actor, Project]) -> None:
    owner, project = shop
    broken = Definition(MetricKind.CONVERSION, Fact(""), denominator=Fact("x"), window=timedelta(0), cap=-1.0)
    command = CreateMetric(
        project.id, "?", "", broken, display="€", default_margin=Margin(MarginKind.RELATIVE, 5)
    )
    with pytest.raises(Invalid) as refused:
        create_metric(owner, command, now=NOW)
    assert [problem.field for problem in refused.value.problems] == [
        "key", "definition.fact.event", "definition.denominator", "definition.window", "definition.cap",
        "name", "display", "default_margin",
    ]  # fmt: skip
