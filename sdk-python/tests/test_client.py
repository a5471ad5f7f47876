"""Arguments, errors of the application, and what both READMEs promise."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from flag_server import FlagServer, document

import equipoise_sdk
from equipoise_sdk import Outside, Status, in_memory
from equipoise_sdk.settings import PER_USER, chosen_directory

ROOT = Path(__file__).parents[2]


def test_all_bad_arguments_are_told_at_once() -> None:
    bad: dict[str, Any] = {
        "poll_interval_seconds": 0,
        "start_timeout_seconds": -1,
        "request_timeout_seconds": True,
        "queue_size": "many",
        "exposure_attributes": "country",
    }
    with pytest.raises(ValueError, match="server_url") as refusal:
        equipoise_sdk.connect("flags.example.org", "", **bad)
    for name in ["key", *bad]:
        assert name in str(refusal.value)


@pytest.mark.parametrize(
    "address", ["", "ftp://x", "http://", "http://x:port", "http://x:0", None, "http://[", "x"]
)
def test_what_is_no_address_is_refused(address: Any) -> None:
    with pytest.raises(ValueError, match="server_url must be"):
        equipoise_sdk.connect(address, "k")


@pytest.mark.parametrize("key", ["", "é", "a\nb", " a", None, 7])
def test_what_is_no_key_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match="key must be"):
        equipoise_sdk.connect("http://127.0.0.1", key)


def test_the_cache_directory_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert chosen_directory(None) is None
    assert chosen_directory(str(tmp_path)) == tmp_path
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert chosen_directory(PER_USER) == tmp_path / "equipoise"
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert chosen_directory(PER_USER) == tmp_path / "Library" / "Caches" / "equipoise"


def test_an_application_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    client = in_memory(document())
    for _ in range(3):
        assert client.boolean("nothing", True, {}) is True
        assert client.boolean("colour", True, {}) is True
    assert len(caplog.records) == 2


BAD_CALLS: list[tuple[Any, Any]] = [
    ("button", None),
    ("button", []),
    (7, {}),
    (None, None),
    ([], "x"),
    ("button", {"units": 7}),
]


@pytest.mark.parametrize(("key", "context"), BAD_CALLS)
def test_bad_keys_and_contexts_give_the_code_default(key: Any, context: Any) -> None:
    client = in_memory(document())
    decision = client.details(key, True, context)
    assert (decision.value, decision.reason) == (True, "ERROR")
    assert client.recorded == ()


def test_a_client_without_a_snapshot_takes_any_key() -> None:
    client = equipoise_sdk.connect("http://127.0.0.1:1", "k", cache_directory=None)
    keys: list[Any] = [7, None, []]
    assert [client.details(key, True, {}).value for key in keys] == [True, True, True]
    client.close()


def test_a_case_is_explained_step_by_step_and_exposes_nobody() -> None:
    client = in_memory(document())
    key = next(iter(document()["flags"]))
    context: Any = {"units": {"user": "u-1"}, "attributes": {}}
    *_, last = client.explain(key, context)
    assert last.decision is not None
    assert last.decision.value == client.peek(key, None, context).value
    assert [step.kind for step in client.explain("no such flag", context)] == ["unknown"]
    assert client.recorded == ()
    waiting = equipoise_sdk.connect("http://127.0.0.1:1", "k", cache_directory=None)
    assert waiting.explain(key, context) == ()
    waiting.close()


def test_everything_that_the_package_offers_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "sdk-python.md").read_text()
    calls = {name for kind in (equipoise_sdk.Client, equipoise_sdk.InMemoryClient) for name in vars(kind)}
    settings = inspect.signature(equipoise_sdk.connect).parameters
    fields = {name for kind in (Status, Outside) for name in kind.__dataclass_fields__}
    told = {*equipoise_sdk.__all__, *settings, *fields, *(name for name in calls if name[0] != "_")}
    assert sorted(name for name in told if not re.search(rf"\b{name}\b", page)) == []


@pytest.mark.parametrize("member", ["engine", "sdk-python"])
def test_the_readme_does_what_it_says(
    member: str, server: FlagServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / member / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    code = "\n".join(blocks).replace("http://127.0.0.1:8000", server.url)
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    names: dict[str, Any] = {}
    exec(compile(code, f"{member}/README.md", "exec"), names)
    if "client" in names:
        names["client"].close()
