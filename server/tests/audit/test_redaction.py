"""Records without erased units: the chain still holds, and still notices whoever changes a record."""

from __future__ import annotations

import pytest
from people import NOW, OPERATOR
from scenes import Shop, a_shop

from equipoise_server.audit.actions import RedactUnits, change, redact_units
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.reads import chain_fault
from equipoise_server.audit.values import Subject

pytestmark = pytest.mark.django_db


def subject_of(shop: Shop) -> Subject:
    return Subject("project", shop.project.id, shop.project.key, shop.project.id)


def a_record_that_names(shop: Shop, *units: str) -> int:
    """Its number."""
    with change(OPERATOR, "flag.update_settings", subject_of(shop), now=NOW, reason="VIPs") as entry:
        named = {"variant": "green", "unit_type": "user", "units": list(units)}
        entry.after = {"overrides": [named, {"variant": "grey", "segment": "staff"}]}
    newest = AuditRecord.objects.latest("number")
    return newest.number


def redact(shop: Shop, *units: str) -> int:
    return redact_units(OPERATOR, RedactUnits(subject_of(shop), "user", frozenset(units)), now=NOW)


def overrides_in(number: int) -> object:
    return AuditRecord.objects.get(pk=number).changes[0]["after"]["overrides"]


def test_units_leave_earlier_records_and_the_chain_still_holds() -> None:
    shop = a_shop()
    number = a_record_that_names(shop, "gone", "stays")
    written = AuditRecord.objects.get(pk=number).hash
    assert redact(shop, "gone", "unknown") == 1
    assert overrides_in(number) == [
        {"variant": "green", "unit_type": "user", "units": ["stays"]},
        {"variant": "grey", "segment": "staff"},
    ]
    assert AuditRecord.objects.get(pk=number).hash == written
    assert chain_fault() is None


def test_a_record_is_redacted_again_for_the_next_unit() -> None:
    shop = a_shop()
    number = a_record_that_names(shop, "one", "two")
    redact(shop, "one")
    redact(shop, "two")
    assert overrides_in(number) == [{"variant": "grey", "segment": "staff"}]
    assert chain_fault() is None


def test_nothing_is_written_when_nobody_was_named() -> None:
    shop = a_shop()
    a_record_that_names(shop, "stays")
    before = AuditRecord.objects.count()
    assert redact(shop, "gone") == 0
    assert AuditRecord.objects.count() == before


@pytest.mark.parametrize("member", ["changes", "reason", "author_name", "hash"])
def test_whoever_changes_a_redacted_record_is_noticed(member: str) -> None:
    shop = a_shop()
    number = a_record_that_names(shop, "gone", "stays")
    redact(shop, "gone")
    row = AuditRecord.objects.get(pk=number)
    changed = row.changes[:0] if member == "changes" else "0" * 64
    AuditRecord.objects.filter(pk=number).update(**{member: changed})
    fault = chain_fault()
    assert fault is not None
    assert fault.number in {number, number + 1}


def test_an_undeclared_redaction_is_a_fault() -> None:
    shop = a_shop()
    number = a_record_that_names(shop, "gone", "stays")
    row = AuditRecord.objects.get(pk=number)
    row.changes[0]["after"]["overrides"][0]["units"] = ["stays"]
    row.save()
    fault = chain_fault()
    assert fault is not None
    assert fault.number == number
