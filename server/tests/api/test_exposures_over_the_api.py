"""Experiments that are assigned outside, over the API: their table, a look at it, and how far it was read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from calling import Caller
from calling import caller as a_caller_for
from django.utils import timezone
from outside import Seen, an_exposure_source, written_exposures
from people import a_member
from scenes import Shop, a_shop, the_metrics

from equipoise_server.access.values import Role
from equipoise_server.analysis.actions import refresh
from equipoise_server.experiments.reads import experiment_by_key

pytestmark = pytest.mark.django_db
PLACE = "/projects/shop/experiments"
TABLE = {
    "source": "exposures", "variant_column": "variation_id", "variants": {"0": "control", "1": "treatment"},
    "experiment_column": "experiment_id", "experiment": "their-button", "attributes": ["plan"],
}  # fmt: skip
DESIGN = {
    "hypothesis": "A green button is easier to see, so more people buy.",
    "arms": [{"key": "control", "name": "Grey"}, {"key": "treatment", "name": "Green"}],
    "metrics": [{"key": "purchase", "role": "oec"}], "mde_relative": 0.05, "exposures": TABLE,
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, settings: pytest.FixtureRequest) -> Shop:
    settings.DATA_DIRECTORY = tmp_path
    settings.SOURCES_DIRECTORY = tmp_path / "sources"
    shop = a_shop()
    the_metrics(shop)
    now = timezone.now()
    written_exposures([Seen(f"customer-{n}", now - timedelta(hours=2), n % 2) for n in range(20)])
    an_exposure_source(shop)
    return shop


@pytest.fixture
def admin(shop: Shop) -> Caller:
    return a_caller_for(shop.owner)


def drafted(admin: Caller, **changes: object) -> None:
    since = (timezone.now() - timedelta(days=1)).isoformat()
    design = {**DESIGN, "exposures": {**TABLE, "since": since, **changes}}
    made = admin.post(PLACE, {"key": "theirs", "name": "Theirs", "design": design})
    assert made.status == 201, made.text


def test_a_table_is_looked_at_then_launched_and_its_reading_is_told(shop: Shop, admin: Caller) -> None:
    drafted(admin)
    look = admin.get(f"{PLACE}/theirs/exposures/preview")
    assert look.status == 200, look.text
    assert [(one["value"], one["arm"], one["units"]) for one in look.json["by_value"]] == [  # type: ignore[index]  # objects
        ("0", "control", 10), ("1", "treatment", 10),
    ]  # fmt: skip
    assert "customer-1" not in look.text
    launched = admin.post(f"{PLACE}/theirs/launch", {"environment": "production"}, If_Match='"1"')
    assert launched.status == 200, launched.text
    iteration = experiment_by_key(shop.project.id, "theirs").iteration
    assert iteration is not None
    assert admin.get(f"{PLACE}/theirs/exposures").json["last_reading"] is None
    refresh(iteration.id, timezone.now())
    found = admin.get(f"{PLACE}/theirs/exposures").json
    table, reading = found["table"], found["last_reading"]
    assert isinstance(table, dict)
    assert isinstance(reading, dict)
    assert (table["source"], table["attributes"]) == ("exposures@1", ["plan"])
    assert (reading["taken"], reading["cost"]["rows"]) == (20, 20)


def test_faults_of_a_table_name_their_fields(admin: Caller) -> None:
    design = {**DESIGN, "exposures": {**TABLE, "variant_column": "arm", "overlap_hours": 0}}
    refused = admin.post(PLACE, {"key": "theirs", "name": "Theirs", "design": design})
    assert refused.status == 422
    assert refused.fields == ["exposures.variant_column", "exposures.overlap_hours"]
    unsaid = {**DESIGN, "exposures": {"source": "exposures"}}
    assert admin.post(PLACE, {"key": "theirs", "name": "Theirs", "design": unsaid}).status == 422


def test_only_those_who_may_edit_metrics_see_rows(shop: Shop, admin: Caller) -> None:
    drafted(admin)
    viewer = a_caller_for(a_member(shop.owner, shop.project, Role.VIEWER))
    assert viewer.get(f"{PLACE}/theirs/exposures/preview").status == 403
    assert viewer.get(f"{PLACE}/theirs/exposures").status == 200


def test_an_experiment_of_sdks_has_no_table(shop: Shop, admin: Caller) -> None:
    made = admin.post(PLACE, {"key": "ours", "name": "Ours"})
    assert made.status == 201
    assert admin.get(f"{PLACE}/ours/exposures").json == {"table": None, "last_reading": None}
    assert admin.get(f"{PLACE}/ours/exposures/preview").fields == ["exposures"]
