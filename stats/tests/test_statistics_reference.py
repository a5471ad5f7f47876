"""The reference of the library names everything that it offers, as it is."""

from __future__ import annotations

from statistics_reference import PAGE, reference

import equipoise_stats


def test_the_reference_is_what_the_library_says_of_itself() -> None:
    assert PAGE.read_text() == reference(), "run: python stats/tests/statistics_reference.py"


def test_everything_public_says_what_it_is() -> None:
    silent = [name for name in equipoise_stats.__all__ if not getattr(equipoise_stats, name).__doc__]
    assert silent == []
