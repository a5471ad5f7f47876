"""A loaded machine is no fault of a property: no deadlines here."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
