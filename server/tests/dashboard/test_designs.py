"""Pages of designs beyond the plain split: the wizard's randomisation, previews, ramps, layers, holdouts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from django.test import Client
from people import NOW, a_member

from equipoise_server.access.values import Role
from equipoise_server.dashboard.pages.advice import advice_for
from equipoise_server.dashboard.pages.randomisation_forms import Scheme
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.actions import CreateHoldout, Stop, create_holdout, stop
from equipoise_server.experiments.values import (
    GateStep,
    HoldoutScope,
    Spillover,
    StopCause,
    Switchback,
)
from equipoise_server.flags.actions import (
    CreateGroup,
    KillEnvironment,
    KillFlag,
    KillGroup,
    create_group,
    kill_environment,
    kill_flag,
    kill_group,
    unkill_flag,
)
from equipoise_server.flags.reads import flag_by_key
from equipoise_server.snapshots import reads as snapshots

pytestmark = pytest.mark.django_db
BUTTON = f"{PLACE}/experiments/checkout-button"
RAMP = (GateStep(24, 100_000), GateStep(48, 1_000_000))
REGIONS = ("north", "south", "east", "west")


@pytest.fixture
def shop() -> scenes.Shop:
    return scenes.a_shop()


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return Page(answer.text).text


def posted(client: Client, address: str, **form: object) -> Page:
    answer = client.post(address, form, follow=True)
    return Page(answer.text)


def draft_of(shop: scenes.Shop) -> experiments.Experiment:
    return experiments.experiment_by_key(shop.project.id, "checkout-button")


def test_the_wizard_plans_a_switchback(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    client = signed_in(shop.owner)
    answer = client.post(
        f"{BUTTON}/edit/randomisation",
        {
            "version": "1", "do": "save", "spillover": "supply", "scheme": "switchback",
            "unit_type": "account", "regions": "north\n south \n\neast\nwest", "window_minutes": "60",
            "days": "14", "burn_in_minutes": "10", "pairing": "weeks", "starts_at": "2036-03-02T06:00",
            "layer": "", "slot_share": "100", "surface": "checkout", "only_differing": "yes",
        },
    )  # fmt: skip
    assert answer["Location"] == f"{BUTTON}/edit/variants"
    design = draft_of(shop).design
    assert design.switchback is not None
    assert set(design.switchback.regions) == set(REGIONS)
    assert (design.spillover, design.surface, design.only_differing) == (Spillover.SUPPLY, "checkout", True)
    page = client.get(f"{BUTTON}/edit/randomisation").text
    assert 'value="2036-03-02T06:00"' in page
    assert "Ready to launch" in text(client, f"{BUTTON}/edit/review")


def test_a_scheme_that_was_left_takes_its_fields_along(shop: scenes.Shop) -> None:
    clustered = scenes.a_design(cluster_type="account", cluster_count=50)
    scenes.a_draft_experiment(shop, design=clustered)
    form = {"version": "1", "do": "save", "scheme": "units", "unit_type": "user", "slot_share": "100",
            "cluster_type": "account", "cluster_count": "50"}  # fmt: skip
    signed_in(shop.owner).post(f"{BUTTON}/edit/randomisation", form)
    assert (draft_of(shop).design.cluster_type, draft_of(shop).design.cluster_count) == ("", None)


def test_what_cannot_be_read_is_said_beside_the_field(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    form = {"version": "1", "do": "save", "scheme": "switchback", "starts_at": "soon", "days": "many"}
    answer = signed_in(shop.owner).post(f"{BUTTON}/edit/randomisation", form)
    assert answer.status_code == 422
    assert "such as 2026-03-02T06:00" in answer.text
    assert "must be a whole number" in answer.text


def test_the_advisor_names_a_design_and_its_price() -> None:
    plain = scenes.a_design(cluster_count=100)
    assert advice_for(plain, 14).options == ()
    supply = advice_for(replace(plain, spillover=Spillover.SUPPLY), 14)
    assert [option.scheme for option in supply.options if option.is_proposed] == [Scheme.SWITCHBACK]
    assert plainly(supply.options[0].costs).startswith("28 days, its whole schedule")
    social = advice_for(replace(plain, spillover=Spillover.SOCIAL), 14)
    assert social.options[0].scheme is Scheme.CLUSTERS
    # 2,000 units a day for 14 days in 100 clusters: 280 each, so 1 + 279 · 0.05 = 14.95 times 14 days.
    assert plainly(social.options[0].costs).startswith("210 days instead of 14 days")
    unknown = advice_for(replace(plain, spillover=Spillover.SOCIAL, cluster_count=None), None)
    assert "not known" in unknown.options[0].costs


def plainly(said: str) -> str:
    return said.replace("\u00a0", " ")


def test_a_ramp_is_planned_in_days_and_percent(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    form = {"version": "1", "do": "save", "share": "1", "ramp.0.after": "1", "ramp.0.share": "10",
            "ramp.1.after": "2.5", "ramp.1.share": "100", "ramp.2.after": "", "ramp.2.share": ""}  # fmt: skip
    client = signed_in(shop.owner)
    client.post(f"{BUTTON}/edit/audience", form)
    assert draft_of(shop).design.ramp == (GateStep(24, 100_000), GateStep(60, 1_000_000))
    assert 'name="ramp.2.after"' in client.get(f"{BUTTON}/edit/audience").text


def test_a_running_ramp_is_paused_and_resumed_on_its_page(shop: scenes.Shop) -> None:
    design = scenes.a_design(audience_parts_per_million=10_000, ramp=RAMP)
    scenes.a_running_experiment(shop, design=design)
    client = signed_in(shop.owner)
    assert f"{BUTTON}/pause" in Page(client.get(f"{BUTTON}/design").text).posts()
    assert "The ramp is paused" in posted(client, f"{BUTTON}/pause", reason="errors").text
    page = Page(client.get(f"{BUTTON}/design").text)
    assert "Paused since" in page.text
    assert f"{BUTTON}/resume" in page.posts()
    assert "The ramp goes on" in posted(client, f"{BUTTON}/resume").text
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert f"{BUTTON}/pause" not in Page(viewer.get(f"{BUTTON}/design").text).posts()


def test_a_switchback_shows_its_schedule_and_its_balance(shop: scenes.Shop) -> None:
    plan = Switchback(regions=REGIONS, days=14)
    design = scenes.a_design(unit_type="account", planned_days=None, switchback=plan)
    scenes.a_running_experiment(shop, design=design)
    said = text(signed_in(shop.owner), f"{BUTTON}/design")
    assert "once, when its schedule has ended" in said
    assert "4 regions, 168 windows each" in said
    assert "In every hour of the week the treatment has 50 % of all windows." in said
    assert "14 days, by its schedule" in said


def test_the_review_shows_who_would_get_what_and_what_is_held_back(shop: scenes.Shop) -> None:
    create_holdout(shop.owner, CreateHoldout("global", "Global", "user", 50_000, HoldoutScope()), now=NOW)
    scenes.a_draft_experiment(shop)
    said = text(signed_in(shop.owner), f"{BUTTON}/edit/review")
    assert "Of 5,000 made-up eligible users" in said
    assert "Kept on the baseline by a holdout" in said
    assert "will cover checkout-button" in said


def test_one_unit_of_a_draft_is_explained_step_by_step(shop: scenes.Shop) -> None:
    german = {"attribute": "country", "operator": "equals", "value": "DE"}
    scenes.a_draft_experiment(shop, design=scenes.a_design(eligibility=german))
    client = signed_in(shop.owner)
    for country, told in (("FR", "Not eligible"), ("DE", "Takes part")):
        asked = f"{BUTTON}/edit/review?unit=u-1&attributes={quote(f'country = {country}')}"
        assert told in text(client, asked)


def test_a_draft_that_lacks_variants_says_so_where_the_preview_would_be(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop, design=scenes.a_design(arms=()))
    assert "Not yet:" in text(signed_in(shop.owner), f"{BUTTON}/edit/review")


def test_the_size_of_an_audience_that_nobody_knows_has_a_reason(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    client = signed_in(shop.owner)
    assert "Not known" not in text(client, f"{BUTTON}/edit/audience")
    told = "Not known: no user was exposed to anything"
    assert told in text(client, f"{BUTTON}/audience?share=50")
    asked = client.post(f"{BUTTON}/edit/audience", {"version": "1", "do": "estimate", "share": "50"})
    assert told in Page(asked.text).text


def test_a_killed_flag_shows_on_the_experiments_page(shop: scenes.Shop) -> None:
    running = scenes.a_running_experiment(shop)
    flag = flag_by_key(shop.project.id, "checkout-button")
    command = KillFlag(flag.id, scenes.environment_of(shop).id)
    kill_flag(shop.owner, command, now=NOW)
    client = signed_in(shop.owner)
    assert "Killed in Production: the flag checkout-button." in text(client, BUTTON)
    stop(shop.owner, Stop(running.id, "killed", StopCause.KILL), now=NOW)
    unkill_flag(shop.owner, command, now=NOW)
    assert "A kill ended this run" in text(client, BUTTON)
    scenes.found(draft_of(shop))
    assert "A kill ended this run" in text(client, f"{BUTTON}/decide")


def test_a_killed_group_or_environment_shows_there_too_and_forbids_to_ship(shop: scenes.Shop) -> None:
    scenes.found(scenes.a_stopped_experiment(shop))
    members = frozenset(["checkout-button"])
    group = create_group(shop.owner, CreateGroup(shop.project.id, "checkout", "Checkout", members), now=NOW)
    environment_id = scenes.environment_of(shop).id
    kill_group(shop.owner, KillGroup(group.id, environment_id), now=NOW)
    kill_environment(shop.owner, KillEnvironment(environment_id), now=NOW)
    client = signed_in(shop.owner)
    assert "Killed in Production: the environment production, the group checkout." in text(client, BUTTON)
    said = text(client, f"{BUTTON}/decide")
    assert "The environment “production” is killed" in said
    assert "The group “checkout” of “checkout-button” is killed" in said
    design = scenes.a_design("checkout-button")
    again = scenes.a_draft_experiment(shop, "again", design, flag="checkout-button")
    checks = experiments.launch_checks(again, scenes.environment_of(shop), NOW)
    assert any("The group “checkout”" in check.message for check in checks)


def test_layers_are_made_nested_and_drawn(shop: scenes.Shop) -> None:
    client = signed_in(shop.owner)
    layers = f"{PLACE}/layers"
    assert "The layer Checkout is made" in posted(client, layers, name="Checkout", unit_type="user").text
    inner = {"name": "Inner", "unit_type": "user", "place": "inside:checkout", "share": "25"}
    assert "nested in 25 % of checkout" in posted(client, layers, **inner).text
    beside = {"name": "Beside", "unit_type": "user", "place": "beside:checkout:inner", "is_launch": "yes"}
    assert "launch layer" in posted(client, layers, **beside).text
    refused = client.post(layers, {"name": "Inner", "share": "lots"})
    assert refused.status_code == 422
    scenes.a_running_experiment(shop, design=scenes.a_design(layer="inner", slot_share=0.5))
    said = text(client, layers)
    assert "Calendar" in said
    assert "as planned" in said
    viewer = signed_in(a_member(shop.owner, shop.project, Role.VIEWER))
    assert layers not in Page(viewer.get(layers).text).posts()


def test_a_holdout_is_opened_looked_into_and_closed(shop: scenes.Shop) -> None:
    client = signed_in(shop.owner)
    form = {"name": "Global", "share": "5", "unit_type": "user", "months": "6", "scope": "project",
            "environments": "production", "flags": ""}  # fmt: skip
    assert "It covers what starts from now on." in posted(client, f"{PLACE}/holdouts/new", **form).text
    page = f"{PLACE}/holdouts/global"
    scenes.a_running_experiment(shop)
    assert "checkout-button" in text(client, page)
    assert "Its users keep grey until its season ends" in text(client, f"{PLACE}/flags/checkout-button")
    unit = held_unit(shop)
    found = text(client, f"{page}?unit={unit}")
    assert f"{unit} is held out." in found
    chosen = {"unit": unit, "variant.checkout-button": "green", "reason": "ticket"}
    assert "is released" in posted(client, f"{page}/release", **chosen).text
    assert "is not held back" in text(client, f"{page}?unit={unit}")
    assert "A new season is open" in posted(client, f"{page}/seasons", version="1", months="6").text
    assert "meanwhile" in posted(client, f"{page}/seasons", version="1", months="6").text
    assert "covers nothing in Production" in text(client, f"{page}?unit={unit}")
    assert "Closed." in posted(client, f"{page}/close").text
    assert "closed" in text(client, f"{PLACE}/holdouts")
    refused = client.post(f"{PLACE}/holdouts/new", {**form, "share": "50"})
    assert refused.status_code == 422


def held_unit(shop: scenes.Shop) -> str:
    snapshot = snapshots.preview(scenes.environment_of(shop).id)
    units = (f"unit-{number}" for number in range(1_000))
    return next(
        unit
        for unit in units
        if snapshot.evaluate("checkout-button", {"units": {"user": unit}}, None).metadata["step"] == "holdout"
    )


def test_a_lost_update_offers_the_other_version(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    answer = signed_in(shop.owner).post(
        f"{BUTTON}/edit/hypothesis", {"version": "7", "do": "save", "name": "B", "hypothesis": "x"}
    )
    assert answer.status_code == 409
    assert "Load their version" in answer.text


def test_home_names_paused_ramps_and_seasons_that_are_over(shop: scenes.Shop) -> None:
    long_ago = NOW - timedelta(days=3 * 366)
    command = CreateHoldout("global", "Global", "user", 50_000, HoldoutScope())
    create_holdout(shop.owner, command, now=long_ago)
    scenes.a_running_experiment(
        shop, design=scenes.a_design(audience_parts_per_million=10_000, ramp=RAMP, planned_days=None)
    )
    client = signed_in(shop.owner)
    posted(client, f"{BUTTON}/pause")
    said = text(client, PLACE)
    assert "Ramp paused" in said
    assert "The season is over: Global" in said


def test_the_wizard_sets_several_flags_by_a_matrix_of_variants(shop: scenes.Shop) -> None:
    scenes.a_draft_experiment(shop)
    scenes.a_button_flag(shop, "banner")
    client = signed_in(shop.owner)
    form = {
        "version": "1", "flag.0": "checkout-button", "flag.1": "banner", "control": "0",
        "arm.0.key": "control", "arm.0.name": "Grey", "arm.0.weight": "1",
        "arm.0.values.checkout-button": "grey", "arm.0.values.banner": "grey",
        "arm.1.key": "treatment", "arm.1.name": "Green", "arm.1.weight": "1",
        "arm.1.values.checkout-button": "green",
    }  # fmt: skip
    page = client.post(f"{BUTTON}/edit/variants", {**form, "do": "refresh"}).text
    assert 'name="arm.1.values.banner"' in page
    assert 'name="flag.2"' in page
    saved = {**form, "arm.1.values.banner": "green", "do": "save"}
    assert client.post(f"{BUTTON}/edit/variants", saved).status_code == 302
    assert [dict(arm.values) for arm in draft_of(shop).design.arms] == [
        {"checkout-button": "grey", "banner": "grey"},
        {"checkout-button": "green", "banner": "green"},
    ]
    assert "Ready to launch" in text(client, f"{BUTTON}/edit/review")
    missing = {**form, "version": "2", "do": "save"}
    assert client.post(f"{BUTTON}/edit/variants", missing).status_code == 302
    assert "does not say what “banner” serves" in text(client, f"{BUTTON}/edit/review")
