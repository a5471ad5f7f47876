"""The Equipoise management API from a terminal or a pipeline."""
