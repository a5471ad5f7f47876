"""A real Chromium for journeys: signs in, remembers what went wrong in the console, judges accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response

SERIOUS = {"serious", "critical"}
FAILED = 400


@dataclass
class Visit:
    """One person at one browser; `faults` holds console errors and failed requests."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def sign_in(self, email: str, password: str) -> None:
        """Sign in and arrive at the start page."""
        self.page.goto(f"{self.url}/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(re.compile(r"^(?!.*/sign-in).*$"))

    def go(self, path: str) -> None:
        """Open a page of the server."""
        self.page.goto(self.url + path)

    def accessibility_faults(self) -> list[str]:
        """What axe-core finds serious or critical on the page."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{violation['id']}: {violation['help']} ({violation['nodes'][0]['html'][:160]})"
            for violation in found
            if violation["impact"] in SERIOUS
        ]

    def hear(self, message: ConsoleMessage) -> None:
        """Remember an error of the console."""
        if message.type == "error":
            self.faults.append(f"{self.page.url}: {message.text}")

    def notice(self, response: Response) -> None:
        """Remember a request that failed."""
        if response.status >= FAILED:
            self.faults.append(f"{response.request.method} {response.url}: {response.status}")


@contextmanager
def visiting(browser: Browser, url: str, *, width: int = 1280, theme: str = "light") -> Iterator[Visit]:
    """Open a browser window of its own; nothing may have gone wrong in it by the end."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    visit = Visit(page, url)
    page.on("console", visit.hear)
    page.on("pageerror", lambda error: visit.faults.append(f"{page.url}: {error}"))
    page.on("response", visit.notice)
    try:
        yield visit
    finally:
        context.close()
    assert not visit.faults, "\n".join(visit.faults)
