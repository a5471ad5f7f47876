"""Imports tell everything that is wrong with a mapping or a file at once, and change nothing then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from people import NOW, a_member
from scenes import Shop, a_metric, a_shop, environment_of

from equipoise_server.access.actions import issue_api_token
from equipoise_server.access.values import Actor, Role
from equipoise_server.analysis import reads
from equipoise_server.analysis.actions import ImportPast, import_past_experiment, mapping_from_text
from equipoise_server.audit.models import AuditRecord
from equipoise_server.experiments.models import Experiment as ExperimentRow
from equipoise_server.experiments.values import Experiment, VerdictState
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid
from equipoise_server.metrics.models import Metric as MetricRow

pytestmark = pytest.mark.django_db


def a_mapping(**changes: Any) -> dict[str, Any]:
    mapping: dict[str, Any] = {
        "experiment": {
            "key": "past", "name": "A past one", "hypothesis": "The green button makes more people buy."
        },
        "unit": {"column": "who"},
        "variant": {
            "column": "arm", "control": "A",
            "arms": [{"value": "A", "key": "a", "name": "Old"}, {"value": "B", "key": "b", "name": "New"}],
        },
        "time": {"at": "2026-01-05T00:00:00Z"},
        "outcomes": [
            {"column": "bought", "metric": "bought", "name": "buyers", "kind": "conversion", "role": "oec"},
            {"column": "paid", "metric": "paid", "name": "revenue", "kind": "sum", "role": "secondary"},
        ],
    }  # fmt: skip
    return mapping | changes


def rows(units: int = 400) -> list[tuple[str, ...]]:
    return [
        (
            f"u{n}",
            "AB"[n % 2],
            str(int(n % (4 + n % 2) == 0)),
            f"{n % 7}.25",
            f"2026-01-{5 + n % 20:02d}T10:00:00Z",
        )
        for n in range(units)
    ]


def a_file(directory: Path, lines: list[tuple[str, ...]], header: str = "who,arm,bought,paid,seen") -> Path:
    path = directory / "past.csv"
    path.write_text("\n".join([header, *(",".join(line) for line in lines)]) + "\n")
    return path


def imported(shop: Shop, path: Path, actor: Actor | None = None, **changes: Any) -> Experiment:
    mapping = mapping_from_text(json.dumps(a_mapping(**changes)))
    command = ImportPast(shop.project.id, environment_of(shop).id, mapping, path)
    return import_past_experiment(actor or shop.owner, command, now=NOW)


def refused(shop: Shop, path: Path, **changes: Any) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        imported(shop, path, **changes)
    assert not ExperimentRow.objects.exists()
    assert not MetricRow.objects.exists()
    return [f"{problem.field}: {problem.message}" for problem in refusal.value.problems]


def test_a_mapping_tells_all_its_faults_at_once() -> None:
    faulty = a_mapping(
        experiment={"key": "past", "title": "x"},
        unit={"column": 7},
        time={},
        outcomes=[{"column": "bought"}, {"column": "paid", "metric": "paid", "kind": "median"}],
        colour="red",
    )
    with pytest.raises(Invalid) as refusal:
        mapping_from_text(json.dumps(faulty))
    fields = [problem.field for problem in refusal.value.problems]
    assert fields == [
        "colour", "experiment.title", "experiment", "unit", "outcomes.0", "outcomes.1"
    ]  # fmt: skip


def test_what_types_cannot_say_is_told_at_once_too() -> None:
    arms = [{"value": "A", "key": f"a{n}", "name": "x"} for n in range(65)]
    faulty = a_mapping(
        time={"at": "2026-01-05T00:00:00"},
        window_days=0,
        variant={"column": "arm", "control": "Z", "arms": arms},
        outcomes=[a_mapping()["outcomes"][0]] * 2,
    )
    with pytest.raises(Invalid) as refusal:
        mapping_from_text(json.dumps(faulty))
    fields = {problem.field for problem in refusal.value.problems}
    assert {"time.at", "window_days", "variant.arms", "variant.control", "outcomes.1.metric"} <= fields


@pytest.mark.parametrize("text", ["", "{", "[]", "= x", '{"experiment": 1}', "[" * 100_000])
def test_a_text_that_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        mapping_from_text(text)


def test_unknown_columns_are_named_with_those_that_there_are(tmp_path: Path) -> None:
    path = a_file(tmp_path, rows(), header="who,arm,bought,amount,seen")
    told = refused(a_shop(), path, covariates=["age"])
    assert told == [
        "outcomes.1.column: The file has no column “paid”; it has amount, arm, bought, seen, who.",
        "covariates.0: The file has no column “age”; it has amount, arm, bought, seen, who.",
    ]


def test_a_file_with_a_cut_row_is_not_blamed_on_its_columns(tmp_path: Path) -> None:
    path = a_file(tmp_path, rows())
    path.write_text(path.read_text().rstrip("\n") + "\nw,A\n")
    (told,) = refused(a_shop(), path)
    assert told.startswith("file: Some rows do not have the columns of the first line (")


def test_a_file_tells_all_that_is_wrong_with_its_rows_at_once(tmp_path: Path) -> None:
    lines = [
        *rows(), ("", "A", "1", "2", ""), ("u0", "B", "0", "0", ""), ("x" * 300, "A", "0", "0", ""),
        ("v", "purple", "0", "0", ""), ("w", "", "2", "", ""), ("z", "A", "maybe", "1e99", ""),
    ]  # fmt: skip
    told = refused(a_shop(), a_file(tmp_path, lines))
    for sentence in (
        "variant.column: 1 rows have no variant",
        "variant.arms: 1 values of the file are not mapped: “purple”",
        "unit.column: 1 rows name no unit", "unit.column: 1 units are longer than 256 bytes",
        "unit.column: 1 units are in several variants, such as “u0”",
        "outcomes.0.column: 1 rows of “bought” are not numbers",
        "outcomes.0.column: 1 rows of “bought” do not fit a conversion: 0 or 1",
        "outcomes.1.column: 1 rows of “paid” are empty",
        "outcomes.1.column: 1 rows of “paid” do not fit a sum",
    ):  # fmt: skip
        assert any(one.startswith(sentence) for one in told), sentence


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (b"", ".csv"),
        (b"who,arm,bought,paid\n", ".csv"),
        (b"\x00\xff\xfe", ".parquet"),
        (b"no gzip", ".csv.gz"),
    ],
)
def test_an_unreadable_file_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"past{suffix}"
    path.write_bytes(content)
    assert refused(a_shop(), path)


def test_a_metric_with_another_meaning_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    shop = a_shop()
    a_metric(shop, "paid")
    records = AuditRecord.objects.count()
    with pytest.raises(Invalid) as refusal:
        imported(shop, a_file(tmp_path, rows()))
    assert [problem.field for problem in refusal.value.problems] == ["outcomes.1.metric"]
    assert (AuditRecord.objects.count(), MetricRow.objects.count()) == (records, 1)


def test_a_taken_key_is_refused_unless_it_is_the_same_import(tmp_path: Path) -> None:
    shop = a_shop()
    path = a_file(tmp_path, rows())
    first = imported(shop, path)
    assert imported(shop, path).id == first.id
    with pytest.raises(Conflict):
        imported(
            shop, path, experiment=a_mapping()["experiment"] | {"hypothesis": "Something else entirely."}
        )


def test_parquet_and_a_time_column_give_the_same_numbers_as_csv(tmp_path: Path) -> None:
    path = a_file(tmp_path, rows())
    table = tmp_path / "past.parquet"
    duckdb.connect().execute(
        "COPY (SELECT * FROM read_csv($source)) TO $target (FORMAT PARQUET)",
        {"source": str(path), "target": str(table)},
    )
    one, other = a_shop(), a_shop("other", "olaf@example.com")
    from_csv = imported(one, path, time={"column": "seen"}, covariates=["paid"])
    from_parquet = imported(other, table, time={"column": "seen"}, covariates=["paid"])
    assert from_csv.iteration is not None
    assert from_parquet.iteration is not None
    assert from_csv.iteration.started_at == datetime(2026, 1, 5, 10, tzinfo=UTC)
    assert from_csv.iteration.stopped_at == datetime(2026, 1, 24, 10, tzinfo=UTC) + timedelta(days=7)
    reports = [reads.report_of(one.iteration.id) for one in (from_csv, from_parquet) if one.iteration]
    assert reports[0] is not None
    assert reports[1] is not None
    assert reports[0].results is not None
    assert reports[0].results == reports[1].results
    assert [row.control_units for row in reports[0].results.rows] == [200, 200]


def test_the_row_number_can_be_the_unit(tmp_path: Path) -> None:
    experiment = imported(a_shop(), a_file(tmp_path, rows()), unit={})
    assert experiment.iteration is not None
    report = reads.report_of(experiment.iteration.id)
    assert report is not None
    assert [arm.exposed for arm in report.arms] == [200, 200]


def test_an_unequal_split_withholds_an_import_too(tmp_path: Path) -> None:
    lines = [line for place, line in enumerate(rows(2_000)) if line[1] == "A" or place % 4 == 1]
    experiment = imported(a_shop(), a_file(tmp_path, lines))
    assert experiment.verdict is not None
    assert experiment.verdict.state is VerdictState.WITHHELD_SRM


def test_a_viewer_cannot_import(tmp_path: Path) -> None:
    shop = a_shop()
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden):
        imported(shop, a_file(tmp_path, rows()), viewer)


def test_the_api_imports_a_file_with_its_mapping(tmp_path: Path, client: Client) -> None:
    shop = a_shop()
    path = a_file(tmp_path, rows())
    now = datetime.now(UTC)
    token = issue_api_token(_id_of(shop.owner), "import", life=timedelta(days=1), now=now)
    form = {
        "environment": "production",
        "mapping": json.dumps(a_mapping()),
        "file": SimpleUploadedFile("past.csv", path.read_bytes()),
    }
    url, bearer = f"/api/v1/projects/{shop.project.key}/imports", {"Authorization": f"Bearer {token}"}
    answer = client.post(url, form, headers=bearer)
    assert answer.status_code == 201, answer.content
    assert answer.json()["experiment"] == "past"
    nothing = client.post(url, {"file": SimpleUploadedFile("past.exe", b"x")}, headers=bearer)
    assert nothing.status_code == 422
    assert [problem["field"] for problem in nothing.json()["problems"]] == ["file", "mapping", "environment"]


def _id_of(actor: Actor) -> UUID:
    return UUID(actor.author.id)
