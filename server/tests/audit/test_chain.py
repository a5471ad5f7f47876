"""The audit chain: complete, in order, and tamper-evident."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from equipoise_server.access.actions import CreateProject, CreateUser, create_project, create_user
from equipoise_server.access.reads import actor_of_user
from equipoise_server.audit import reads
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.values import Author
from equipoise_server.foundation.refusals import Invalid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPERATOR = Author("machine", "operator", "operator")


def _a_project() -> None:
    user_id = create_user(OPERATOR, CreateUser("ada@example.com", "Ada", "long enough", True), now=NOW)
    create_project(actor_of_user(user_id), CreateProject("shop", "Shop"), now=NOW)


@pytest.mark.django_db
def test_each_action_leaves_one_record_that_follows_from_the_one_before() -> None:
    _a_project()
    assert [r.action for r in AuditRecord.objects.order_by("number")] == ["user.create", "project.create"]
    assert reads.chain_fault() is None


@pytest.mark.django_db
def test_a_changed_record_is_found() -> None:
    _a_project()
    AuditRecord.objects.filter(number=1).update(author_name="Mallory")
    fault = reads.chain_fault()
    assert fault is not None
    assert fault.number == 1


@pytest.mark.django_db
def test_a_record_cut_off_the_end_is_found() -> None:
    _a_project()
    last = AuditRecord.objects.get(number=2)
    last.subjects.all().delete()
    last.delete()
    fault = reads.chain_fault()
    assert fault is not None
    assert fault.reason == "records are missing at the end"


@pytest.mark.django_db
def test_a_refused_command_lists_every_fault_and_changes_nothing() -> None:
    user_id = create_user(OPERATOR, CreateUser("ada@example.com", "Ada", "long enough", True), now=NOW)
    with pytest.raises(Invalid) as refused:
        create_project(actor_of_user(user_id), CreateProject("Not a key", " ", ("user",), "account"), now=NOW)
    assert [problem.field for problem in refused.value.problems] == ["key", "name", "default_unit_type"]
    assert AuditRecord.objects.count() == 1
