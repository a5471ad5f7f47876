"""A list of units, such as of a mailing, is told its variants as the SDKs would tell them."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest
from calling import Caller, Reply, caller, reply
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from scenes import Shop, a_design, a_running_experiment, a_shop, environment_of

from equipoise_server.snapshots.reads import preview

pytestmark = pytest.mark.django_db
ASSIGN = "/projects/shop/environments/production/assignments"
GERMAN = {"attribute": "country", "operator": "equals", "value": "DE"}


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def asking(shop: Shop) -> Caller:
    return caller(shop.owner)


def sent(asking: Caller, fields: dict[str, str], file: bytes | None) -> Reply:
    form: dict[str, object] = dict(fields)
    if file is not None:
        form["file"] = SimpleUploadedFile("list.csv", file)
    headers = {"Authorization": f"Bearer {asking.token}"}
    return reply(Client().post(f"/api/v1{ASSIGN}", form, headers=headers))


def assigned(asking: Caller, file: str, *, unit_type: str = "user") -> list[dict[str, str]]:
    told = sent(asking, {"flag": "checkout-button", "unit_type": unit_type}, file.encode())
    assert told.status == 200, told.text
    return list(csv.DictReader(io.StringIO(told.text)))


def test_each_unit_gets_what_the_snapshot_gives_it(shop: Shop, asking: Caller) -> None:
    a_running_experiment(shop, design=replace(a_design(), eligibility=GERMAN))
    units = [f"u{number}" for number in range(200)]
    rows = assigned(asking, "user_id,country\n" + "".join(f"{unit},DE\n" for unit in units) + "v1,FR\n\n")
    snapshot = preview(environment_of(shop).id)
    assert [row["unit"] for row in rows] == [*units, "v1"]
    for row in rows[:-1]:
        context = {"units": {"user": row["unit"]}, "attributes": {"country": "DE"}}
        assert row["variant"] == snapshot.evaluate("checkout-button", context, None).variant
        assert (row["experiment"], row["iteration"], row["reason"]) == ("checkout-button", "1", "SPLIT")
    assert {row["arm"] for row in rows[:-1]} == {"control", "treatment"}
    assert (rows[-1]["variant"], rows[-1]["experiment"], rows[-1]["arm"]) == ("grey", "", "")


def test_ids_alone_need_no_heading(shop: Shop, asking: Caller) -> None:
    a_running_experiment(shop)
    assert [row["unit"] for row in assigned(asking, "u1\nu2\n")] == ["u1", "u2"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"u1,DE\n", "Line 1 has 2 columns"),
        (b"unit,country\nu1,DE,3\n", "Line 2 has 3 columns"),
        (b"\xff\xfe\n", "not UTF-8"),
        (b'"u1\n', "no CSV"),
        (b"u\n" * 200_002, "200,000 units"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_way_out(
    shop: Shop, asking: Caller, file: bytes, told: str
) -> None:
    a_running_experiment(shop)
    refused = sent(asking, {"flag": "checkout-button", "unit_type": "user"}, file)
    assert (refused.status, refused.fields) == (422, ["file"])
    assert told in refused.text


def test_what_is_not_there_is_named(shop: Shop, asking: Caller) -> None:
    a_running_experiment(shop)
    known = {"flag": "checkout-button", "unit_type": "user"}
    assert sent(asking, known | {"flag": "nothing"}, b"u1\n").status == 404
    assert sent(asking, known | {"unit_type": "city"}, b"u1\n").fields == ["unit_type"]
    assert sent(asking, {}, None).fields == ["flag", "unit_type", "file"]


def test_a_word_that_is_no_number_stays_a_word(shop: Shop, asking: Caller) -> None:
    named = {"attribute": "surname", "operator": "equals", "value": "NaN"}
    a_running_experiment(shop, design=replace(a_design(), eligibility=named))
    (row,) = assigned(asking, "unit,surname\nu1,NaN\n")
    assert row["experiment"] == "checkout-button"
