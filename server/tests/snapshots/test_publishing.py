"""Every change of a payload is vetted, kept, and can be replayed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from people import NOW
from scenes import a_button_flag, a_shop, settings_of, updated

from equipoise_engine import Reason, content_hash
from equipoise_server.audit.models import AuditRecord
from equipoise_server.flags import models as flag_models
from equipoise_server.flags.actions import (
    ArchiveFlag,
    CreateFlag,
    KillFlag,
    UpdateFlag,
    archive_flag,
    create_flag,
    kill_flag,
    update_flag,
    update_flag_settings,
)
from equipoise_server.flags.values import FlagType, FlagVariant, Override, Rollout, Rule
from equipoise_server.foundation import revisions
from equipoise_server.foundation.refusals import Conflict, Invalid, NotFound
from equipoise_server.snapshots import models, reads
from equipoise_server.snapshots.keeping import CorruptSnapshotError
from equipoise_server.snapshots.values import ReplayQuestion

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_a_new_project_has_an_empty_snapshot_at_once() -> None:
    kept = reads.current(a_shop().project.environments[0].id)
    assert json.loads(kept.body)["flags"] == {}
    assert (kept.revision.epoch, kept.revision.number) == (revisions.epoch_at(NOW), 1)


def test_the_current_snapshot_has_the_newest_revision_and_the_hash_of_its_bytes() -> None:
    shop = a_shop()
    production = settings_of(a_button_flag(shop)).environment_id
    kept = reads.current(production)
    document = json.loads(kept.body)
    assert kept.revision == revisions.current(production)
    assert document["hash"] == kept.hash == content_hash(document)
    assert kept.etag == f'"{kept.hash}"'


def test_a_snapshot_of_any_time_is_rebuilt_byte_for_byte() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    production = settings_of(flag).environment_id
    bodies = []
    for hours, default in enumerate(["green", "grey", "green"], start=1):
        command = replace(updated(flag, "production"), default=default)
        flag = update_flag_settings(shop.owner, command, now=NOW + hours * HOUR)
        bodies.append(reads.current(production).body)
    rebuilt = [reads.snapshot_at(production, NOW + hours * HOUR).body for hours in (1, 2, 3)]
    assert rebuilt == bodies
    assert reads.snapshot_at(production, NOW + 2.5 * HOUR).body == bodies[1]


def test_before_the_first_snapshot_there_is_none() -> None:
    shop = a_shop()
    with pytest.raises(NotFound):
        reads.snapshot_at(shop.project.environments[0].id, NOW - HOUR)


def test_snapshots_share_the_pieces_that_did_not_change() -> None:
    shop = a_shop()
    for key in ("a", "b", "c"):
        flag = a_button_flag(shop, key)
    pieces = models.Piece.objects.count()
    update_flag_settings(shop.owner, replace(updated(flag, "production"), default="green"), now=NOW)
    assert models.Piece.objects.count() == pieces + 1


def test_a_kept_snapshot_that_was_changed_is_not_served() -> None:
    shop = a_shop()
    production = settings_of(a_button_flag(shop)).environment_id
    models.Piece.objects.update(content='{"type":"boolean"}')
    with pytest.raises(CorruptSnapshotError):
        reads.current(production)


def test_what_a_unit_got_at_a_time_can_be_answered_and_explained() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    production = settings_of(flag).environment_id
    rules = (Rule("all", rollout=Rollout("green", "user", 1_000_000)),)
    update_flag_settings(shop.owner, replace(updated(flag, "production"), rules=rules), now=NOW + HOUR)
    archive_flag(shop.owner, ArchiveFlag(flag.id), now=NOW + 2 * HOUR)
    question = ReplayQuestion(flag.key, "user", "u-1", NOW)
    before = reads.replay(production, question)
    during = reads.replay(production, replace(question, at=NOW + 1.5 * HOUR))
    after = reads.replay(production, replace(question, at=NOW + 3 * HOUR))
    assert (before.decision.value, before.decision.reason) == ("grey", Reason.STATIC)
    assert (during.decision.value, during.decision.reason) == ("green", Reason.SPLIT)
    assert during.steps[-1].decision == during.decision
    assert after.decision.reason is Reason.ERROR
    assert before.revision < during.revision < after.revision


def test_what_a_unit_gets_now_is_explained_to_the_same_end() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    production = settings_of(flag).environment_id
    decision, steps = reads.explain(production, flag.key, {"units": {"user": "u-1"}})
    assert decision.value == "grey"
    assert steps[-1].decision == decision


def test_much_growth_asks_for_a_confirmation_and_changes_nothing_without_one() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    production = settings_of(flag).environment_id
    crowd = Override("green", "user", tuple(f"unit-{number:040}" for number in range(1_000)))
    command = replace(updated(flag, "production"), overrides=(crowd,))
    before, records = reads.current(production), AuditRecord.objects.count()
    with pytest.raises(Conflict) as refused:
        update_flag_settings(shop.owner, command, now=NOW)
    assert [p.field for p in refused.value.problems] == ["confirms_growth"]
    assert reads.current(production) == before
    assert AuditRecord.objects.count() == records
    flag = update_flag_settings(shop.owner, replace(command, confirms_growth=True), now=NOW)
    assert settings_of(flag).overrides == (crowd,)


def test_a_payload_that_the_engine_refuses_is_not_published_but_a_kill_is() -> None:
    shop = a_shop()
    good, bad = a_button_flag(shop, "good"), a_button_flag(shop, "bad")
    production = settings_of(good).environment_id
    flag_models.FlagSettings.objects.filter(flag_id=bad.id).update(default="lost in a restore")
    with pytest.raises(Invalid) as refused:
        update_flag_settings(shop.owner, replace(updated(good, "production"), default="green"), now=NOW)
    assert [p.field for p in refused.value.problems] == ["flags.bad.default"]
    kill_flag(shop.owner, KillFlag(good.id, production), now=NOW)
    assert json.loads(reads.current(production).body)["flags"]["good"]["killed"] is True


def test_more_than_a_megabyte_compressed_is_refused_even_when_confirmed() -> None:
    shop = a_shop()
    noise = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(600_000))
    command = CreateFlag(
        shop.project.id, "noise", "Noise", FlagType.STRING, (FlagVariant("on", noise),), "on", "on",
        confirms_growth=True,
    )  # fmt: skip
    with pytest.raises(Invalid, match="1 MB"):
        create_flag(shop.owner, command, now=NOW)


def test_a_changed_variant_changes_every_environment() -> None:
    shop = a_shop()
    flag = a_button_flag(shop)
    variants = (FlagVariant("grey", "grey"), FlagVariant("green", "lime"))
    update_flag(shop.owner, UpdateFlag(flag.id, flag.version, "Button", variants), now=NOW)
    for environment in shop.project.environments:
        flags = json.loads(reads.current(environment.id).body)["flags"]
        assert flags["checkout-button"]["variants"] == {"grey": "grey", "green": "lime"}
