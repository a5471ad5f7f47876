"""Pages of experiments that are assigned outside: the wizard's step, the look at the table, the run."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from dashboard.browsing import PLACE, Page, signed_in
from django.utils import timezone
from outside import TABLE, Seen, an_exposure_source, an_outside_design, an_outside_draft, written_exposures
from people import a_member
from scenes import Shop, a_design, a_draft_experiment, a_shop, environment_of

from equipoise_server.access.values import Role
from equipoise_server.analysis.actions import refresh
from equipoise_server.experiments.actions import Launch, Stop, launch, stop
from equipoise_server.experiments.reads import experiment_by_key
from equipoise_server.experiments.values import Arm, Experiment, ExposureTable

pytestmark = pytest.mark.django_db
BUTTON = f"{PLACE}/experiments/checkout-button"
TYPED = {
    "version": "1", "do": "save", "scheme": "outside", "unit_type": "user", "outside.source": "exposures",
    "outside.variant_column": "variation_id", "outside.experiment_column": "experiment_id",
    "outside.experiment": "their-button", "outside.attributes": "plan, age", "outside.overlap_hours": "24",
    "outside.since": "2026-03-02T06:00",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path, settings: pytest.FixtureRequest) -> Shop:
    settings.DATA_DIRECTORY = tmp_path
    settings.SOURCES_DIRECTORY = tmp_path / "sources"
    shop = a_shop()
    now = timezone.now()
    written_exposures([Seen(f"customer-{n}", now - timedelta(hours=1), n % 2) for n in range(30)])
    an_exposure_source(shop)
    return shop


def page(client: object, path: str) -> Page:
    answer = client.get(path)  # type: ignore[attr-defined]  # a client
    assert answer.status_code == 200, answer.content[:500]
    return Page(answer.content.decode())


def draft_of(shop: Shop) -> Experiment:
    return experiment_by_key(shop.project.id, "checkout-button")


def running(shop: Shop) -> Experiment:
    """A run whose table began a day ago."""
    table = ExposureTable(
        "exposures", "variation_id", TABLE.variants, "experiment_id", "their-button",
        since=timezone.now() - timedelta(days=1),
    )  # fmt: skip
    draft = an_outside_draft(shop, an_outside_design(table))
    return launch(shop.owner, Launch(draft.id, environment_of(shop).id, draft.version), now=timezone.now())


def test_the_wizard_takes_a_table_in_place_of_a_layer_and_flags(shop: Shop) -> None:
    a_draft_experiment(shop, design=a_design(layer="search", slot_share=0.5))
    client = signed_in(shop.owner)
    answer = client.post(f"{BUTTON}/edit/randomisation", TYPED)
    assert answer["Location"] == f"{BUTTON}/edit/variants"
    design = draft_of(shop).design
    assert design.exposures is not None
    assert (design.exposures.source, design.exposures.attributes) == ("exposures", ("plan", "age"))
    assert (design.exposures.overlap_hours, design.layer, design.slot_share) == (24, "", 1.0)
    assert {flag for arm in design.arms for flag in arm.values} == set()
    step = client.get(f"{BUTTON}/edit/randomisation").text
    assert 'value="2026-03-02T06:00"' in step
    assert '<option value="variation_id">' in step
    assert "Part of the layer" not in step
    assert "Units are assigned outside." in page(client, f"{BUTTON}/edit/audience").text


def test_the_variants_say_which_values_of_the_table_stand_for_them(shop: Shop) -> None:
    a_draft_experiment(shop)
    client = signed_in(shop.owner)
    client.post(f"{BUTTON}/edit/randomisation", TYPED)
    assert "What changes" not in page(client, f"{BUTTON}/edit/variants").text
    form = {
        "version": "2", "do": "save", "control": "0", "arm.0.name": "Grey", "arm.0.key": "control",
        "arm.0.weight": "1", "arm.0.outside": "0, 2", "arm.1.name": "Green", "arm.1.key": "treatment",
        "arm.1.weight": "1", "arm.1.outside": "1",
    }  # fmt: skip
    client.post(f"{BUTTON}/edit/variants", form)
    design = draft_of(shop).design
    assert design.exposures is not None
    assert design.exposures.variants == {"0": "control", "2": "control", "1": "treatment"}
    assert design.arms[0] == Arm("control", "Grey", 1, {})
    assert 'value="0, 2"' in client.get(f"{BUTTON}/edit/variants").text


def test_another_scheme_takes_the_table_out_again(shop: Shop) -> None:
    an_outside_draft(shop)
    form = {"version": "1", "do": "save", "scheme": "units", "unit_type": "user", "slot_share": "100"}
    signed_in(shop.owner).post(f"{BUTTON}/edit/randomisation", form)
    assert draft_of(shop).design.exposures is None


def test_a_column_that_is_not_there_is_said_beside_its_field(shop: Shop) -> None:
    a_draft_experiment(shop)
    typed = {**TYPED, "outside.variant_column": "arm", "outside.since": "soon", "outside.overlap_hours": "x"}
    client = signed_in(shop.owner)
    unreadable = client.post(f"{BUTTON}/edit/randomisation", typed)
    assert unreadable.status_code == 422
    assert "such as 2026-03-02T06:00" in unreadable.text
    refused = client.post(f"{BUTTON}/edit/randomisation", {**TYPED, "outside.variant_column": "arm"})
    assert refused.status_code == 422
    assert "declares no column “arm”" in refused.text


def test_a_look_shows_rows_by_variant_and_hides_ids(shop: Shop) -> None:
    an_outside_draft(shop)
    client = signed_in(shop.owner)
    assert "A look reads all rows of the run" in page(client, f"{BUTTON}/exposures").text
    looked = page(client, f"{BUTTON}/exposures?look=run").text
    assert "0Grey1550%15" in looked.replace(" ", "")
    assert "cust…" in looked
    assert "customer-1" not in looked
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert "What it holds" not in page(viewer, f"{BUTTON}/exposures?look=run").text


def test_a_look_at_a_table_that_is_gone_says_so(shop: Shop) -> None:
    an_outside_draft(shop)
    written_exposures([]).unlink()
    assert "cannot be read" in page(signed_in(shop.owner), f"{BUTTON}/exposures?look=run").text


def test_the_review_says_that_nobody_here_assigns(shop: Shop) -> None:
    an_outside_draft(shop)
    review = page(signed_in(shop.owner), f"{BUTTON}/edit/review").text
    assert "Units are assigned outside, so who gets what is decided there." in review
    assert "Ready to launch" in review


def test_a_run_says_where_it_is_assigned_and_how_far_its_table_was_read(shop: Shop) -> None:
    experiment = running(shop)
    assert experiment.iteration is not None
    refresh(experiment.iteration.id, timezone.now())
    client = signed_in(shop.owner)
    head = page(client, BUTTON).text
    assert "users are assigned outside" in head
    assert "Preview link" not in head
    assert "who gets what changes only when it is stopped there, too" in head
    assert "exposures@1" in page(client, f"{BUTTON}/design").text
    assert "30 exposures were new" in page(client, f"{BUTTON}/exposures").text
    stop(shop.owner, Stop(experiment.id, "enough"), now=timezone.now())
    assert "Everybody gets the control" not in page(client, BUTTON).text
    assert "Serve the control to everybody where units are assigned." in page(client, f"{BUTTON}/decide").text


def test_an_experiment_of_sdks_has_no_table_to_look_at(shop: Shop) -> None:
    a_draft_experiment(shop)
    assert "No table" in page(signed_in(shop.owner), f"{BUTTON}/exposures?look=run").text
