"""The rules of the house that no linter knows: sizes, doors between rooms, clean names and lock files."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVER = ROOT / "server" / "src" / "equipoise_server"
LONGEST_FILE, LONGEST_FUNCTION = 400, 50
DOORS = {"actions", "reads", "values"}
# Foundation is vocabulary for all rooms; the unit of change and the permission words are open to all, too.
OPEN_ROOMS = {"foundation"}
# Commands compose the doors' applications and the rooms' start-up; they are the only ones who may.
COMPOSERS = {"commands"}
NAMELESS = {"utils", "helpers", "common", "misc", "base", "manager", "handler", "services"}


def _sources() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.js", "*.mjs"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if "/migrations/" not in name and (ROOT / name).exists()]


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_file_is_longer_than_the_house_allows() -> None:
    lengths = {str(p.relative_to(ROOT)): p.read_text().count("\n") for p in _sources()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_function_is_longer_than_the_house_allows() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path in _sources()
        if path.suffix == ".py"
        for function in _functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > LONGEST_FUNCTION
    ]
    assert too_long == []


def test_no_module_hides_behind_a_name_that_says_nothing() -> None:
    assert [str(p.relative_to(ROOT)) for p in _sources() if p.stem in NAMELESS] == []


def _entered(path: Path) -> Iterator[tuple[str, str]]:
    """(room, module) pairs of other rooms that a server module imports."""
    own_room = path.relative_to(SERVER).parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        for module in _imported_modules(node):
            parts = module.split(".")
            if len(parts) >= 3 and parts[0] == "equipoise_server" and parts[1] != own_room:
                yield parts[1], parts[2]


def _imported_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
        if node.module.count(".") == 1:
            return [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module]
    return []


def test_a_room_is_entered_only_by_its_actions_reads_and_values() -> None:
    trespassers = [
        f"{path.relative_to(SERVER)} enters {room}.{module}"
        for path in SERVER.rglob("*.py")
        if path.relative_to(SERVER).parts[0] not in COMPOSERS
        for room, module in _entered(path)
        if room not in OPEN_ROOMS and module not in DOORS
    ]
    assert trespassers == []


def test_an_actions_module_composes_at_most_four_other_rooms() -> None:
    uncounted = {"access", "audit", "foundation"}
    crowded = {
        str(path.relative_to(SERVER)): sorted(rooms)
        for path in SERVER.glob("*/actions.py")
        if len(rooms := {room for room, _ in _entered(path)} - uncounted) > 4
    }
    assert crowded == {}


@pytest.mark.parametrize(
    "pattern", ["requirements*.txt", "requirements/*.txt", "**/package-lock.json", "**/.npmrc"]
)
def test_lock_files_name_no_host(pattern: str) -> None:
    hosts = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in ROOT.glob(pattern)
        if "node_modules" not in path.parts
        for line in path.read_text().splitlines()
        if re.search(r"https?://", line)
    ]
    assert hosts == []


def test_no_key_or_database_of_a_process_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [Path(name).name for name in listed.stdout.splitlines()]
    assert [name for name in names if re.search(r"\.(key|pem|sqlite3?(-\w+)?|duckdb)$", name)] == []


def test_work_left_to_do_names_its_issue() -> None:
    unnamed = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in _sources()
        if path != Path(__file__)
        for line in path.read_text().splitlines()
        if re.search(r"\b(TODO|FIXME|XXX)\b(?!.*#\d+)", line)
    ]
    assert unnamed == []
