"""Takes pictures of pages of a running server: 1280 and 390 pixels wide, light and dark.

python tools/screenshots.py http://127.0.0.1:8000 --email ada@example.com --password … /p/shop/production
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


@dataclass(frozen=True, slots=True)
class View:
    """One width in one theme; the whole page, or its first screen when a height is given."""

    width: int
    theme: str
    height: int | None = None


def views(
    widths: Iterable[int] = WIDTHS, themes: Iterable[str] = THEMES, *, height: int | None = None
) -> tuple[View, ...]:
    """Every width in every theme."""
    return tuple(View(width, theme, height) for width in widths for theme in themes)


def take(
    url: str, paths: Iterable[str], folder: Path, *, account: tuple[str, str] | None, chosen: tuple[View, ...]
) -> Iterator[Path]:
    """Take each page in each view; yields the files as they are written."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS
        )
        for view in chosen:
            context = _context(browser, view)
            if account is not None:
                _sign_in(context, url, account)
            for path in paths:
                yield _one(context, url, path, folder, view)
            context.close()
        browser.close()


def _context(browser: Browser, view: View) -> BrowserContext:
    return browser.new_context(
        viewport={"width": view.width, "height": view.height or 900},
        color_scheme="dark" if view.theme == "dark" else "light",
        reduced_motion="reduce",
    )


def _sign_in(context: BrowserContext, url: str, account: tuple[str, str]) -> None:
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail").fill(account[0])
    page.get_by_label("Password").fill(account[1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"^(?!.*/sign-in).*$"))
    page.close()


def _one(context: BrowserContext, url: str, path: str, folder: Path, view: View) -> Path:
    name = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "start"
    file = folder / f"{name}-{view.width}-{view.theme}.png"
    page = context.new_page()
    page.goto(f"{url}{path}")
    page.screenshot(path=file, full_page=view.height is None)
    page.close()
    return file


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--email")
    parser.add_argument("--password", default="")
    parser.add_argument("--out", type=Path, default=Path("screenshots"))
    parser.add_argument("--width", type=int, action="append")
    parser.add_argument("--height", type=int, help="take the first screen of this height, not the whole page")
    parser.add_argument("--theme", choices=THEMES, action="append")
    asked = parser.parse_args()
    account = (asked.email, asked.password) if asked.email else None
    chosen = views(asked.width or WIDTHS, asked.theme or THEMES, height=asked.height)
    for file in take(asked.url.rstrip("/"), asked.paths, asked.out, account=account, chosen=chosen):
        print(file)


if __name__ == "__main__":
    main()
