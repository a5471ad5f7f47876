"""A running experiment takes one more metric by a form, which says that it can never decide."""

from __future__ import annotations

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from people import a_member

from equipoise_server.access.values import Role
from equipoise_server.audit.models import AuditRecord
from equipoise_server.experiments.reads import experiment as experiment_with_id
from equipoise_server.experiments.values import Experiment, MetricRole
from equipoise_server.metrics.values import Definition, Fact, MetricKind

pytestmark = pytest.mark.django_db
BUTTON = f"{PLACE}/experiments/checkout-button"
FORM = f"{BUTTON}/metrics"


@pytest.fixture
def shop() -> scenes.Shop:
    found = scenes.a_shop()
    scenes.a_metric(found, "tickets", Definition(MetricKind.COUNT, Fact("ticket")))
    return found


@pytest.fixture
def running(shop: scenes.Shop) -> Experiment:
    return scenes.a_running_experiment(shop)


def test_the_form_offers_what_is_not_measured_and_warns_that_it_never_decides(
    shop: scenes.Shop, running: Experiment
) -> None:
    client = signed_in(shop.owner)
    assert "Add a metric" in Page(client.get(f"{BUTTON}/design").text).text
    page = Page(client.get(FORM).text)
    assert "It can never decide." in page.text
    options = [attributes["value"] for tag, attributes in page.tags if tag == "option"]
    assert options == ["", "tickets"]
    assert "Number of “ticket” events per unit" in page.text
    assert "The planned end has come." in page.text


def test_an_open_end_needs_no_such_warning(shop: scenes.Shop) -> None:
    scenes.a_running_experiment(shop, design=scenes.a_design(planned_days=None))
    page = Page(signed_in(shop.owner).get(FORM).text)
    assert "The planned end has come." not in page.text


def test_a_metric_is_added_as_a_diagnostic_with_its_reason_on_record(
    shop: scenes.Shop, running: Experiment
) -> None:
    client = signed_in(shop.owner)
    form = {"version": running.version, "metric": "tickets", "reason": "Support asks"}
    page = Page(client.post(FORM, form, follow=True).text)
    assert "Added." in page.text
    assert "tickets" in page.text
    iteration = experiment_with_id(running.id).iteration
    assert iteration is not None
    added = iteration.design.metrics[-1]
    assert (added.key, added.role, added.version) == ("tickets", MetricRole.DIAGNOSTIC, 1)
    record = AuditRecord.objects.filter(action="experiment.add_metric").get()
    assert record.reason == "Support asks"
    assert "Every metric is measured already" in Page(client.get(FORM).text).text


@pytest.mark.parametrize(
    ("form", "status", "told"),
    [
        ({"metric": ""}, 422, "Choose a metric."),
        ({"metric": "purchase"}, 422, "is measured already"),
        ({"metric": "tickets", "version": 99}, 409, "meanwhile"),
    ],
)
def test_what_cannot_be_added_is_told_in_the_form_and_nothing_typed_is_lost(
    shop: scenes.Shop, running: Experiment, form: dict[str, object], status: int, told: str
) -> None:
    typed = {"version": running.version, "reason": "Because", **form}
    answer = signed_in(shop.owner).post(FORM, typed)
    assert answer.status_code == status
    page = Page(answer.text)
    assert told in page.text
    reasons = [tag["value"] for name, tag in page.tags if name == "input" and tag.get("name") == "reason"]
    assert reasons == ["Because"]


def test_only_what_runs_takes_a_metric_and_only_from_those_who_may_edit(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    refused = signed_in(shop.owner).get(FORM)
    assert refused.status_code == 409
    assert "only what runs takes another metric" in Page(refused.text).text
    reader = a_member(shop.owner, shop.project, Role.VIEWER)
    assert signed_in(reader).get(FORM).status_code == 403
