"""Processes: serve, worker, demo, migrate. Composes the doors; decides nothing."""
