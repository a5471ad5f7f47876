"""A small shop with simulated visitors. It knows Equipoise through the SDK alone, as any customer would."""
