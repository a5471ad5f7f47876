"""Equipoise for Python applications: local evaluation, exposures, events."""
