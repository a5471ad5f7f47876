"""The table that comes with every decision; and the values that it may hold."""

from __future__ import annotations

from typing import NoReturn

Scalar = bool | str | int | float


class Metadata(dict[str, Scalar]):
    """A table that nobody can change, and that can be copied, pickled and written as JSON."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("metadata cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[Metadata], tuple[dict[str, Scalar]]]:
        return Metadata, (dict(self),)


NOTHING = Metadata()
