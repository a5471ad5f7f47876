"""The pages on frameworks do what they say: their files are written, tested, started and visited."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from flag_server import FlagServer, Json, document
from openfeature import api
from small_worlds import hashed
from test_previews import KEY, token
from test_streams import until

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\S+\.py)\n")


def world() -> Json:
    """An experiment on the button and one on receipts, and a key to sign links with."""
    content = document()
    colours = {"type": "string", "variants": {"grey": "grey", "green": "green"}, "off": "grey"}
    forms = {"type": "string", "variants": {"plain": "plain", "rich": "rich"}, "off": "plain"}
    content["flags"] |= {
        "checkout-button": {**colours, "default": "grey", "experiments": ["trial"]},
        "receipt-form": {**forms, "default": "plain", "experiments": ["trial"]},
    }
    for arm, colour, form in zip(
        content["experiments"]["trial"]["variants"], ("grey", "green"), ("plain", "rich"), strict=True
    ):
        arm["values"] |= {"checkout-button": colour, "receipt-form": form}
    return hashed({**content, "preview_key": KEY})


@pytest.fixture
def at_home(server: FlagServer, tmp_path: Path) -> Path:
    """A directory for a page's files, beside a server that has its flags."""
    server.content = world()
    return tmp_path


def write_files(page: str, at: Path) -> list[str]:
    """Write the files of a page; return their names."""
    names = []
    for code in FENCE.findall((PAGES / page).read_text()):
        named = NAMED.match(code)
        assert named is not None, f"a block of {page} names no file"
        path = at / named[1]
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
        names.append(named[1])
    return names


def environment(server: FlagServer, at: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO")}
    return {
        **inherited,
        "PYTHONPATH": str(at),
        "PYTHONWARNINGS": "error",
        "XDG_CACHE_HOME": str(at / "cache"),
        "EQUIPOISE_SERVER": server.url,
        "EQUIPOISE_KEY": "eq_test",
        **more,
    }


def run(command: list[str], at: Path, given: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=at, env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


DJANGO = """
import django; django.setup()
from django.test import Client
class Browser(Client):
    def text(self, method, path): return getattr(super(), method)(path).content.decode()
    def jar(self): return self.cookies
new = Browser
"""
FLASK = """
from shop.app import create_app
app = create_app()
class Browser:
    def __init__(self): self.client = app.test_client()
    def text(self, method, path): return getattr(self.client, method)(path).text
    def jar(self): return {key[2] for key in self.client._cookies}
new = Browser
"""
FASTAPI = """
import asyncio, contextlib, httpx, sys
from shop.main import app, lifespan
loop = asyncio.new_event_loop()
life = lifespan(app); loop.run_until_complete(life.__aenter__())
class Browser:
    def __init__(self): self.cookies = httpx.Cookies()
    def text(self, method, path):
        async def asked():
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://shop", cookies=self.cookies
            ) as browser:
                answer = await browser.request(method, path)
                self.cookies = browser.cookies
                return answer.text
        return loop.run_until_complete(asked())
    def jar(self): return self.cookies
new = Browser
"""
VISIT = """
import sys
token, purchase = sys.argv[1:]
seen = set()
for _ in range(30):
    browser = new()
    first = browser.text("get", "/checkout")
    assert browser.text("get", "/checkout") == first, "a visitor keeps the variant"
    seen.add("green" if "green" in first else "grey")
assert seen == {"grey", "green"}, seen
for forged in ("p1.x.y", token[:-2] + "xx"):
    browser = new(); browser.text("get", "/checkout?equipoise_preview=" + forged)
    assert "equipoise_preview" not in browser.jar()
for _ in range(10):
    browser = new()
    assert "green" in browser.text("get", "/checkout?equipoise_preview=" + token)
    assert "green" in browser.text("get", "/checkout"), "the browser keeps the link's variant"
browser.text(purchase, "/purchase")
print("visited")
"""


def live_token() -> str:
    """A link that is good for an hour, for the applications' own clocks."""
    return token(expires=int(time.time()) + 3600, overrides={"checkout-button": "green"})


WEB = {"django.md": (DJANGO, "get"), "flask.md": (FLASK, "post"), "fastapi.md": (FASTAPI, "post")}


@pytest.mark.parametrize("page", WEB)
def test_a_page_on_a_web_framework_works_as_written(page: str, server: FlagServer, at_home: Path) -> None:
    names = write_files(page, at_home)
    more = {"DJANGO_SETTINGS_MODULE": "shop.settings"} if page == "django.md" else {}
    given = environment(server, at_home, **more)
    tests = [name for name in names if name.startswith("tests/")]
    plugins = [] if page == "django.md" else ["-p", "no:django"]
    assert "passed" in run(
        ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", *plugins, *tests], at_home, given
    )

    browser, purchase = WEB[page]
    run(["-c", browser + VISIT, live_token(), purchase], at_home, given)
    exposed = {event["unit"]: event["variant"] for event in server.events if event["kind"] == "exposure"}
    # Thirty visitors and two with forged links; nobody whom a true link showed a variant.
    assert (len(exposed), set(exposed.values())) == (32, {"control", "treatment"})
    (bought,) = (event for event in server.events if event["kind"] == "track")
    assert (bought["name"], bought["value"]) == ("purchase", 49.9)
    assert bought["units"]["user"] not in exposed


def test_the_page_on_celery_works_as_written(server: FlagServer, at_home: Path) -> None:
    names = write_files("celery.md", at_home)
    for folder in ("queue", "processed"):
        (at_home / folder).mkdir()
    folders = {f"data_folder_{way}": str(at_home / "queue") for way in ("in", "out")}
    folders |= {f"{name}_folder": str(at_home / "processed") for name in ("processed", "control")}
    configuration = (
        "from shop.tasks import app\n"
        f"app.conf.update(broker_url='filesystem://', broker_transport_options={folders!r},"
        " broker_connection_retry_on_startup=True)\n"
    )
    (at_home / "configured.py").write_text(configuration)
    given = environment(server, at_home, EQUIPOISE_SPOOL=str(at_home / "spool"))
    del given["PYTHONWARNINGS"]  # Celery's own dependencies warn
    tests = [name for name in names if name.startswith("tests/")]
    run(["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".", "-p", "no:django", *tests], at_home, given)

    send = (
        "import configured; from shop.orders import order_paid\n"
        "for number in range(10): order_paid(f'o-{number}',"
        " {'units': {'user': f'u-{number}'}, 'attributes': {}})\n"
    )
    run(["-c", send], at_home, given)
    command = ["-m", "celery", "-A", "configured:app", "worker", "--pool", "prefork", "-c", "2"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
    with (at_home / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, *command],
            cwd=at_home,
            env=given,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        until(lambda: sum(event["kind"] == "track" for event in server.events) >= 10, within=90)
    except AssertionError:
        pytest.fail((at_home / "worker.log").read_text())
    finally:
        worker.terminate()
        worker.wait(20)
    exposed = {event["unit"] for event in server.events if event["kind"] == "exposure"}
    assert exposed == {f"u-{number}" for number in range(10)}
    assert sorted(event["properties"]["order"] for event in server.events if event["kind"] == "track") == [
        f"o-{number}" for number in range(10)
    ]


def test_the_page_on_openfeature_works_as_written(
    server: FlagServer, at_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EQUIPOISE_SERVER", server.url)
    monkeypatch.setenv("EQUIPOISE_KEY", "eq_test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(at_home))
    names: dict[str, Any] = {}
    try:
        for code in FENCE.findall((PAGES / "openfeature.md").read_text()):
            exec(compile(code, "openfeature.md", "exec"), names)
    finally:
        api.clear_providers()
    kinds = [event["kind"] for event in server.events]
    assert sorted(kinds) == ["exposure", "track"]
    assert names["colour"] in {"grey", "green"}
    assert server.events[-1]["properties"] == {"currency": "EUR"}
