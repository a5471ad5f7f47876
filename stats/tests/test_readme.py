"""The quick start does what it says."""

from __future__ import annotations

import re
from pathlib import Path


def test_the_quick_start_runs_and_prints_what_it_says() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    code, printed = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)[:2]
    said: list[str] = []
    exec(compile(code, "README.md", "exec"), {"print": lambda *words: said.append(" ".join(words))})
    assert "\n".join(said) + "\n" == printed
