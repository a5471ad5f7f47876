"""Pure evaluation of Equipoise flags and experiments."""
