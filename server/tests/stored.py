"""A store of raw events in files, with rounds of arrival and merges, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from histories import EXPOSURE_COLUMNS, TRACK_COLUMNS, exposure_rows, track_rows, write_parquet
from plain_units import Did, Met

from equipoise_server.analysis.rollups.arrivals import Arrived, Segment


@dataclass
class Stored:
    """Every round's events; files of a kind can be merged, as compaction does."""

    directory: Path
    round: int = 0
    met: list[Met] = field(default_factory=list)
    did: list[Did] = field(default_factory=list)
    _files: dict[str, list[tuple[Segment, list[tuple[object, ...]]]]] = field(
        default_factory=lambda: {"exposure": [], "track": []}
    )
    _names: count[int] = field(default_factory=count)

    def receive(self, met: Sequence[Met] = (), did: Sequence[Did] = ()) -> None:
        """One round of compaction."""
        self.round += 1
        self.met += met
        self.did += did
        if met:
            self._write("exposure", exposure_rows(met, self.round), [one.at for one in met])
        if did:
            self._write("track", track_rows(did, self.round), [one.at for one in did])

    def merge(self) -> None:
        """One file of each kind instead of several; rows keep their rounds."""
        for kind, files in self._files.items():
            if len(files) > 1:
                rows = [row for _, held in files for row in held]
                instants = [at for file, _ in files for at in (file.earliest, file.latest)]
                files.clear()
                self._write(kind, rows, instants)

    def forget(self, unit: str) -> None:
        """Erase a unit's raw events; every file is written again, rows keep their rounds."""
        self.met = [one for one in self.met if one.unit != unit]
        self.did = [one for one in self.did if one.unit != unit]
        for kind, files in self._files.items():
            kept = [(file, [row for row in rows if row[2] != unit]) for file, rows in files]
            files.clear()
            for file, rows in kept:
                if rows:
                    self._write(kind, rows, [file.earliest, file.latest])

    def arrived(self) -> Arrived:
        """All files now."""
        exposures, tracks = (tuple(file for file, _ in self._files[kind]) for kind in ("exposure", "track"))
        return Arrived(exposures, tracks, self.round)

    def paths(self, kind: str) -> list[Path]:
        """The files of a kind."""
        return [file.path for file, _ in self._files[kind]]

    def _write(self, kind: str, rows: list[tuple[object, ...]], instants: Iterable[int]) -> None:
        columns = EXPOSURE_COLUMNS if kind == "exposure" else TRACK_COLUMNS
        path = write_parquet(self.directory / f"{kind}-{next(self._names)}.parquet", columns, rows)
        at = sorted(instants)
        self._files[kind].append((Segment(path, at[0], at[-1], self.round), rows))
