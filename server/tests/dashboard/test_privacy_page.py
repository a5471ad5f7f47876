"""The privacy page: asking for an erasure, seeing how far it is, and setting retention."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from django.core.files.uploadedfile import SimpleUploadedFile
from people import a_member

from equipoise_server.access.reads import actor_of_user, project_by_key
from equipoise_server.access.values import Role
from equipoise_server.events.models import ErasureUnit
from equipoise_server.events.reads import retention_of

pytestmark = pytest.mark.django_db
PRIVACY = f"{PLACE}/settings/privacy"


@pytest.fixture(autouse=True)
def own_disk(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.DATA_DIRECTORY = tmp_path


def test_an_admin_erases_typed_units_and_the_page_shows_how_far_it_is() -> None:
    client = signed_in(scenes.a_shop().owner)
    asked = {"unit_type": "user", "units": "forget-1, forget-2\nforget-3", "sure": "yes"}
    answer = Page(client.post(f"{PRIVACY}/erase", asked, follow=True).text).text
    assert "3 users are being erased" in answer
    assert "Stopping new events" in answer
    assert "forget-1" not in answer
    assert set(ErasureUnit.objects.values_list("unit", flat=True)) == {"forget-1", "forget-2", "forget-3"}


def test_a_file_of_ids_is_taken() -> None:
    client = signed_in(scenes.a_shop().owner)
    file = SimpleUploadedFile("ids.csv", b"user_id,name\nforget-1,A\nforget-2,B\n")
    client.post(f"{PRIVACY}/erase", {"unit_type": "user", "sure": "yes", "file": file})
    assert set(ErasureUnit.objects.values_list("unit", flat=True)) == {"forget-1", "forget-2"}


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"units": "u1"}, "to be erased for good"),
        ({"units": " ", "sure": "yes"}, "Choose a file, or type some unit ids."),
        ({"units": "u1", "sure": "yes", "unit_type": "ship"}, "The project has no unit type “ship”"),
        ({"units": "u" * 300, "sure": "yes"}, "A unit id is a text of 1 to 256 bytes"),
    ],
)
def test_what_cannot_be_erased_is_refused_with_the_way_out(typed: dict[str, str], told: str) -> None:
    client = signed_in(scenes.a_shop().owner)
    refused = client.post(f"{PRIVACY}/erase", {"unit_type": "user", **typed})
    assert refused.status_code == 422
    assert told in Page(refused.text).text
    assert not ErasureUnit.objects.exists()


def test_who_is_no_admin_sees_the_page_without_the_forms() -> None:
    shop = scenes.a_shop()
    client = signed_in(a_member(shop.owner, shop.project, Role.ENGINEER))
    seen = client.get(PRIVACY).text
    assert "Nobody was erased yet" in seen
    assert "Erase them for good" not in seen
    assert (
        client.post(f"{PRIVACY}/erase", {"unit_type": "user", "units": "u1", "sure": "yes"}).status_code
        == 403
    )


def test_retention_is_set_and_said_in_words() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    assert "Raw events are kept for ever, refused ones for 30 days." in Page(client.get(PRIVACY).text).text
    typed = {"event_days": "90", "quarantine_days": "7", "version": "0"}
    answer = Page(client.post(f"{PRIVACY}/retention", typed, follow=True).text).text
    assert "Raw events are kept for 90 days, refused ones for 7 days." in answer
    assert retention_of(scenes.environment_of(shop).id).event_days == 90
    stale = client.post(f"{PRIVACY}/retention", typed)
    assert stale.status_code == 409
    assert "Somebody changed it meanwhile" in Page(stale.text).text
    wrong = client.post(f"{PRIVACY}/retention", {**typed, "version": "1", "event_days": "0"})
    assert "Keep raw events for 1 to 3,650 days" in Page(wrong.text).text


def test_a_project_that_hides_unit_ids_is_made_with_a_tick() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    typed = {"name": "Clinic", "key": "clinic", "unit_types": "user", "is_pseudonymised": "yes"}
    assert client.post("/projects", typed).status_code == 302
    owner = actor_of_user(UUID(shop.owner.author.id))
    assert project_by_key(owner, "clinic").is_pseudonymised
    page = client.get("/p/clinic/production/settings/privacy").text
    assert "Events keep a keyed hash in place of each unit id" in page
