"""One action = one transaction = one record, whatever it is composed of."""

from __future__ import annotations

import pytest
from people import NOW, OPERATOR
from scenes import a_shop

from equipoise_server.access.actions import CreateUser, create_user
from equipoise_server.access.models import User
from equipoise_server.audit import reads
from equipoise_server.audit.actions import change
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.values import Subject
from equipoise_server.foundation import revisions
from equipoise_server.foundation.ids import new_id
from equipoise_server.foundation.refusals import Conflict, Problem
from equipoise_server.foundation.revisions import Revision

pytestmark = pytest.mark.django_db


def a_subject() -> Subject:
    """Something that is acted on."""
    return Subject("team", new_id(), "web")


def test_the_actions_inside_an_action_are_listed_in_its_record_outermost_first() -> None:
    with change(OPERATOR, "team.create", a_subject(), now=NOW, reason="a start") as entry:
        create_user(OPERATOR, CreateUser("ada@example.com", "Ada", "long enough"), now=NOW)
        create_user(OPERATOR, CreateUser("bea@example.com", "Bea", "long enough"), now=NOW)
        entry.after = {"members": 2}
    record = AuditRecord.objects.get()
    assert (record.action, record.reason) == ("team.create", "a start")
    assert [c["action"] for c in record.changes] == ["team.create", "user.create", "user.create"]
    assert reads.chain_fault() is None


def test_a_refusal_inside_leaves_nothing_of_the_whole() -> None:
    with pytest.raises(Conflict):
        _create_a_team_and_change_ones_mind()
    assert (User.objects.count(), AuditRecord.objects.count()) == (0, 0)


def _create_a_team_and_change_ones_mind() -> None:
    with change(OPERATOR, "team.create", a_subject(), now=NOW):
        create_user(OPERATOR, CreateUser("ada@example.com", "Ada", "long enough"), now=NOW)
        raise Conflict(Problem("", "Not today."))


def test_one_record_makes_one_revision_of_each_environment_it_touches() -> None:
    development, production = a_shop().project.environments
    with change(OPERATOR, "team.create", a_subject(), now=NOW) as entry:
        entry.touches(development.id)
        with change(OPERATOR, "team.join", a_subject(), now=NOW) as inner:
            inner.touches(development.id)
            inner.touches(production.id)
    assert (
        revisions.current(development.id)
        == revisions.current(production.id)
        == Revision(revisions.epoch_at(NOW), 2)
    )
    newest = AuditRecord.objects.latest("number")
    told = f"{revisions.epoch_at(NOW)}.2"
    assert newest.revisions == {str(development.id): told, str(production.id): told}


def test_a_subjects_history_is_its_own_and_newest_first() -> None:
    subject = a_subject()
    for action in ("team.create", "team.rename"):
        with change(OPERATOR, action, subject, now=NOW):
            create_user(OPERATOR, CreateUser(f"{action}@example.com", "Ada", "long enough"), now=NOW)
    with change(OPERATOR, "team.create", a_subject(), now=NOW):
        pass
    history = reads.of_subject("team", subject.id)
    assert [entry.action for entry in history] == ["team.rename", "team.create"]
    assert history[0].author == OPERATOR
    assert [c.subject.kind for c in history[0].changes] == ["team", "user"]


def test_a_projects_records_are_paged_by_number() -> None:
    shop = a_shop()
    newest = reads.of_project(shop.project.id)
    assert [entry.action for entry in newest] == ["project.create"]
    assert reads.of_project(shop.project.id, before=newest[0].number) == ()
