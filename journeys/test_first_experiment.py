"""The main journey, in a browser: plan, launch, let visitors come through the SDK, read the results, kill."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from browsing import Visit, visiting
from playwright.sync_api import Browser, expect
from server_process import Scene, eventually

import equipoise_sdk

pytestmark = pytest.mark.browser
PLACE, KEY = "/p/shop/production", "green-checkout-button"
UNITS, PURCHASE_SHARE = 2_000, {"grey": 0.10, "green": 0.16}


def _plan(visit: Visit) -> None:
    """Walk through the wizard as a product manager would."""
    page = visit.page
    visit.go(f"{PLACE}/experiments/new")
    page.get_by_label("Name").fill("Green checkout button")
    page.get_by_label("Hypothesis").fill(
        "A green button is easier to see, so more visitors finish their purchase."
    )
    page.get_by_role("button", name="Create the draft").click()
    _next(visit, "Randomisation")
    _next(visit, "Variants")
    page.get_by_label("Flag", exact=True).select_option("checkout-button")
    first, second = (page.get_by_role("group", name=f"Variant {place}", exact=True) for place in (1, 2))
    for variant, name, value in ((first, "Grey", "grey"), (second, "Green", "green")):
        variant.get_by_label("Name").fill(name)
        variant.get_by_label("checkout-button").select_option(value)
    _next(visit, "Metrics")
    page.get_by_label("OEC").select_option("purchase")
    guardrail = page.get_by_role("group", name="Guardrail 1", exact=True)
    guardrail.get_by_label("Metric").select_option("page-load")
    guardrail.get_by_label("May get worse by").fill("5")
    page.get_by_label("Revenue").first.check()
    _next(visit, "Size and length")
    page.get_by_label("Smallest lift worth finding").fill("20")
    page.get_by_label("Purchases today").fill("10")
    page.get_by_label("New eligible units a day").fill("1000")
    page.get_by_label("Days").fill("14")
    _next(visit, "Review")


def _next(visit: Visit, title: str) -> None:
    visit.page.get_by_role("button", name="Save and continue").click()
    expect(visit.page.locator("header.head")).to_contain_text(title)


def _let_visitors_come(client: equipoise_sdk.Client) -> None:
    """Visitors meet the button where it is shown, and some of them buy."""
    luck = random.Random(7)
    assert eventually(
        lambda: client.peek("checkout-button", "nothing", {"units": {"user": "u"}}).enrolment is not None
    )
    for number in range(UNITS):
        context = {"units": {"user": f"visitor-{number}"}}
        colour = client.string("checkout-button", "grey", context)
        client.track("page_load", context, value=luck.gauss(400, 80))
        if luck.random() < PURCHASE_SHARE[colour]:
            client.track("purchase", context, value=20.0)
    assert client.flush(timeout_seconds=60)


def _shows(visit: Visit, path: str, text: str) -> bool:
    visit.go(path)
    return text in visit.page.get_by_role("main").inner_text()


def _await_counts(scene: Scene, visit: Visit) -> None:
    """The worker counts everybody; numbers to decide by come only after the first whole day."""
    address = f"{scene.server.url}/api/v1/projects/shop/experiments/{KEY}/report"
    arms: list[dict[str, int]] = []

    def are_all_counted() -> bool:
        answer = httpx.get(address, headers={"Authorization": f"Bearer {scene.token}"})
        arms[:] = answer.json()["arms"] if answer.is_success else []
        return sum(arm["exposed"] for arm in arms) == UNITS

    assert eventually(are_all_counted, within_seconds=90)
    visit.go(f"{PLACE}/experiments/{KEY}/health")
    for arm in arms:
        expect(visit.page.get_by_role("main")).to_contain_text(f"{arm['exposed']:,}")
    visit.go(f"{PLACE}/experiments/{KEY}")
    expect(visit.page.get_by_role("main")).to_contain_text("Too early")


def _kill(visit: Visit) -> None:
    """Two clicks; the second one names the flag and the environment."""
    visit.go(f"{PLACE}/flags/checkout-button")
    visit.page.get_by_role("button", name="Kill", exact=True).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Kill “checkout-button” in Production?")
    dialog.get_by_role("button", name="Kill in Production").click()
    expect(visit.page.get_by_role("status").first).to_contain_text("Killed in Production")


def test_plan_launch_read_and_kill(
    set_scene: Callable[[str], Scene], browser: Browser, tmp_path: Path
) -> None:
    scene = set_scene("shop")
    scene.server.work()
    with visiting(browser, scene.server.url) as visit:
        visit.sign_in("ada@example.com", "long enough to pass")
        _plan(visit)
        visit.page.get_by_role("button", name="Launch in Production").click()
        expect(visit.page.get_by_role("heading", level=1)).to_contain_text("Green checkout button")

        client = equipoise_sdk.connect(
            scene.server.url, scene.sdk_key, poll_interval_seconds=0.2, cache_directory=tmp_path
        )
        _let_visitors_come(client)
        _await_counts(scene, visit)
        _kill(visit)
        someone = {"units": {"user": "u-1"}}
        assert eventually(lambda: client.peek("checkout-button", "nothing", someone).reason == "DISABLED")
        assert client.peek("checkout-button", "nothing", someone).value == "grey"
        client.close()
        assert eventually(lambda: _shows(visit, f"{PLACE}/experiments/{KEY}", "Stopped"))
