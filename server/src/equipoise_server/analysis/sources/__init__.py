"""Facts of tables and queries in experiments: rows of exposed units beside the event store's files."""
