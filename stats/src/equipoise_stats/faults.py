"""The one error of bad input: it lists every fault at once, in sentences that name the field."""

from __future__ import annotations


class InputError(ValueError):
    """Numbers that cannot be analysed. `problems` lists every fault."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def require(*claims: tuple[bool, str]) -> None:
    """Raise InputError with the sentence of every claim that does not hold."""
    problems = tuple(sentence for holds, sentence in claims if not holds)
    if problems:
        raise InputError(problems)
