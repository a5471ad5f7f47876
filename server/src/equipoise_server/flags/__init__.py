"""Flags: variants, rules, overrides and kills, per environment."""
