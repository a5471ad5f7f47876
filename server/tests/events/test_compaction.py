"""Compaction: each event once, counted once, whatever is sent how often and in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire import NOON, SHOP, a_body, a_track, an_exposure

from equipoise_server.events import actions, compaction, reads
from equipoise_server.events.inbox import Inbox
from equipoise_server.events.models import StoreFile
from equipoise_server.events.values import DataQuality, EventKind
from equipoise_server.foundation.scratch import scratch_directory

pytestmark = pytest.mark.django_db
EVER = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}


@pytest.fixture
def inbox(own_disk: Path) -> Iterator[Inbox]:
    inbox = actions.open_inbox()
    yield inbox
    inbox.close()


def post(inbox: Inbox, *events: object, sent_at: datetime = NOON, received_at: datetime = NOON) -> None:
    _, written = actions.accept(inbox, SHOP, a_body(*events, sent_at=sent_at), received_at=received_at)
    written.result(5)


def stored(kind: EventKind, columns: str = "unit") -> list[tuple[object, ...]]:
    paths = [str(path) for path in reads.pinned_files(SHOP, kind, **EVER).paths]
    if not paths:
        return []
    return duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?) ORDER BY ALL", [paths]).fetchall()


def test_an_event_sent_three_times_is_stored_once(inbox: Inbox) -> None:
    exposure, track = an_exposure(), a_track(value=3.5)
    post(inbox, exposure, track)
    actions.compact(now=NOON)
    post(inbox, exposure, track, track)
    done = actions.compact(now=NOON)
    assert (done.stored, done.duplicates) == (0, 3)
    assert stored(EventKind.EXPOSURE) == stored(EventKind.TRACK) == [("u1",)]


def test_an_id_with_other_content_is_a_conflict_and_the_first_stays(inbox: Inbox) -> None:
    track = a_track(value=1.0)
    post(inbox, track)
    actions.compact(now=NOON)
    post(inbox, {**track, "value": 2.0}, an_exposure(id=track["id"]))
    assert actions.compact(now=NOON).conflicting == 2
    assert stored(EventKind.TRACK, "value") == [(1.0,)]
    assert stored(EventKind.EXPOSURE) == []
    assert {problem for event in reads.refused_events(SHOP) for problem in event.problems} == {
        "id: stored before with other content"
    }


def test_the_same_content_sent_later_is_a_duplicate_and_no_conflict(inbox: Inbox) -> None:
    track = a_track(properties={"a": 1, "b": 2})
    post(inbox, track)
    post(inbox, {**track, "properties": {"b": 2, "a": 1}}, sent_at=NOON + timedelta(hours=2))
    assert actions.compact(now=NOON).duplicates == 1


def test_an_integer_and_its_decimal_are_one_unit(inbox: Inbox) -> None:
    exposure = an_exposure(unit=7)
    post(inbox, exposure, {**exposure, "unit": "7"})
    assert actions.compact(now=NOON).duplicates == 1
    assert stored(EventKind.EXPOSURE) == [("7",)]


def test_a_track_of_two_units_is_a_row_for_each(inbox: Inbox) -> None:
    post(inbox, a_track(units={"user": "u1", "account": "a1"}))
    assert actions.compact(now=NOON).stored == 1
    assert stored(EventKind.TRACK, "unit_type, unit") == [("account", "a1"), ("user", "u1")]


def test_a_clock_that_is_two_days_slow_changes_nothing(inbox: Inbox) -> None:
    slow = timedelta(days=2)
    happened = NOON - timedelta(minutes=5)
    post(inbox, a_track(at=(happened - slow).isoformat()), sent_at=NOON - slow)
    actions.compact(now=NOON)
    assert stored(EventKind.TRACK, "derived_at, is_late, is_early") == [
        (happened.replace(tzinfo=None), False, False)
    ]


@pytest.mark.parametrize(
    ("age", "flags"),
    [
        (timedelta(days=7), (False, False)),
        (timedelta(days=7, seconds=1), (True, False)),
        (-timedelta(hours=1), (False, False)),
        (-timedelta(hours=1, seconds=1), (False, True)),
    ],
)
def test_late_and_early_events_are_flagged_and_counted(
    inbox: Inbox, age: timedelta, flags: tuple[bool, bool]
) -> None:
    post(inbox, a_track(at=(NOON - age).isoformat()))
    actions.compact(now=NOON)
    assert stored(EventKind.TRACK, "is_late, is_early") == [flags]
    quality = reads.data_quality(SHOP)
    assert (quality.late, quality.early) == tuple(map(int, flags))


def test_a_trusted_sender_is_taken_at_its_word(inbox: Inbox) -> None:
    year_ago = NOON - timedelta(days=365)
    body = a_body(a_track(at=year_ago.isoformat()), sent_at=NOON - timedelta(hours=3))
    actions.accept(inbox, SHOP, body, received_at=NOON, is_trusted=True)[1].result(5)
    actions.compact(now=NOON)
    assert stored(EventKind.TRACK, "derived_at, is_late") == [(year_ago.replace(tzinfo=None), False)]


def test_the_six_numbers_add_up_at_every_step(inbox: Inbox) -> None:
    track = a_track()
    steps = (
        lambda: post(inbox, track, track, {**track, "value": 1.0}, a_track(units={})),
        lambda: actions.compact(now=NOON),
        lambda: post(inbox, track, an_exposure(), "junk"),
        lambda: actions.forget_stored(inbox, now=NOON),
        lambda: actions.compact(now=NOON),
    )
    for step in steps:
        step()
        quality = reads.data_quality(SHOP)
        assert quality.received == (
            quality.stored + quality.duplicates + quality.conflicting + quality.quarantined + quality.waiting
        )
    assert quality == DataQuality(7, 2, 2, 1, 2, 0, 0, 0)


def test_many_small_files_become_one_and_the_old_ones_go_after_their_grace(
    inbox: Inbox, own_disk: Path
) -> None:
    for number in range(compaction.MOST_FILES_PER_SIZE + 1):
        post(inbox, a_track(f"u{number}"))
        actions.compact(now=NOON)
    assert StoreFile.objects.filter(retired_at=None).count() == 1
    assert len(stored(EventKind.TRACK)) == compaction.MOST_FILES_PER_SIZE + 1
    assert actions.delete_retired(now=NOON + timedelta(minutes=9)) == 0
    assert actions.delete_retired(now=NOON + timedelta(minutes=11)) == compaction.MOST_FILES_PER_SIZE
    assert len(list(own_disk.rglob("*.parquet"))) == 1


def test_a_large_file_is_not_rewritten_for_a_few_events(inbox: Inbox) -> None:
    post(inbox, *[a_track(f"u{number}") for number in range(200)])
    actions.compact(now=NOON)
    large = StoreFile.objects.get()
    for number in range(2 * compaction.MOST_FILES_PER_SIZE + 2):
        post(inbox, a_track(f"v{number}"))
        actions.compact(now=NOON)
    assert StoreFile.objects.get(pk=large.pk).retired_at is None
    assert len(stored(EventKind.TRACK)) == 200 + 2 * compaction.MOST_FILES_PER_SIZE + 2
    assert StoreFile.objects.filter(retired_at=None).count() < compaction.MOST_FILES_PER_SIZE


def test_files_that_no_transaction_named_are_deleted_when_old(inbox: Inbox, own_disk: Path) -> None:
    post(inbox, a_track())
    actions.compact(now=NOON)
    (kept,) = own_disk.rglob("*.parquet")
    for name in (f"{uuid4().hex}.parquet", f"{uuid4().hex}.unfinished"):
        kept.with_name(name).write_bytes(b"cut off")
    written = datetime.fromtimestamp(kept.stat().st_mtime, UTC)
    assert actions.delete_retired(now=written + timedelta(minutes=59)) == 0
    assert actions.delete_retired(now=written + timedelta(minutes=62)) == 2
    assert kept.exists()


def test_rows_go_through_several_files_however_long_they_are(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction.store, "ROWS_A_PIECE", 2)
    monkeypatch.setattr(compaction.store, "ROWS_A_FILE", 4)
    lengths = [1, 400_000, 2, 3, 4, 300_000, 5, 6, 7]
    for length in lengths:
        post(inbox, a_track(properties={"text": "\n" * length}))
    assert actions.compact(now=NOON).stored == len(lengths)
    found = stored(EventKind.TRACK, "LENGTH(properties->>'text')")
    assert [length for (length,) in found] == sorted(lengths)


def test_a_load_that_fails_leaves_nothing_on_the_disk(
    inbox: Inbox, own_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    post(inbox, a_track())
    with monkeypatch.context() as broken:
        broken.setattr(compaction.store, "LOAD_INCOMING", "SELECT nothing FROM nowhere")
        with pytest.raises(duckdb.Error):
            actions.compact(now=NOON)
    assert list((own_disk / "scratch").glob("*.ndjson")) == []
    assert actions.compact(now=NOON).stored == 1


def test_what_a_killed_worker_was_loading_is_deleted_when_old(inbox: Inbox, own_disk: Path) -> None:
    post(inbox, a_track())
    actions.compact(now=NOON)
    left = own_disk / "scratch" / "0f.ndjson"
    left.write_bytes(b"{}")
    written = datetime.fromtimestamp(left.stat().st_mtime, UTC)
    assert actions.delete_retired(now=written) == 0
    assert actions.delete_retired(now=written + timedelta(days=2)) == 1
    assert not left.exists()


def test_of_two_compactions_at_once_one_changes_nothing(inbox: Inbox) -> None:
    post(inbox, a_track())
    where = compaction.Places(
        actions.places.inbox_directory(), actions.places.store_directory(), scratch_directory()
    )
    outcome = compaction._Outcome()
    actions.compact(now=NOON)
    with pytest.raises(compaction.LostRace):
        compaction._commit(outcome, version=0, now=NOON)
    assert compaction.compact_once(where, now=NOON) is None
    assert reads.data_quality(SHOP).stored == 1


def test_files_outside_the_asked_time_are_not_pinned(inbox: Inbox) -> None:
    post(inbox, a_track())
    actions.compact(now=NOON)
    second = timedelta(seconds=1)
    for since, until, files in (
        (NOON, NOON + second, 1), (NOON - second, NOON, 0), (NOON + second, NOON + 2 * second, 0)
    ):  # fmt: skip
        assert len(reads.pinned_files(SHOP, EventKind.TRACK, since=since, until=until).paths) == files


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_splitting_order_and_repetition_stores_the_same_events(inbox: Inbox, data: st.DataObject) -> None:
    environment = uuid4()
    made = [
        a_track(f"u{n}", at=(NOON + timedelta(hours=9 * n)).isoformat(), value=float(n)) for n in range(6)
    ]
    sent = data.draw(st.permutations(made + data.draw(st.lists(st.sampled_from(made), max_size=6))))
    while sent:
        size = data.draw(st.integers(1, len(sent)))
        group, sent = sent[:size], sent[size:]
        actions.accept(inbox, environment, a_body(*group), received_at=NOON)[1].result(5)
        if data.draw(st.booleans()):
            actions.compact(now=NOON)
    actions.compact(now=NOON)
    paths = [str(path) for path in reads.pinned_files(environment, EventKind.TRACK, **EVER).paths]
    found = duckdb.connect().execute("SELECT unit, value FROM read_parquet(?) ORDER BY ALL", [paths])
    assert found.fetchall() == [(f"u{n}", float(n)) for n in range(6)]


def test_the_cluster_of_an_exposure_is_kept_and_part_of_what_it_says(inbox: Inbox) -> None:
    moved = an_exposure("u2", cluster_type="city", cluster="berlin")
    post(inbox, an_exposure("u1"), moved, {**moved, "cluster": "paris"})
    assert actions.compact(now=NOON).conflicting == 1
    assert stored(EventKind.EXPOSURE, "unit, cluster_type, cluster") == [
        ("u1", None, None),
        ("u2", "city", "berlin"),
    ]


def test_a_file_of_before_exposures_had_clusters_is_merged_with_later_ones(inbox: Inbox) -> None:
    post(inbox, an_exposure("u1"))
    actions.compact(now=NOON)
    ((path,),) = [reads.pinned_files(SHOP, EventKind.EXPOSURE, **EVER).paths]
    earlier = path.with_suffix(".earlier")
    path.rename(earlier)
    columns = "SELECT * EXCLUDE (cluster_type, cluster)"
    duckdb.connect().execute(f"COPY ({columns} FROM read_parquet('{earlier}')) TO '{path}' (FORMAT PARQUET)")
    for number in range(20):
        post(inbox, an_exposure(f"v{number}", cluster_type="city", cluster="berlin"))
        actions.compact(now=NOON)
    assert len(reads.pinned_files(SHOP, EventKind.EXPOSURE, **EVER).paths) < 21
    assert stored(EventKind.EXPOSURE, "COUNT(*), COUNT(cluster)") == [(21, 20)]
