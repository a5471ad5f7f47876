# ruff: noqa: INP001 - hatchling looks for this file here, beside pyproject.toml
"""Compiles the engine into its wheel when EQUIPOISE_COMPILED is 1; otherwise the wheel is pure Python.

The sources are the same and stay in the wheel; Python prefers what is compiled.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "equipoise_engine"
# A dictionary that refuses changes by `__setitem__ = … = _refuse`, which mypyc does not know.
INTERPRETED = frozenset({"metadata.py"})
# Else the compiler may put no function of a library into another, because someone might replace it.
COMPILER_OPTIONS = () if sys.platform == "win32" else ("-fno-semantic-interposition",)


class CompilingHook(BuildHookInterface[Any]):
    """Adds machine code to a wheel, for the Python and the platform that build it."""

    def dependencies(self) -> list[str]:
        """Return what building needs beyond hatchling."""
        return ["mypy>=1.19", "setuptools>=65"] if _is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the builder which files that gave."""
        if self.target_name != "wheel" or version == "editable" or not _is_wanted():
            return
        self.built = Path(tempfile.mkdtemp(prefix="equipoise-engine-"))
        _compile(Path(self.root) / "src" / PACKAGE, self.built)
        libraries = [path for path in self.built.rglob("*") if path.suffix in {".so", ".pyd"}]
        build_data["force_include"].update({str(path): _placed(path, self.built) for path in libraries})
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, _version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """Leave nothing behind."""
        if hasattr(self, "built"):
            shutil.rmtree(self.built)


def _is_wanted() -> bool:
    return os.environ.get("EQUIPOISE_COMPILED") == "1"


def _placed(library: Path, built: Path) -> str:
    return str(library.relative_to(built / "out"))


def _compile(source: Path, work: Path) -> None:
    """Compile a package into the folder "out" of another folder."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only there when it is wanted
    from setuptools import Distribution  # noqa: PLC0415 - as above

    shutil.copytree(source, work / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    with chdir(work):
        modules = sorted(str(path) for path in Path(PACKAGE).glob("*.py") if path.name not in INTERPRETED)
        options = ["--config-file=", "--strict", *modules]
        extensions = mypycify(options, opt_level="3", debug_level="0", group_name=PACKAGE)
        for extension in extensions:
            extension.extra_compile_args.extend(COMPILER_OPTIONS)
        command = Distribution({"name": PACKAGE, "ext_modules": extensions}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = "out", "objects"
        command.ensure_finalized()
        command.run()
