"""Decides on evidence and acts through the same audited actions as people."""
