"""The demo as a newcomer meets it: what the README promises, on pages that everybody can use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browsing import Visit, visiting
from playwright.sync_api import Browser, expect
from server_process import eventually

pytestmark = pytest.mark.browser
PLACE, API = "/p/shop/production", "/api/v1/projects/shop/experiments"
PASSWORD = "equipoise-demo"
PAGES = (
    "",
    "/experiments",
    "/experiments/new",
    "/experiments/checkout-button",
    "/experiments/checkout-button/health",
    "/experiments/checkout-button/design",
    "/experiments/one-page-checkout",
    "/experiments/search-ranking",
    "/experiments/courier-batching",
    "/experiments/product-photos",
    "/experiments/express-pay/edit/variants",
    "/experiments/express-pay/edit/plan",
    "/experiments/express-pay/edit/review",
    "/flags",
    "/flags/gift-wrapping",
    "/metrics",
    "/metrics/purchase",
    "/layers",
    "/holdouts/spared",
    "/activity",
    "/settings",
)


@pytest.fixture
def pat(browser: Browser, demo: str) -> Iterator[Visit]:
    """The product manager, signed in."""
    with visiting(browser, demo) as visit:
        visit.sign_in("pat@example.com", PASSWORD)
        yield visit


def _read(visit: Visit, path: str) -> dict[str, object]:
    """What the API answers to the person's session."""
    answer: dict[str, object] = visit.page.request.get(visit.url + API + path).json()
    return answer


def _report(visit: Visit, experiment: str) -> dict[str, object]:
    return _read(visit, f"/{experiment}/report")


def _exposed(visit: Visit, experiment: str) -> dict[str, int]:
    arms = _report(visit, experiment)["arms"]
    assert isinstance(arms, list)
    return {arm["arm"]: arm["exposed"] for arm in arms}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_main_pages_are_accessible(browser: Browser, demo: str, width: int, theme: str) -> None:
    with visiting(browser, demo, width=width, theme=theme) as visit:
        visit.go("/sign-in")
        faults = {"/sign-in": visit.accessibility_faults()}
        visit.sign_in("ada@example.com", PASSWORD)
        for page in PAGES:
            visit.go(PLACE + page)
            faults[page] = visit.accessibility_faults()
            is_wider = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            if visit.page.evaluate(is_wider):
                faults[page].append("the page scrolls sideways")
    assert {page: found for page, found in faults.items() if found} == {}


def test_every_fate_of_an_experiment_can_be_seen(pat: Visit) -> None:
    listed = _read(pat, "?limit=100")["items"]
    assert isinstance(listed, list)
    verdicts = {e["key"]: (e["status"], e["verdict"] and e["verdict"]["state"]) for e in listed}
    assert verdicts == {
        "checkout-button": ("running", "winning"),
        "search-ranking": ("running", "guardrail_breached"),
        "free-shipping-banner": ("running", "running"),
        "one-page-checkout": ("running", "withheld_srm"),
        "courier-batching": ("running", "winning"),
        "express-pay": ("draft", None),
        "product-photos": ("decided", "winning"),
        "hillstrom-e-mail": ("stopped", "winning"),
        "cookie-cats-gate": ("decided", "losing"),
    }


def test_the_two_real_experiments_have_their_published_counts(pat: Visit) -> None:
    assert _exposed(pat, "hillstrom-e-mail") == {
        "no-e-mail": 21_306,
        "mens-e-mail": 21_307,
        "womens-e-mail": 21_387,
    }
    assert _exposed(pat, "cookie-cats-gate") == {"gate_30": 44_700, "gate_40": 45_489}
    srm = _report(pat, "cookie-cats-gate")["srm"]
    assert isinstance(srm, dict)
    assert srm["p_value"] == pytest.approx(0.0086, abs=0.00005)
    assert srm["state"] == "warn"


def test_a_locked_experiment_shows_no_metric_number_anywhere(pat: Visit) -> None:
    report = _report(pat, "one-page-checkout")
    assert report["results"] is None
    assert not {"lift", "effect", "treatment_value"} & set(str(report).replace("'", " ").split())
    export = pat.page.request.get(f"{pat.url}{API}/one-page-checkout/report.csv")
    assert export.status == 409
    pat.go(f"{PLACE}/experiments/one-page-checkout")
    main = pat.page.get_by_role("main")
    expect(main).to_contain_text("What to check")
    shown = main.inner_text()
    assert not [name for name in ("Purchases", "Revenue per visitor", "Refunds", "lift") if name in shown]


def test_results_say_first_what_was_decided_on(pat: Visit) -> None:
    pat.go(f"{PLACE}/experiments/checkout-button")
    main = pat.page.get_by_role("main")
    expect(main).to_contain_text("Ready to decide: winning")
    headings = [heading.inner_text() for heading in main.get_by_role("heading", level=2).all()]
    assert headings[:3] == ["The metric this decision hangs on", "Secondary metrics", "Guardrails"]


def test_numbers_keep_moving(pat: Visit) -> None:
    before = sum(_exposed(pat, "checkout-button").values())
    assert eventually(lambda: sum(_exposed(pat, "checkout-button").values()) > before, within_seconds=120)


def test_a_viewer_reads_and_is_offered_nothing_else(browser: Browser, demo: str) -> None:
    with visiting(browser, demo) as visit:
        visit.sign_in("vic@example.com", PASSWORD)
        for page, offer in (
            ("", "New experiment"),
            ("/experiments/checkout-button", "Stop"),
            ("/flags/gift-wrapping", "Kill"),
        ):
            visit.go(PLACE + page)
            expect(visit.page.get_by_role("main")).to_be_visible()
            assert visit.page.get_by_role("main").get_by_text(offer, exact=True).count() == 0
