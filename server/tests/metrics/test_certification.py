"""Certification: another person vouches for one version; a project may ask for it before a launch."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW, a_member
from scenes import Shop, a_draft_experiment, a_metric, a_shop, environment_of, launched

from equipoise_server.access.values import Actor, Role
from equipoise_server.audit import reads as audit
from equipoise_server.experiments.reads import launch_checks
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid
from equipoise_server.metrics.actions import (
    CertifyMetric,
    ReviseMetric,
    SetCatalogueRules,
    WithdrawCertification,
    certify_metric,
    revise_metric,
    set_catalogue_rules,
    withdraw_certification,
)
from equipoise_server.metrics.reads import metric_by_key
from equipoise_server.metrics.values import Metric

pytestmark = pytest.mark.django_db
NOTE = "Compared with the invoices of March."


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def colleague(shop: Shop) -> Actor:
    return a_member(shop.owner, shop.project, Role.ENGINEER)


def certified(by: Actor, metric: Metric) -> Metric:
    return certify_metric(by, CertifyMetric(metric.id, metric.edition, NOTE), now=NOW)


def revised(shop: Shop, metric: Metric, **changes: object) -> Metric:
    usual: dict[str, object] = {
        "name": metric.name, "definition": metric.definition, "direction": metric.direction,
        "description": metric.description, "tier": metric.tier, "owner": metric.owner,
        "display": metric.display, "default_margin": metric.default_margin,
        "minimum_units": metric.minimum_units,
    }  # fmt: skip
    command = ReviseMetric(metric.id, metric.edition, **{**usual, **changes})  # type: ignore[arg-type]  # a test's changes
    return revise_metric(shop.owner, command, now=NOW)


def test_a_colleague_vouches_for_a_version_with_a_note(shop: Shop, colleague: Actor) -> None:
    found = certified(colleague, a_metric(shop)).certification
    assert found is not None
    assert (found.by, found.at, found.note) == (colleague.author.name, NOW, NOTE)
    entry = audit.of_subject("metric", metric_by_key(shop.project.id, "purchase").id)[0]
    assert (entry.action, entry.reason) == ("metric.certify", NOTE)


def test_nobody_vouches_for_what_they_wrote(shop: Shop, colleague: Actor) -> None:
    metric = a_metric(shop)
    with pytest.raises(Forbidden, match="You wrote version 1 of “purchase”; ask somebody else"):
        certified(shop.owner, metric)


def test_the_permission_and_a_note_are_needed(shop: Shop, colleague: Actor) -> None:
    metric = a_metric(shop)
    with pytest.raises(Forbidden, match=r"metric\.certify"):
        certified(a_member(shop.owner, shop.project, Role.EXPERIMENTER), metric)
    with pytest.raises(Invalid, match="what you looked at"):
        certify_metric(colleague, CertifyMetric(metric.id, metric.edition, "ok"), now=NOW)


def test_another_meaning_has_to_earn_it_anew_and_other_words_do_not(shop: Shop, colleague: Actor) -> None:
    metric = certified(colleague, a_metric(shop))
    reworded = revised(shop, metric, name="Buyers")
    assert reworded.certification is not None
    changed = revised(shop, reworded, definition=replace(metric.definition, window=timedelta(days=3)))
    assert changed.version == 2
    assert changed.certification is None
    assert metric_by_key(shop.project.id, "purchase", version=1).certification is not None


def test_what_changed_meanwhile_is_read_again_first(shop: Shop, colleague: Actor) -> None:
    metric = a_metric(shop)
    revised(shop, metric, name="Buyers")
    with pytest.raises(Conflict, match="read it again before you vouch for it"):
        certified(colleague, metric)
    certified(colleague, metric_by_key(shop.project.id, "purchase"))
    with pytest.raises(Conflict, match="has certified this version already"):
        certified(colleague, metric_by_key(shop.project.id, "purchase"))


def test_a_certification_is_withdrawn_with_a_reason(shop: Shop, colleague: Actor) -> None:
    metric = certified(colleague, a_metric(shop))
    command = WithdrawCertification(metric.id, "The invoices were of another year.")
    assert withdraw_certification(colleague, command, now=NOW).certification is None
    with pytest.raises(Conflict, match="“purchase” is not certified"):
        withdraw_certification(colleague, command, now=NOW)


def test_a_launch_points_out_a_draft_that_decides_and_refuses_it_where_asked(
    shop: Shop, colleague: Actor
) -> None:
    draft = a_draft_experiment(shop)

    def check() -> tuple[bool, str, str]:
        checks = launch_checks(draft, environment_of(shop), NOW)
        (found,) = (one for one in checks if one.key == "certified")
        return found.passed, found.message, found.advice

    assert check()[0]
    assert "Nobody has certified “purchase” yet" in check()[2]
    set_catalogue_rules(shop.owner, SetCatalogueRules(shop.project.id, True), now=NOW)  # on
    passed, message, _ = check()
    assert not passed
    assert message.endswith("Have it certified, or choose another.")
    with pytest.raises(Invalid, match="“purchase” decides, but nobody has certified its version 1"):
        launched(shop, draft)
    certified(colleague, metric_by_key(shop.project.id, "purchase"))
    assert check() == (True, "", "")
    assert launched(shop, draft).iteration is not None


def test_only_an_admin_sets_what_is_asked_of_metrics(shop: Shop, colleague: Actor) -> None:
    with pytest.raises(Forbidden, match=r"project\.edit"):
        set_catalogue_rules(colleague, SetCatalogueRules(shop.project.id, True), now=NOW)  # on
