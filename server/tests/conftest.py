"""Fixtures every server test may use."""

from __future__ import annotations
