# SPDX-License-Identifier: Apache-2.0
"""Tells whether a contender has compiled something since last asked, and for how long in all."""

from __future__ import annotations

from collections.abc import Hashable

from benchmarks.programs.program import Compiles, Target
from benchmarks.usage import nice_threads_seconds


class Progress:
    """Of the process that it is made in."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._state: Hashable = None

    def moved(self) -> bool:
        """Whether something was compiled, or is still waiting for it, since the last call."""
        if self._target.device.type == "trireme":
            counters = self.counters()
            state: Hashable = counters["programs_asked"]
            pending = counters["programs_pending"] > 0
        elif self._target.compiles is not Compiles.NOTHING:
            from torch._dynamo.utils import counters as dynamo

            state, pending = dynamo["stats"]["unique_graphs"], False
        else:
            return False
        moved = pending or state != self._state
        self._state = state
        return moved

    def rests(self) -> bool:
        """Whether more will be compiled later: segments are joined once the compiler has rested."""
        return self._target.device.type == "trireme" and not self.counters()["compiler_rested"]

    def counters(self) -> dict[str, int]:
        """What the device counted of its segments; empty for others."""
        if self._target.device.type != "trireme":
            return {}
        from trireme import _C

        return _C.segments()

    def compile_seconds(self) -> float:
        """Trireme: processor time of its threads of lower priority.

        torch.compile: wall time of all frames, backward too.
        """
        if self._target.device.type == "trireme":
            return nice_threads_seconds()
        if self._target.compiles is not Compiles.NOTHING:
            from torch._dynamo.utils import calculate_time_spent

            return calculate_time_spent()["total_wall_time"]
        return 0.0
