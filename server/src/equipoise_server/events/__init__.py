"""Events: durable inbox, validation, quarantine and store; the only room that knows storage."""
