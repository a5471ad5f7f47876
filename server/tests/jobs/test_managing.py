"""Jobs as people manage them: over the API; who may, what is refused, what is recorded."""

from __future__ import annotations

import pytest
from calling import caller
from django.utils import timezone
from people import a_member
from scenes import Shop, a_running_experiment, a_shop

from equipoise_server.access.values import Role
from equipoise_server.analysis.freshness_values import REFRESH
from equipoise_server.analysis.renewing import make_due
from equipoise_server.audit import reads as audit
from equipoise_server.foundation import due_work, worker_beats
from equipoise_server.foundation.due_work import WorkDetails
from equipoise_server.foundation.models import DueWork

pytestmark = pytest.mark.django_db
JOBS = "/projects/shop/jobs"


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def refresh(shop: Shop) -> DueWork:
    """The refresh of an experiment, on the table."""
    iteration = a_running_experiment(shop).iteration
    assert iteration is not None
    make_due(iteration, now=timezone.now())
    return DueWork.objects.get(kind=REFRESH)


def leased() -> due_work.Work:
    work = due_work.claim("one", now=timezone.now(), kinds=frozenset([REFRESH]))
    assert work is not None
    return work


def given_up(row: DueWork) -> None:
    """Fail it until nobody tries any more."""
    DueWork.objects.filter(pk=row.pk).update(attempts=due_work.MOST_ATTEMPTS - 1)
    due_work.give_back(leased(), error="The disk is full.", now=timezone.now())


def test_a_job_tells_what_it_is_about_and_what_may_be_done(shop: Shop, refresh: DueWork) -> None:
    asked = caller(shop.owner)
    listed = asked.get(JOBS).json["items"]
    assert isinstance(listed, list)
    shown = next(one for one in listed if one["id"] == refresh.pk)
    assert (shown["title"], shown["label"]) == ("Refresh of a report", "checkout-button")
    assert (shown["state"], shown["can_cancel"], shown["can_retry"]) == ("queued", True, False)
    assert asked.get(f"{JOBS}/{refresh.pk}").json == shown
    assert asked.get(f"{JOBS}?state=failed").json["items"] == []


def test_a_queued_job_is_cancelled_at_once_and_the_audit_knows_it(shop: Shop, refresh: DueWork) -> None:
    answer = caller(shop.owner).post(f"{JOBS}/{refresh.pk}/cancel", {"reason": "too much load"})
    assert answer.json["state"] == "cancelled"
    (entry,) = audit.of_project(shop.project.id, limit=1)
    assert (entry.action, entry.reason) == ("job.cancel", "too much load")


def test_a_running_job_is_asked_to_stop(shop: Shop, refresh: DueWork) -> None:
    work = leased()
    answer = caller(shop.owner).post(f"{JOBS}/{refresh.pk}/cancel", {})
    assert (answer.json["state"], answer.json["is_stopping"]) == ("running", True)
    assert due_work.is_cancel_asked(work)


def test_a_job_whose_worker_died_waits_again(shop: Shop, refresh: DueWork) -> None:
    leased()
    DueWork.objects.update(leased_until=timezone.now() - due_work.LEASE)
    assert caller(shop.owner).get(f"{JOBS}/{refresh.pk}").json["state"] == "queued"


def test_a_job_that_was_given_up_is_tried_again_with_all_its_attempts(shop: Shop, refresh: DueWork) -> None:
    given_up(refresh)
    asked = caller(shop.owner)
    shown = asked.get(f"{JOBS}?state=failed").json["items"]
    assert isinstance(shown, list)
    assert shown[0]["problems"] == [{"field": "", "message": "The disk is full."}]
    again = asked.post(f"{JOBS}/{refresh.pk}/retry", {}).json
    assert (again["state"], again["attempts"]) == ("queued", 0)
    assert asked.get(f"{JOBS}?state=failed").json["items"] == []


def test_what_makes_no_sense_is_refused_with_the_way_out(shop: Shop, refresh: DueWork) -> None:
    asked = caller(shop.owner)
    assert asked.post(f"{JOBS}/{refresh.pk}/retry", {}).status == 409
    due_work.schedule(
        "flag.ramp", "r", due_at=timezone.now(), details=WorkDetails(shop.project.id, "checkout-button")
    )
    ramp = DueWork.objects.get(kind="flag.ramp")
    refused = asked.post(f"{JOBS}/{ramp.pk}/cancel", {})
    assert refused.status == 409
    assert "Pause" in refused.text
    due_work.finish(leased(), now=timezone.now())
    assert asked.post(f"{JOBS}/{refresh.pk}/cancel", {}).status == 409


@pytest.mark.parametrize("job", ["0", "nothing", "9" * 30])
def test_a_job_that_is_not_there_is_not_found(job: str, shop: Shop) -> None:
    assert caller(shop.owner).get(f"{JOBS}/{job}").status == 404
    assert caller(shop.owner).post(f"{JOBS}/{job}/cancel", {}).status == 404


def test_other_projects_jobs_are_not_told(shop: Shop, refresh: DueWork) -> None:
    other = a_shop("bakery", "bea@example.com")
    assert caller(other.owner).get(f"/projects/bakery/jobs/{refresh.pk}").status == 404
    assert caller(other.owner).post(f"/projects/bakery/jobs/{refresh.pk}/cancel", {}).status == 404


def test_viewers_see_jobs_and_may_not_touch_them(shop: Shop, refresh: DueWork) -> None:
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    assert caller(viewer).get(f"{JOBS}/{refresh.pk}").status == 200
    for path in (f"{JOBS}/{refresh.pk}/cancel", "/projects/shop/experiments/checkout-button/refresh"):
        assert caller(viewer).post(path, {}).status == 403


def test_the_installations_jobs_are_managed_by_those_who_make_projects(shop: Shop) -> None:
    due_work.schedule("analysis.audit_state", "x", due_at=timezone.now())
    job = DueWork.objects.get()
    engineer = a_member(shop.owner, shop.project, Role.ENGINEER)
    assert caller(engineer).post(f"{JOBS}/{job.pk}/cancel", {}).status == 403
    assert caller(shop.owner).post(f"{JOBS}/{job.pk}/cancel", {}).status == 200


def test_a_refresh_that_is_asked_for_goes_first_whatever_failed_before(shop: Shop, refresh: DueWork) -> None:
    given_up(refresh)
    asked = caller(shop.owner).post("/projects/shop/experiments/checkout-button/refresh", {"reason": "now"})
    assert (asked.status, asked.json["state"], asked.json["attempts"]) == (200, "queued", 0)
    assert leased().id == asked.json["id"]


def test_the_api_says_whether_a_worker_lives(shop: Shop) -> None:
    assert caller(shop.owner).get("/projects/shop/worker").json["is_down"] is True
    now = timezone.now()
    worker_beats.beat("one", started_at=now, now=now)
    worker_beats.beat("two", started_at=now, now=now)
    assert caller(shop.owner).get("/projects/shop/worker").json["alive"] == 2
    worker_beats.rest("one", now=now)
    worker_beats.rest("two", now=now)
    assert caller(shop.owner).get("/projects/shop/worker").json["is_down"] is True
