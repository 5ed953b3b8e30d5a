# SPDX-License-Identifier: Apache-2.0
"""What this process takes, and the processes that it has started: memory and processor time."""

from __future__ import annotations

import os
import time
from pathlib import Path

PROC = Path("/proc")
NANOSECONDS = 1e9
# Fields of /proc/<pid>/stat, counted from the one after the name (proc(5)).
USER_TICKS, SYSTEM_TICKS, NICE = 11, 12, 16
MARK = "TRIREME_BENCHMARK_WORKER"  # in the environment of a worker, and of all that it starts
OBSERVE_SECONDS = 0.5  # apart: a compiler that ends when idle is still seen


def peak_memory_kib(process: int | str = "self") -> int:
    for line in (PROC / str(process) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0  # ended, and not yet waited for


def nice_threads_seconds() -> float:
    """Processor time of this process' threads whose priority was lowered, as a compiler's is."""
    seconds = 0.0
    own = int(stat("self")[NICE])
    for thread in (PROC / "self" / "task").iterdir():
        try:
            if int(stat(f"self/task/{thread.name}")[NICE]) > own:
                seconds += int((thread / "schedstat").read_text().split()[0]) / NANOSECONDS
        except OSError:
            continue  # it has ended meanwhile
    return seconds


def stat(process: int | str) -> list[str]:
    return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()


class Helpers:
    """The processes that this one has started, though they may be children of another by now.

    They are looked at now and then: what ended in between counts as last seen.
    """

    def __init__(self) -> None:
        value = os.environ.get(MARK)
        self._mark = f"{MARK}={value}".encode() if value else None
        self._seconds: dict[int, float] = {}  # by process
        self._next = 0.0
        self.peak_kib = 0  # of all at a time; no less than the peak of their sum

    @property
    def seconds(self) -> float:
        """Processor time of all that were seen."""
        return sum(self._seconds.values())

    def observe(self, soon: bool = False) -> None:
        """Looks, unless it has just done so; `soon`: in any case."""
        if soon or time.monotonic() >= self._next:
            peaks = [self._look(process) for process in self._alive()]
            self.peak_kib = max(self.peak_kib, sum(peaks))
            self._next = time.monotonic() + OBSERVE_SECONDS

    def _alive(self) -> list[int]:
        if self._mark is None:
            return []
        found = []
        for folder in PROC.iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                try:
                    environment = (folder / "environ").read_bytes()
                except OSError:
                    continue  # it has ended, or is another user's
                if self._mark in environment.split(b"\0"):
                    found.append(int(folder.name))
        return found

    def _look(self, process: int) -> int:
        try:
            fields = stat(process)
            peak = peak_memory_kib(process)
        except OSError:
            return 0  # it ended meanwhile
        ticks = int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])
        self._seconds[process] = ticks / os.sysconf("SC_CLK_TCK")
        return peak
