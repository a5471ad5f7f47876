"""Children of this process: they always end, and say by their exit code whether all was well."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable

LONGEST_LIFE_SECONDS = 45


def forked(work: Callable[[], bool]) -> int:
    """Run something in a forked child; return its process id."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            faulthandler.dump_traceback_later(LONGEST_LIFE_SECONDS, exit=True, file=sys.__stderr__)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    return child


def all_well(children: list[int]) -> bool:
    """Wait for children; tell whether all said that all was well."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * len(children)
