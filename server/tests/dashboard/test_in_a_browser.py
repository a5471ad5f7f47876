"""In a real browser: accessible in both themes and widths, and whole without JavaScript."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
import django_htmx
import pytest
import scenes
from django.conf import LazySettings
from people import NOW, PASSWORD
from playwright.sync_api import BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer
from screenshots import CHROMIUM_ARGUMENTS

import equipoise_server.dashboard
from equipoise_server.experiments.actions import CreateHoldout, create_holdout
from equipoise_server.experiments.values import HoldoutScope, Switchback, VerdictState

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
PLACE = "/p/shop/production"
PAGES = (
    "", "/experiments", "/experiments/checkout-button", "/experiments/checkout-button/health",
    "/experiments/draft/edit/audience", "/experiments/draft/edit/variants", "/experiments/draft/edit/metrics",
    "/experiments/draft/edit/plan", "/experiments/draft/edit/review", "/flags", "/flags/checkout-button",
    "/flags/draft/edit", "/flags/new", "/metrics", "/metrics/purchase", "/metrics/new", "/layers",
    "/holdouts", "/holdouts/new", "/holdouts/global", "/experiments/draft/edit/randomisation",
    "/experiments/switching/design",
    "/activity", "/settings", "/import", "/nowhere",
)  # fmt: skip


@pytest.fixture
def shop_at(live_server: LiveServer, settings: LazySettings, tmp_path: Path) -> str:
    """A shop with an experiment, a draft and a flag, served with its static files."""
    room = Path(equipoise_server.dashboard.__file__).parent
    for folder in (room / "static/dashboard", Path(django_htmx.__file__).parent / "static/django_htmx"):
        (tmp_path / folder.name).symlink_to(folder)
    settings.STATIC_ROOT = tmp_path
    shop = scenes.a_shop()
    scenes.found(scenes.a_running_experiment(shop), VerdictState.WITHHELD_SRM)
    scenes.a_draft_experiment(shop, "draft")
    holdout = CreateHoldout("global", "Global", "user", 20_000, HoldoutScope())
    create_holdout(shop.owner, holdout, now=NOW)
    plan = Switchback(regions=("north", "south", "east"), days=14, burn_in_minutes=10)
    switching = scenes.a_design("switching", unit_type="account", planned_days=None, switchback=plan)
    scenes.a_running_experiment(shop, "switching", switching)
    return str(live_server.url)


@contextmanager
def _signed_in(url: str, width: int, theme: str, *, scripts: bool = True) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(f"{url}/sign-in")
        page.get_by_label("E-mail").fill("ada@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile(PLACE))
        page.close()
        yield context
        context.close()
        browser.close()


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_every_page_is_accessible_and_fits(shop_at: str, width: int, theme: str) -> None:
    faults: list[str] = []
    with _signed_in(shop_at, width, theme) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        for path in PAGES:
            page.goto(f"{shop_at}{PLACE}{path}")
            faults += [f"{path}: {fault}" for fault in _violations(context, page)]
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                faults.append(f"{path}: wider than {width} pixels")
    assert faults == []


def _violations(context: BrowserContext, page: Page) -> list[str]:
    """What axe finds. Through the debugger, because the page's policy forbids foreign scripts."""
    debugger = context.new_cdp_session(page)
    debugger.send("Runtime.evaluate", {"expression": AXE})
    told_of = "found.violations.map(fault => [fault.impact, fault.id, fault.nodes[0].html])"
    run = f"axe.run().then(found => JSON.stringify({told_of}))"
    told = debugger.send("Runtime.evaluate", {"expression": run, "awaitPromise": True, "returnByValue": True})
    return [" ".join(map(str, fault)) for fault in json.loads(told["result"]["value"])]


def test_a_flag_is_killed_in_two_clicks_without_javascript(shop_at: str) -> None:
    with _signed_in(shop_at, 1280, "light", scripts=False) as context:
        page = context.new_page()
        page.goto(f"{shop_at}{PLACE}/flags/draft")
        page.get_by_role("button", name="Kill", exact=True).click()
        dialog = page.get_by_role("dialog")
        assert "“draft” in Production" in (dialog.get_by_role("heading").text_content() or "")
        dialog.get_by_role("button", name="Kill in Production").click()
        page.get_by_text("Killed in Production", exact=True).wait_for()


def test_the_power_panel_follows_typing(shop_at: str) -> None:
    with _signed_in(shop_at, 1280, "light") as context:
        page = context.new_page()
        page.goto(f"{shop_at}{PLACE}/experiments/draft/edit/plan")
        before = page.locator("#power").inner_text()
        page.get_by_label("New eligible units a day").fill("200")
        page.wait_for_function("text => document.querySelector('#power').innerText !== text", arg=before)
        assert page.get_by_label("New eligible units a day").evaluate(
            "field => field === document.activeElement"
        )


def test_a_kill_by_keyboard_alone(shop_at: str) -> None:
    with _signed_in(shop_at, 1280, "light") as context:
        page = context.new_page()
        page.goto(f"{shop_at}{PLACE}/flags/draft")
        page.get_by_role("button", name="Kill", exact=True).focus()
        page.keyboard.press("Enter")
        page.get_by_label("Reason (optional)").first.wait_for()
        page.keyboard.press("Escape")
        assert page.get_by_role("dialog").count() == 0


def test_results_print_in_full_and_light_from_a_dark_screen(shop_at: str) -> None:
    with _signed_in(shop_at, 717, "dark") as context:
        page = context.new_page()
        page.emulate_media(media="print", color_scheme="dark")
        page.goto(f"{shop_at}{PLACE}/experiments/checkout-button")
        ink = "getComputedStyle(document.querySelector('h1')).color"
        assert page.evaluate(ink) == "rgb(17, 23, 34)"
        assert page.evaluate("document.querySelector('main').clientWidth") == 717
        assert page.evaluate("document.documentElement.scrollWidth") == 717
        assert page.get_by_role("navigation").count() == 0
