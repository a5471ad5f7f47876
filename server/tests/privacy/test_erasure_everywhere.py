"""One hundred units are erased: no byte of them is left anywhere, and nobody else's numbers change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from byte_search import found_anywhere
from people import NOW
from scenes import Shop, a_button_flag, a_design, a_running_experiment, a_shop, environment_of, updated
from traffic import Visit, visited
from wire import a_body, a_track

from equipoise_server.analysis import reads as analysis
from equipoise_server.analysis.actions import refresh
from equipoise_server.audit.models import AuditRecord
from equipoise_server.audit.reads import chain_fault
from equipoise_server.events import actions, reads
from equipoise_server.events.erasing import work_off
from equipoise_server.events.models import Erasure, ErasureUnit, Tombstone
from equipoise_server.events.values import ErasureStep, EventKind
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import Stop, stop
from equipoise_server.experiments.values import Iteration
from equipoise_server.flags import reads as flags
from equipoise_server.flags.actions import (
    ChangeMembers,
    CreateList,
    change_members,
    create_list,
    update_flag_settings,
)
from equipoise_server.flags.values import Override
from equipoise_server.foundation.remembered import Repeatable, begin, remember
from equipoise_server.snapshots import reads as snapshots
from equipoise_server.snapshots.values import ReplayQuestion

pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKED = NOW + 5 * DAY
GONE = {f"forget-me-{number:03}" for number in range(100)}
EVER = {"since": NOW - 400 * DAY, "until": NOW + 400 * DAY}


def visits(count: int, name: str) -> list[Visit]:
    """Units of both arms, every third of whom buys."""
    return [
        Visit(
            f"{name}-{number:03}", ("control", "treatment")[number % 2], NOW + number * HOUR / 20,
            (("purchase", 2.5, HOUR),) if number % 3 == 0 else (),
        )
        for number in range(count)
    ]  # fmt: skip


def a_shop_that_knows_them() -> tuple[Shop, Iteration]:
    """A running experiment, overrides, lists, refused events and rollups that all name the hundred."""
    shop = a_shop()
    flag = a_button_flag(shop)
    override = Override("green", "user", (*sorted(GONE)[:40], "stays"))
    update_flag_settings(shop.owner, replace(updated(flag, "production"), overrides=(override,)), now=NOW)
    named = create_list(shop.owner, CreateList(shop.project.id, "beta", "Beta", "user"), now=NOW)
    change_members(
        shop.owner,
        ChangeMembers(named.id, "replace", confirms_growth=True),
        [*sorted(GONE), "stays"],
        now=NOW,
    )
    large = create_list(shop.owner, CreateList(shop.project.id, "large", "Large", "user"), now=NOW)
    many = [*sorted(GONE), *(f"member-{number}" for number in range(1_500))]
    change_members(shop.owner, ChangeMembers(large.id, "replace", confirms_growth=True), many, now=NOW)
    running = a_running_experiment(shop, design=a_design(looks=None))
    assert running.iteration is not None
    visited(running.iteration, visits(100, "forget-me") + visits(400, "keep"), now=NOW + 2 * DAY)
    refresh(running.iteration.id, NOW + 2 * DAY)
    _send_refused_and_waiting(shop)
    asked = Repeatable("somebody", "again", "0")
    begin(asked, now=ASKED)
    told = {"overrides": [{"variant": "green", "unit_type": "user", "units": sorted(GONE)}]}
    remember(asked, status=200, body=json.dumps(told))
    return shop, running.iteration


def _send_refused_and_waiting(shop: Shop) -> None:
    inbox = actions.open_inbox()
    at = (NOW + 2 * DAY).isoformat()
    bad = [{**a_track(unit, at=at), "value": "much"} for unit in sorted(GONE)[:5]]
    body = a_body(*bad, a_track("forget-me-001", at=at), a_track("keep-001", at=at), sent_at=NOW + 2 * DAY)
    _, written = actions.accept(inbox, environment_of(shop).id, body, received_at=NOW + 2 * DAY)
    written.result(5)
    inbox.close()


def asked(shop: Shop) -> Erasure:
    command = actions.EraseUnits(shop.project.id, "user", tuple(sorted(GONE)), "asked by letter")
    made = actions.ask_erasure(shop.owner, command, now=ASKED)
    return Erasure.objects.get(pk=made.id)


def worked_off(*, since: datetime = ASKED) -> datetime:
    """The worker's rounds until nothing is open; when that was."""
    now = since
    while work_off(now=now):
        now += timedelta(minutes=5)
        assert now < since + 2 * HOUR, Erasure.objects.get().waits_for
    return now


def others(shop: Shop) -> list[tuple[object, ...]]:
    """Everything stored of other units."""
    found: list[tuple[object, ...]] = []
    for kind in EventKind:
        paths = [str(path) for path in reads.pinned_files(environment_of(shop).id, kind, **EVER).paths]
        query = (
            "SELECT * EXCLUDE (arrival) FROM read_parquet(?) WHERE unit NOT LIKE 'forget-me-%' ORDER BY ALL"
        )
        found += duckdb.connect().execute(query, [paths]).fetchall() if paths else []
    return found


def test_no_byte_of_a_hundred_erased_units_is_left_and_others_keep_theirs(own_disk: Path) -> None:
    shop, iteration = a_shop_that_knows_them()
    actions.compact(now=NOW + 2 * DAY)
    before = others(shop)
    places = found_anywhere(GONE, own_disk)
    assert {"the database"} < set(places)
    assert any("inbox/" in place for place in places)
    assert any(".duckdb" in place for place in places)
    asked(shop)
    now = worked_off()
    assert found_anywhere(GONE, own_disk) == []
    assert now - ASKED <= HOUR
    assert others(shop) == before
    report = refresh(iteration.id, now)
    assert [arm.exposed for arm in report.arms] == [200, 200]
    flag = next(flag for flag in flags.flags_of(shop.project.id) if flag.key == "checkout-button")
    assert flag.settings["production"].overrides == (Override("green", "user", ("stays",)),)
    counts = {one.key: one.members.member_count for one in flags.segments_of(shop.project.id) if one.members}
    assert counts == {"beta": 1, "large": 1_500}


def test_the_proof_says_who_when_how_many_and_where_and_names_nobody(own_disk: Path) -> None:
    shop, _ = a_shop_that_knows_them()
    request = asked(shop)
    now = worked_off()
    assert chain_fault() is None
    proof = AuditRecord.objects.get(action="erasure.finish")
    assert (proof.author_name, proof.at) == ("Ada", now)
    after = proof.changes[0]["after"]
    assert after["units"] == 100
    assert after["fingerprint"] == request.request_sha256
    assert after["removed"]["events"] >= 134
    assert after["removed"]["units in rollups"] == 100
    assert after["removed"]["refused events"] == 5
    assert after["removed"]["flag settings"] == 40
    assert after["removed"]["segments"] == 100
    assert after["removed"]["hashed lists"] == 100
    assert after["removed"]["remembered answers"] == 1
    assert not ErasureUnit.objects.exists()
    assert Tombstone.objects.count() == 2 * 100


def test_a_finished_report_stays_as_it_was(own_disk: Path) -> None:
    shop, iteration = a_shop_that_knows_them()
    stop(shop.owner, Stop(iteration.experiment_id), now=NOW + 3 * DAY)
    refresh(iteration.id, NOW + 3 * DAY)
    before = analysis.report_of(iteration.id)
    asked(shop)
    worked_off()
    assert before is not None
    assert analysis.report_of(iteration.id) == before
    assert analysis.has_final_report(iteration.id, stopped_at=experiments.iteration(iteration.id).stopped_at)


def test_what_others_got_can_still_be_replayed(own_disk: Path) -> None:
    shop, _ = a_shop_that_knows_them()
    environment, at = environment_of(shop).id, NOW + DAY
    question = ReplayQuestion("checkout-button", "user", "stays", at)
    before = snapshots.replay(environment, question)
    asked(shop)
    worked_off()
    after = snapshots.replay(environment, question)
    assert (after.decision, after.steps, after.revision) == (before.decision, before.steps, before.revision)
    assert after.hash != before.hash


def test_metrics_are_afterwards_as_if_they_had_never_been_there(own_disk: Path) -> None:
    shop, iteration = a_shop_that_knows_them()
    other = a_shop("other", "eva@example.com")
    never = a_running_experiment(other, design=a_design(looks=None)).iteration
    assert never is not None
    visited(never, visits(400, "keep"), now=NOW + 2 * DAY)
    _send_refused_and_waiting(other)
    asked(shop)
    now = worked_off() + DAY
    with_them, without = (refresh(one.id, now).results for one in (iteration, never))
    assert with_them is not None
    assert without is not None
    told = [
        [(row.metric, row.arm, row.control_units, row.treatment_units, row.control_value, row.treatment_value)
         for row in found.rows]
        for found in (with_them, without)
    ]  # fmt: skip
    assert told[0] == told[1]
    assert told[0][0][2:4] == (200, 200)


class Killed(BaseException):
    """Nobody handles it, as nobody handles a kill -9."""


@pytest.mark.parametrize("step", list(ErasureStep))
def test_an_erasure_that_is_killed_in_any_step_goes_on_and_ends(own_disk: Path, step: ErasureStep) -> None:
    shop, _ = a_shop_that_knows_them()
    asked(shop)

    def dies(passed: ErasureStep) -> None:
        if passed is step:
            raise Killed

    killed = _until_killed(dies)
    worked_off(since=killed)
    assert found_anywhere(GONE, own_disk) == []
    assert Erasure.objects.get().finished_at is not None
    assert AuditRecord.objects.filter(action="erasure.finish").count() == 1
    assert chain_fault() is None


def _until_killed(dies: Callable[[ErasureStep], None]) -> datetime:
    now = ASKED
    while True:
        try:
            work_off(now=now, passed=dies)
        except Killed:
            return now
        now += timedelta(minutes=5)
