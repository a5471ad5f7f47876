"""Documents keep up with the code: every setting is described, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / member / "src" for member in ("server", "sdk-python", "cli", "examples/shop")]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def _documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_environment_variable_is_described() -> None:
    used = {
        name
        for source in SOURCES
        for path in source.rglob("*.py")
        for name in re.findall(r"\bEQUIPOISE_[A-Z_]+\b", path.read_text())
    }
    described = set(re.findall(r"`(EQUIPOISE_[A-Z_]+)`", (ROOT / "docs/reference/settings.md").read_text()))
    assert used
    assert used - described == set()


def test_every_described_setting_exists() -> None:
    described = set(
        re.findall(r"\| `(EQUIPOISE_[A-Z_]+)`", (ROOT / "docs/reference/settings.md").read_text())
    )
    sources = "".join(path.read_text() for source in SOURCES for path in source.rglob("*.py"))
    assert {name for name in described if name not in sources} == set()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in _documents()
        for target in LINK.findall(path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_a_decision_record_fits_a_page() -> None:
    lengths = {
        path.name: len(path.read_text().splitlines()) for path in (ROOT / "docs/decisions").glob("*.md")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
