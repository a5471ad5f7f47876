"""The pages that newcomers follow are run as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner
from server_process import ServerProcess, eventually

from equipoise_cli.main import main
from equipoise_server.commands.main import main as operators

ROOT = Path(__file__).parents[1]
FIRST_EXPERIMENT = ROOT / "docs" / "how-to" / "first-experiment-from-code.md"
FENCE = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(path: Path) -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in FENCE.finditer(path.read_text())]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    started = ServerProcess(tmp_path / "data", settings={"EQUIPOISE_ADMIN_PASSWORD": "long enough to pass"})
    yield started
    started.stop()


def _run_command(server: ServerProcess, words: list[str]) -> None:
    """One line of a shell block: the server's commands in its own processes, the client's right here."""
    if words[0] == "equipoise-server":
        {"serve": server.serve, "worker": server.work}.get(words[1], lambda: server.run(*words[1:]))()
        return
    assert words[0] == "equipoise", words
    outcome = CliRunner().invoke(main, words[1:])
    # A report is there once the worker has made one.
    if outcome.exit_code and words[2] == "report":
        assert eventually(lambda: CliRunner().invoke(main, words[1:]).exit_code == 0, within_seconds=90)
        return
    assert outcome.exit_code == 0, f"{words}: {outcome.output}"


@pytest.fixture
def names() -> Iterator[dict[str, object]]:
    """What the page's Python blocks define; the connection that they open is closed."""
    defined: dict[str, object] = {}
    yield defined
    api = defined["api"]
    assert isinstance(api, httpx.Client)
    api.close()


def test_the_first_experiment_from_code_works_as_written(
    server: ServerProcess, names: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EQUIPOISE_SERVER", server.url)
    monkeypatch.setenv("EQUIPOISE_CONFIG", str(tmp_path / "cli.json"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("EQUIPOISE_KEY", "set by the page")
    for language, text in _blocks(FIRST_EXPERIMENT):
        if language == "python":
            exec(compile(text, str(FIRST_EXPERIMENT), "exec"), names)
            continue
        for words in (shlex.split(line, comments=True) for line in text.splitlines()):
            if words[0] != "export":
                _run_command(server, words)
            elif words[1].startswith("EQUIPOISE_TOKEN=$("):
                made = server.run(*shlex.split(text.split("$(equipoise-server", 1)[1].split(")")[0]))
                monkeypatch.setenv("EQUIPOISE_TOKEN", made.strip())
    assert names["colour"] in {"grey", "green"}


def _commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_every_command_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert [name for name, _ in _commands(main, "equipoise") if f"| `{name}" not in reference] == []


def test_every_operators_command_is_in_the_reference_with_its_options() -> None:
    rows = (ROOT / "docs" / "reference" / "cli.md").read_text().splitlines()
    for name, command in _commands(operators, "equipoise-server"):
        (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]
        options = [one.opts[0] for one in command.params if isinstance(one, click.Option)]
        assert [one for one in options if f"`{one}`" not in row] == [], name


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "docs/how-to/install.md", "docs/how-to/first-experiment-from-code.md"],
)
def test_no_link_of_a_page_for_newcomers_is_broken(page: str) -> None:
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not ((ROOT / page).parent / link).exists()] == []
