# SPDX-License-Identifier: Apache-2.0
"""What happens to pending work when the program ends."""

from __future__ import annotations

import atexit
import os
import sys

from trireme import _C

_pid = os.getpid()


def _dying() -> bool:
    """True when an uncaught exception (or Ctrl-C) ends the program.

    The interpreter sets sys.last_value just before it prints such a traceback; at an interactive
    prompt that happens after every mistake and means nothing.
    """
    interactive = bool(sys.flags.interactive) or hasattr(sys, "ps1")
    return not interactive and getattr(sys, "last_value", None) is not None


def _at_exit() -> None:
    if os.getpid() != _pid or _C.is_in_bad_fork():
        return  # the executor thread lives in the parent
    try:
        unseen = _C.shutdown(_dying())
    except KeyboardInterrupt:
        unseen = _C.shutdown(True)
    if unseen:
        # One line: a traceback of this handler would say nothing about the program.
        first = unseen.strip().splitlines()[0]
        print(
            f"trireme: warning: work that the program never waited for failed: {first}",
            file=sys.stderr,
        )


def install() -> None:
    """Handlers registered after this one, the program's own, run before it."""
    atexit.register(_at_exit)
