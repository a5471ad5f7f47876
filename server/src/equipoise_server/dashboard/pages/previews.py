"""Links to previews as pages show them: which variants, for how long, and the link once it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise_server.dashboard.forms import Form
from equipoise_server.dashboard.pages.flags import value_texts
from equipoise_server.experiments.values import Experiment
from equipoise_server.flags.values import Flag, PreviewLink

LIVES = (("1", "an hour"), ("24", "a day"), ("168", "a week"), ("720", "30 days"))
"""Hours, as text, and what they are called."""


@dataclass(frozen=True, slots=True)
class ChosenFlag:
    """A flag of which a variant can be chosen."""

    key: str
    name: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """The form of a link. With an experiment its arms can be chosen, else variants of flags."""

    form: Form
    flags: tuple[ChosenFlag, ...]
    experiment: Experiment | None
    arms: tuple[tuple[str, str, str], ...]
    """(key, name, what it shows)."""
    link: PreviewLink | None
    address: str
    """The whole link; "" until it is made, or when no address was given."""
    has_links: bool
    first_count: int
    """How many flags come first; the others are folded away."""

    @property
    def lives(self) -> tuple[tuple[str, str], ...]:
        """How long a link may live."""
        return LIVES


def chosen_flags(flags: Sequence[Flag]) -> tuple[ChosenFlag, ...]:
    """Flags with their variants; not to choose one is a choice."""
    return tuple(
        ChosenFlag(
            flag.key,
            flag.name,
            (("", "as it is"), *((key, f"{key}: {text}"[:60]) for key, text in value_texts(flag).items())),
        )
        for flag in flags
    )


def arm_choices(experiment: Experiment | None) -> tuple[tuple[str, str, str], ...]:
    """The arms of an experiment."""
    arms = () if experiment is None else experiment.design.arms
    return tuple(
        (arm.key, arm.name, ", ".join(f"{flag}: {variant}" for flag, variant in sorted(arm.values.items())))
        for arm in arms
    )
