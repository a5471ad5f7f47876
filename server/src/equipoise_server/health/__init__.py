"""Health checks: what a Prometheus says about variants. For promotion and kill, never for decisions."""
