"""How a process behaves on a busy machine: who goes first, and what is not done again and again.

Knows the operating system and the interpreter alone.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
from contextlib import suppress

LOWEST_REALTIME = 1
SEVERAL = 2
LOOK_AFTER = (10_000, 20, 20)
"""When the collector looks at what was allocated; the interpreter's own numbers let it look at each batch."""


def go_first() -> bool:
    """Let this thread run as soon as it can, before ordinary ones; what it starts is ordinary.

    Returns whether it is so. It needs several processors, for one must be left to the others, and leave of
    the system (CAP_SYS_NICE or RLIMIT_RTPRIO; Linux, sched(7)).
    """
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < SEVERAL:
        return False
    with suppress(OSError):
        policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(0, policy, os.sched_param(LOWEST_REALTIME))
        return True
    return False


def spare_the_collector() -> None:
    """Let the collector alone with what is loaded by now, for it lives as long as the process."""
    gc.set_threshold(*LOOK_AFTER)
    gc.freeze()
    atexit.register(gc.unfreeze)  # libraries look at the end whether all of theirs is gone
