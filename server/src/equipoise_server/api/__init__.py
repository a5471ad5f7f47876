"""The engineer's door: management JSON with OpenAPI."""
