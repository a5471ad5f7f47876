"""What a product manager does, from form to form, without JavaScript."""

from __future__ import annotations

import re

import pytest
import scenes
from dashboard.browsing import PLACE, Page, signed_in
from django.test import Client
from people import a_member

from equipoise_server.access.values import Role
from equipoise_server.experiments import reads as experiments
from equipoise_server.experiments.values import BreachAction, MetricRole, Status, Switchback, VerdictState
from equipoise_server.flags import reads as flags
from equipoise_server.metrics import reads as metrics

pytestmark = pytest.mark.django_db
EXPERIMENT = f"{PLACE}/experiments/green-button"


def _said(client: Client, address: str) -> str:
    return Page(client.get(address).text).text


def test_an_experiment_is_designed_launched_stopped_and_decided() -> None:
    shop = scenes.a_shop()
    scenes.the_metrics(shop)
    scenes.a_button_flag(shop)
    client = signed_in(a_member(shop.owner, shop.project, Role.EXPERIMENTER))
    made = client.post(
        f"{PLACE}/experiments/new",
        {"name": "Green button", "hypothesis": "A green button is easier to see, so more people buy."},
    )
    assert made["Location"] == f"{EXPERIMENT}/edit/audience"
    _design(client)
    review = _said(client, f"{EXPERIMENT}/edit/review")
    assert "Ready to launch in Production" in review
    launched = client.post(f"{EXPERIMENT}/launch", {"version": _draft_version(shop)})
    assert launched["Location"] == EXPERIMENT
    assert "Launched in Production." in _said(client, EXPERIMENT)
    client.post(f"{EXPERIMENT}/stop", {"reason": "It has run long enough."})
    scenes.found(_experiment(shop), VerdictState.INCONCLUSIVE)
    decided = client.post(
        f"{EXPERIMENT}/decide", {"choice": "do_not_ship", "reason": "No difference to see."}
    )
    assert decided["Location"] == EXPERIMENT
    assert _experiment(shop).status is Status.DECIDED
    assert "Not shipped" in _said(client, EXPERIMENT)


def _design(client: Client) -> None:
    """Every step once, as the browser posts it."""
    steps = {
        "audience": {
            "joined_by": "all", "clause.0.attribute": "country", "clause.0.operator": "in",
            "clause.0.value": "DE, AT", "clause.0.is": "is", "share": "50",
            "ramp.0.after": "", "ramp.0.share": "",
        },
        "randomisation": {
            "spillover": "none", "scheme": "units", "unit_type": "user", "layer": "", "slot_share": "100",
            "surface": "",
        },
        "variants": {
            "flag.0": "checkout-button", "control": "0",
            "arm.0.key": "control", "arm.0.name": "Grey", "arm.0.weight": "1",
            "arm.0.values.checkout-button": "grey",
            "arm.1.key": "treatment", "arm.1.name": "Green", "arm.1.weight": "1",
            "arm.1.values.checkout-button": "green",
        },
        "metrics": {
            "oec": "purchase", "guardrail.0.key": "latency", "guardrail.0.margin": "5",
            "guardrail.0.kind": "relative", "guardrail.0.on_breach": "stop",
        },
        "plan": {
            "mde": "5", "confidence": "95", "power": "80", "baseline_percent": "10", "daily_units": "8,000",
            "planned_days": "14",
        },
    }  # fmt: skip
    following = ["randomisation", "variants", "metrics", "plan", "review"]
    for (step, form), after in zip(steps.items(), following, strict=True):
        version = _version_in(client, f"{EXPERIMENT}/edit/{step}")
        answer = client.post(f"{EXPERIMENT}/edit/{step}", {**form, "version": version, "do": "save"})
        assert answer.status_code == 302, answer.text
        assert answer["Location"] == f"{EXPERIMENT}/edit/{after}"


def _version_in(client: Client, address: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', client.get(address).text)
    assert found is not None
    return found[1]


def _experiment(shop: scenes.Shop) -> experiments.Experiment:
    return experiments.experiment_by_key(shop.project.id, "green-button")


def _draft_version(shop: scenes.Shop) -> int:
    draft = _experiment(shop)
    design = draft.design
    assert design.eligibility == {"attribute": "country", "operator": "in", "values": ["DE", "AT"]}
    assert design.audience_parts_per_million == 500_000
    roles = {planned.key: (planned.role, planned.on_breach) for planned in design.metrics}
    assert roles["latency"] == (MetricRole.GUARDRAIL, BreachAction.STOP)
    assert (design.mde_relative, design.baseline, design.daily_units) == (0.05, 0.1, 8000)
    return draft.version


def test_the_review_lists_everything_missing_at_once_with_the_step_to_fix_it() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    client.post(f"{PLACE}/experiments/new", {"name": "Green button"})
    answer = client.get(f"{EXPERIMENT}/edit/review")
    for step in ("hypothesis", "variants", "metrics", "plan"):
        assert f'href="{EXPERIMENT}/edit/{step}"' in answer.text
    assert "things to do before the launch in Production" in Page(answer.text).text


def test_a_form_shows_every_fault_and_keeps_what_was_typed() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    form = {"name": "  ", "key": "No Key", "type": "number", "kind": "ops", "off": "a", "default": "zz",
            "variant.0.key": "a", "variant.0.value": "many", "do": "save"}  # fmt: skip
    answer = client.post(f"{PLACE}/flags/new", form)
    assert answer.status_code == 422
    page = Page(answer.text)
    assert "“many” is no number value." in page.text
    assert 'value="No Key"' in answer.text
    assert any(field.get("aria-invalid") == "true" for field in page.all("input"))


def test_a_lost_update_is_explained_and_the_input_kept() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    client.post(f"{PLACE}/experiments/new", {"name": "Green button"})
    client.post(f"{EXPERIMENT}/edit/hypothesis", {"name": "Mine", "hypothesis": "First.", "version": "1"})
    late = client.post(
        f"{EXPERIMENT}/edit/hypothesis", {"name": "Late", "hypothesis": "Second.", "version": "1"}
    )
    assert late.status_code == 409
    assert "Second." in late.text
    assert _experiment(shop).name == "Mine"


def test_a_flag_is_killed_in_two_clicks_and_turned_back_on() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    address = f"{PLACE}/flags/checkout-button"
    first_click = client.get(address)
    assert "Kill “checkout-button” in Production?" in Page(first_click.text).text
    client.post(f"{address}/kill", {"reason": "Errors in the checkout"})
    assert flags.flag_by_key(shop.project.id, "checkout-button").settings["production"].is_killed
    killed = _said(client, address)
    assert "Killed in Production" in killed
    assert "Errors in the checkout" in killed
    client.post(f"{address}/unkill", {})
    assert not flags.flag_by_key(shop.project.id, "checkout-button").settings["production"].is_killed


def test_without_dialogs_the_kill_is_asked_on_a_page_of_its_own() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    page = Page(signed_in(shop.owner).get(f"{PLACE}/flags/checkout-button/kill").text)
    assert "Kill “checkout-button” in Production?" in page.text


def test_rules_are_written_and_a_share_is_raised() -> None:
    shop = scenes.a_shop()
    scenes.a_button_flag(shop)
    client = signed_in(shop.owner)
    address = f"{PLACE}/flags/checkout-button"
    form = {
        "version": _version_in(client, f"{address}/edit"), "off": "grey", "default": "grey", "do": "save",
        "rule.0.variant": "green", "rule.0.share": "10", "rule.0.unit_type": "user", "rule.0.id": "",
        "rule.0.clause.0.attribute": "country", "rule.0.clause.0.operator": "equals",
        "rule.0.clause.0.value": "DE", "rule.0.clause.0.is": "is",
    }  # fmt: skip
    assert client.post(f"{address}/edit", form).status_code == 302
    rule = flags.flag_by_key(shop.project.id, "checkout-button").settings["production"].rules[0]
    assert rule.rollout is not None
    assert rule.rollout.parts_per_million == 100_000
    version = _version_in(client, f"{address}/edit")
    client.post(f"{address}/share", {"rule": rule.id, "share": "25", "version": version})
    assert "25 %" in _said(client, address)


def test_a_pinned_flag_says_which_experiment_holds_it() -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    said = _said(signed_in(shop.owner), f"{PLACE}/flags/checkout-button")
    assert "Held still by checkout-button" in said
    assert "Edit rules" not in said


def test_a_unit_is_explained_step_by_step() -> None:
    shop = scenes.a_shop()
    scenes.a_running_experiment(shop)
    query = "?unit_type=user&unit=u-1&attributes=country+%3D+DE"
    said = _said(signed_in(shop.owner), f"{PLACE}/flags/checkout-button{query}")
    assert "Is it in the experiment checkout-button?" in said
    assert "u-1 gets" in said


def test_a_key_is_shown_once() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    issued = client.post(f"{PLACE}/settings/keys", {"name": "Shop back end", "kind": "server"})
    secret = re.search(r"eq_server_[0-9a-f]{12}_[0-9a-f]{64}", issued.text)
    assert secret is not None
    assert issued["Cache-Control"] == "no-store"
    assert secret[0] not in client.get(f"{PLACE}/settings").text
    found = re.search(r'name="key" value="([0-9a-f-]{36})"', client.get(f"{PLACE}/settings").text)
    assert found is not None
    client.post(f"{PLACE}/settings/revoke", {"key": found[1]})
    assert "Revoked" in _said(client, f"{PLACE}/settings")


def test_a_metric_is_defined_and_revised() -> None:
    shop = scenes.a_shop()
    client = signed_in(shop.owner)
    form = {
        "name": "Revenue",
        "key": "revenue",
        "kind": "sum",
        "event": "purchase",
        "direction": "increase",
        "tier": "L1",
        "window_days": "7",
        "cap": "300",
        "display": "€",
        "minimum_units": "100",
    }
    assert client.post(f"{PLACE}/metrics/new", form)["Location"] == f"{PLACE}/metrics/revenue"
    said = _said(client, f"{PLACE}/metrics/revenue")
    assert "Total value of “purchase” per unit within 7 days of the first exposure, capped at 300." in said
    again = {**form, "cap": "500", "edition": "1"}
    assert client.post(f"{PLACE}/metrics/revenue/edit", again).status_code == 302
    assert metrics.metric_by_key(shop.project.id, "revenue").version == 2


def test_a_ship_is_refused_with_every_reason() -> None:
    shop = scenes.a_shop()
    stopped = scenes.a_stopped_experiment(shop)
    scenes.found(stopped, VerdictState.GUARDRAIL_UNCLEAR, "The guardrail latency is not proven safe.")
    client = signed_in(shop.owner)
    address = f"{PLACE}/experiments/checkout-button/decide"
    page = Page(client.get(address).text)
    assert "The guardrail latency is not proven safe." in page.text
    ship = next(field for field in page.all("input") if field.get("value") == "ship:treatment")
    assert "disabled" in ship
    refused = client.post(address, {"choice": "ship:treatment", "reason": "I want it anyway, please."})
    assert refused.status_code == 409


def test_a_restart_is_a_new_run_and_the_old_one_stays_readable() -> None:
    shop = scenes.a_shop()
    running = scenes.a_running_experiment(shop)
    client = signed_in(shop.owner)
    address = f"{PLACE}/experiments/checkout-button"
    client.post(f"{address}/restart", {"version": running.version, "reason": "The tracking bug is fixed."})
    said = _said(client, address)
    assert "run 2 of 2" in said
    assert "Run 1" in said
    assert client.get(f"{address}?run=1").status_code == 200


def test_the_power_panel_follows_what_is_typed_without_saving() -> None:
    shop = scenes.a_shop()
    scenes.a_draft_experiment(shop)
    client = signed_in(shop.owner)
    address = f"{PLACE}/experiments/checkout-button/power"
    query = "?mde=5&confidence=95&power=80&baseline_percent=10&daily_units=2000&planned_days=14"
    panel = Page(client.get(f"{address}{query}").text)
    assert "Units per variant" in panel.text
    assert any(svg.get("role") == "img" for svg in panel.all("svg"))
    assert "Fill in" in Page(client.get(f"{address}?mde=5&baseline_percent=10").text).text


def test_the_power_of_a_switchback_is_read_from_its_regions_past() -> None:
    shop = scenes.a_shop()
    plan = Switchback(("east", "north", "south", "west"), days=14)
    scenes.a_draft_experiment(shop, design=scenes.a_design(switchback=plan, planned_days=None))
    client = signed_in(shop.owner)
    address = f"{PLACE}/experiments/checkout-button/power"
    said = Page(client.get(f"{address}?mde=5&confidence=95&power=80").text).text
    assert "What a switchback can find is read from its regions' past" in said
    assert "no “purchase” of the last 28 days came from “east”" in said
    assert "Units per variant" not in said


def test_a_switchback_is_not_asked_what_its_schedule_says() -> None:
    shop = scenes.a_shop()
    plan = Switchback(("east", "north", "south", "west"), days=14)
    design = scenes.a_design(switchback=plan, planned_days=None, strata="platform")
    draft = scenes.a_draft_experiment(shop, design=design)
    client = signed_in(shop.owner)
    address = f"{PLACE}/experiments/checkout-button/edit/plan"
    said = Page(client.get(address).text).text
    assert "14 days, by its schedule" in said
    assert "How will it end?" not in said
    typed = {
        "version": draft.version,
        "mde": "4",
        "confidence": "90",
        "power": "80",
        "baseline_percent": "10",
    }
    assert client.post(address, typed).status_code == 302
    kept = experiments.experiment_by_key(shop.project.id, "checkout-button").design
    assert (kept.mde_relative, kept.planned_days, kept.strata, kept.switchback) == (
        0.04,
        None,
        "platform",
        plan,
    )


def test_a_past_experiment_without_a_file_is_refused_with_every_fault() -> None:
    answer = signed_in(scenes.a_shop().owner).post(f"{PLACE}/import", {"mapping": ""})
    assert answer.status_code == 422
    said = Page(answer.text).text
    assert "Choose a file" in said
    assert "Say what the columns mean" in said


def test_the_theme_is_kept_without_a_script() -> None:
    client = signed_in(scenes.a_shop().owner)
    client.post("/theme", {"theme": "dark", "back": PLACE})
    assert 'data-theme="dark"' in client.get(PLACE).text
