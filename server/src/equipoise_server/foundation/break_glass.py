"""Kills for when the database cannot be used: a file in the data directory, written whole or not at all.

Server processes lay what it says over what they serve, at once; when the database is back, they write it
down there as audited changes (`adopted`). Knows no database; a command line may use it without one.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from errno import ENOSPC
from pathlib import Path

from equipoise_server.foundation import reserve

FILE_NAME = "break-glass.json"


class Level(StrEnum):
    """What a kill is about."""

    ENVIRONMENT = "environment"
    GROUP = "group"
    FLAG = "flag"
    EXPERIMENT = "experiment"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to kill; `key` is empty for a whole environment."""

    project: str
    environment: str
    level: Level
    key: str = ""

    def __str__(self) -> str:
        named = f" › {self.level} {self.key}" if self.key else ""
        return f"{self.project} › {self.environment}{named}"


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill by break-glass, and what became of it."""

    number: int
    target: Target
    by: str
    reason: str
    at: str
    lifted_by: str = ""
    lifted_at: str = ""
    adopted: tuple[int, int] | None = None
    """Epoch and revision from which on the database itself says it."""
    trouble: str = ""
    """Why the database could not take it over; "" when it did, or has yet to."""

    @property
    def is_lifted(self) -> bool:
        """Whether it was taken back."""
        return bool(self.lifted_at)

    @property
    def is_open(self) -> bool:
        """Whether the database has yet to hear of it."""
        return self.adopted is None and not self.trouble

    def concerns(self, epoch: int, revision: int) -> bool:
        """Whether it lies over a revision of its environment: no later one of the database's holds it yet."""
        if self.adopted is None:
            return not self.trouble
        return (epoch, revision) < self.adopted


@dataclass(frozen=True, slots=True)
class Kills:
    """Everything in the file. `serial` grows with every kill and every lift, for good."""

    serial: int = 0
    kills: tuple[Kill, ...] = ()

    @property
    def open(self) -> tuple[Kill, ...]:
        """What the database has yet to hear of."""
        return tuple(kill for kill in self.kills if kill.is_open)

    def of(self, project: str, environment: str) -> tuple[Kill, ...]:
        """The kills of one environment."""
        return tuple(
            kill
            for kill in self.kills
            if (kill.target.project, kill.target.environment) == (project, environment)
        )


class UnreadableFile(Exception):
    """The file is there and says nothing that can be understood."""


class NoSuchKill(Exception):
    """No kill has this number, or it was lifted already."""


def data_directory() -> Path:
    """The data directory of this installation, found without settings or a database."""
    return Path(os.environ.get("EQUIPOISE_DATA", "data")).resolve()


def path_in(directory: Path) -> Path:
    """Where the file lies."""
    return directory / FILE_NAME


def read(directory: Path) -> Kills:
    """What the file says; nothing when there is none.

    Raises:
        UnreadableFile: when it is damaged.
    """
    try:
        content = json.loads(path_in(directory).read_bytes())
        return Kills(int(content["serial"]), tuple(map(_kill, content["kills"])))
    except FileNotFoundError:
        return Kills()
    except (ValueError, KeyError, TypeError) as cause:
        raise UnreadableFile(f"{path_in(directory)} is damaged; move it away and kill again.") from cause


def kill(directory: Path, target: Target, *, by: str, reason: str, at: str) -> Kill:
    """Kill at once; it is on disk when this returns. The same target again is the same kill."""
    made: list[Kill] = []

    def add(kills: Kills) -> Kills:
        standing = [k for k in kills.kills if k.target == target and k.is_open and not k.is_lifted]
        made.extend(standing)
        if standing:
            return kills
        serial = kills.serial + 1
        made.append(Kill(serial, target, by, reason, at))
        return Kills(serial, (*kills.kills, made[0]))

    _change(directory, add)
    return made[0]


def lift(directory: Path, number: int, *, by: str, at: str) -> Kill:
    """Take a kill back that the database has not heard of yet.

    Raises:
        NoSuchKill: when there is none; a kill that the database knows is taken back there.
    """
    lifted: list[Kill] = []

    def take_back(kills: Kills) -> Kills:
        for known in kills.open:
            if known.number == number and not known.is_lifted:
                lifted[:] = [replace(known, lifted_by=by, lifted_at=at)]
        if not lifted:
            raise NoSuchKill(f"There is no open break-glass kill {number}.")
        serial = kills.serial + 1
        return Kills(serial, tuple(lifted[0] if k.number == number else k for k in kills.kills))

    _change(directory, take_back)
    return lifted[0]


def settle(directory: Path, settled: Kill) -> None:
    """Note what the database made of a kill. A lift in the meantime came too late."""

    def note(kills: Kills) -> Kills:
        return Kills(kills.serial, tuple(_settled(k, settled) for k in kills.kills))

    _change(directory, note)


def forget(directory: Path, numbers: frozenset[int]) -> None:
    """Leave out kills that every process has long taken from the database."""
    _change(
        directory,
        lambda kills: Kills(kills.serial, tuple(k for k in kills.kills if k.number not in numbers)),
    )


@contextmanager
def adopting(directory: Path) -> Iterator[bool]:
    """Whether this process is the one that tells the database; held until the block ends."""
    with path_in(directory).with_suffix(".adopting").open("a") as handle:
        _hand_over(handle.fileno(), directory)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _settled(known: Kill, settled: Kill) -> Kill:
    if known.number != settled.number:
        return known
    was_too_late = known.is_lifted and not settled.is_lifted
    trouble = (
        "It was lifted while it was taken over; lift it on its page." if was_too_late else settled.trouble
    )
    return replace(known, adopted=settled.adopted, trouble=trouble)


def _change(directory: Path, change: Callable[[Kills], Kills]) -> None:
    """Read, change and replace the file, alone; on a full disk with the room that was kept back."""
    directory.mkdir(parents=True, exist_ok=True)
    with path_in(directory).with_suffix(".lock").open("a") as handle:
        _hand_over(handle.fileno(), directory)
        fcntl.flock(handle, fcntl.LOCK_EX)
        before = read(directory)
        after = change(before)
        if after == before:
            return
        try:
            _write(directory, after)
        except OSError as trouble:
            if trouble.errno != ENOSPC or not reserve.release(directory):
                raise
            _write(directory, after)


def _write(directory: Path, kills: Kills) -> None:
    content = json.dumps({"serial": kills.serial, "kills": [asdict(k) for k in kills.kills]}, indent=1)
    handle, name = tempfile.mkstemp(dir=directory, prefix=".break-glass-")
    try:
        with os.fdopen(handle, "w") as file:
            _hand_over(file.fileno(), directory)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path_in(directory))
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    folder = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _hand_over(handle: int, directory: Path) -> None:
    """What root writes belongs to whom the directory belongs to: the server has to read and change it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _kill(content: dict[str, object]) -> Kill:
    members = dict(content)
    target = members.pop("target")
    if not isinstance(target, dict):
        raise TypeError("a target is an object")
    adopted = members.pop("adopted")
    return Kill(
        **members,  # type: ignore[arg-type]  # a wrong member raises, and the file counts as damaged
        target=Target(**{**target, "level": Level(target["level"])}),
        adopted=tuple(adopted) if isinstance(adopted, list) else None,
    )
