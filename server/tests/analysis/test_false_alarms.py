"""A lock ends as a false alarm only when as many units again came in balance, and two people sign."""

from __future__ import annotations

from datetime import timedelta

import pytest
from locked_split import a_locked_experiment, came, refreshed
from people import NOW, a_member
from scenes import Shop, a_design, a_running_experiment, a_shop

from equipoise_server.access.values import Actor, Role
from equipoise_server.analysis import models
from equipoise_server.analysis.actions import SignFalseAlarm, sign_false_alarm
from equipoise_server.analysis.values import SrmState
from equipoise_server.audit.values import Author
from equipoise_server.experiments.values import Experiment
from equipoise_server.foundation.refusals import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0) + DAY
REASON = "A replay of the assignment equals every exposure."


@pytest.fixture
def shop() -> Shop:
    return a_shop()


@pytest.fixture
def colleague(shop: Shop) -> Actor:
    return a_member(shop.owner, shop.project, Role.EXPERIMENTER)


@pytest.fixture
def experiment(shop: Shop) -> Experiment:
    return a_locked_experiment(shop)


def sign(actor: Actor, experiment: Experiment, reason: str = REASON, *, day: int = 4) -> int:
    command = SignFalseAlarm(experiment.id, reason)
    return len(sign_false_alarm(actor, command, now=MIDNIGHT + (day - 1) * DAY + timedelta(hours=2)))


def test_two_people_end_a_lock_after_which_units_came_in_balance(
    shop: Shop, colleague: Actor, experiment: Experiment
) -> None:
    came(experiment, 2, 470, 465)
    locked = refreshed(experiment, 3)
    assert locked.srm.state is SrmState.LOCKED
    assert locked.srm.afterwards is not None
    assert (locked.srm.afterwards.units, locked.srm.afterwards.needed) == (935, 922)
    assert sign(shop.owner, experiment) == 1
    still = refreshed(experiment, 4)
    assert still.results is None
    assert [one.name for one in still.srm.signatures] == [shop.owner.author.name]
    assert sign(colleague, experiment) == 2
    cleared = refreshed(experiment, 5)
    assert cleared.srm.state is SrmState.PASS
    assert cleared.results is not None
    (note,) = [note for note in cleared.notes if note.key == "false_alarm"]
    assert REASON in note.message


def test_a_split_that_breaks_again_is_locked_again_and_needs_new_signatures(
    shop: Shop, colleague: Actor, experiment: Experiment
) -> None:
    came(experiment, 2, 470, 465)
    refreshed(experiment, 3)
    sign(shop.owner, experiment)
    sign(colleague, experiment)
    came(experiment, 4, 400, 900)
    again = refreshed(experiment, 5)
    assert again.srm.state is SrmState.LOCKED
    assert again.results is None
    assert again.srm.signatures == ()
    assert not models.Look.objects.exists()
    with pytest.raises(Conflict, match="It takes"):
        sign(shop.owner, experiment, day=5)


def test_units_that_go_on_out_of_balance_are_no_false_alarm(shop: Shop, experiment: Experiment) -> None:
    with pytest.raises(Conflict, match="It takes 922"):
        sign(shop.owner, experiment)
    came(experiment, 2, 400, 560)
    refreshed(experiment, 3)
    with pytest.raises(Conflict, match="does not speak for the plan either"):
        sign(shop.owner, experiment)


def test_units_that_stand_out_are_no_chance(shop: Shop, experiment: Experiment) -> None:
    came(experiment, 2, 30, 200, platform="android")
    came(experiment, 3, 600, 430, platform="ios")
    report = refreshed(experiment, 4)
    assert report.srm.afterwards is not None
    assert report.srm.afterwards.is_balanced
    assert {one.value for one in report.srm.afterwards.suspects} == {"android", "ios"}
    with pytest.raises(Conflict, match=r"“android”.*Mend it"):
        sign(shop.owner, experiment)


def test_nobody_signs_twice_or_for_a_machine_or_without_leave_or_reason(
    shop: Shop, colleague: Actor, experiment: Experiment
) -> None:
    came(experiment, 2, 470, 465)
    refreshed(experiment, 3)
    assert sign(shop.owner, experiment) == 1
    with pytest.raises(Conflict, match="signed this lock already"):
        sign(shop.owner, experiment)
    machine = Actor(Author("automation", "ramps", "ramps"), colleague.permissions)
    with pytest.raises(Forbidden, match="A person signs"):
        sign(machine, experiment)
    viewer = a_member(shop.owner, shop.project, Role.VIEWER)
    with pytest.raises(Forbidden, match=r"experiment\.decide"):
        sign(viewer, experiment)
    with pytest.raises(Invalid, match="Say why"):
        sign(colleague, experiment, "fine")
    assert models.SplitSignature.objects.count() == 1


def test_a_lock_that_nobody_has_read_of_is_not_signed(shop: Shop, experiment: Experiment) -> None:
    came(experiment, 2, 470, 465)
    refreshed(experiment, 3)
    models.SplitWatch.objects.update(confirmed_at=MIDNIGHT + 3 * DAY)
    with pytest.raises(Conflict, match="locked anew"):
        sign(shop.owner, experiment)
    assert not models.SplitSignature.objects.exists()


def test_a_split_that_is_fine_has_nothing_to_sign(shop: Shop) -> None:
    made = a_running_experiment(shop, design=a_design(looks=None))
    came(made, 0, 50, 50)
    refreshed(made, 1)
    with pytest.raises(Conflict, match="not locked"):
        sign(shop.owner, made)
