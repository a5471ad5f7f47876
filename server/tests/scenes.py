"""One-line set-ups of the server's tests; each walks the real actions."""

from __future__ import annotations

from dataclasses import dataclass

from people import NOW, a_project, an_admin

from equipoise_server.access.values import Actor, Project
from equipoise_server.flags.actions import CreateFlag, UpdateFlagSettings, create_flag
from equipoise_server.flags.values import Flag, FlagSettings, FlagType, FlagVariant


@dataclass(frozen=True, slots=True)
class Shop:
    """A project with the environments development and production, and its admin."""

    owner: Actor
    project: Project


def a_shop(key: str = "shop", email: str = "ada@example.com") -> Shop:
    """A shop's project and its admin."""
    return Shop(*a_project(an_admin(email), key))


def a_button_flag(shop: Shop, key: str = "checkout-button") -> Flag:
    """The flag of the shop's button: grey, until somebody makes it green."""
    variants = (FlagVariant("grey", "grey"), FlagVariant("green", "green"))
    command = CreateFlag(shop.project.id, key, "Checkout button", FlagType.STRING, variants, "grey", "grey")
    return create_flag(shop.owner, command, now=NOW)


def settings_of(flag: Flag, environment: str = "production") -> FlagSettings:
    """The flag's settings in production."""
    return flag.settings[environment]


def updated(flag: Flag, environment: str) -> UpdateFlagSettings:
    """The command that leaves a flag's settings as they are: replace what should change."""
    settings = flag.settings[environment]
    return UpdateFlagSettings(
        flag.id, settings.environment_id, settings.version, settings.off, settings.default,
        settings.overrides, settings.rules,
    )  # fmt: skip
