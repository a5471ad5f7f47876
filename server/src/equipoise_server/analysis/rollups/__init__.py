"""State that grows with new data only: first exposures, sums by unit and segment, and moments per arm.

One DuckDB file per environment, owned by whoever holds it open; everything in it can be made again from
the event store. A segment starts at a midnight (UTC) or where some window of the unit begins or ends.
"""
