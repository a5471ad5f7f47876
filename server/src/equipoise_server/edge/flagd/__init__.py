"""Flags as flagd definitions (flagd.dev/schema/v0): what can be said there, and a report of what cannot."""
