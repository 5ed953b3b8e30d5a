# SPDX-License-Identifier: Apache-2.0
"""The least time that a step could take on this machine, from what was counted and measured."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.contest import Contest


@dataclass(frozen=True)
class Roofline:
    flops: int
    bytes: int
    flops_per_second: float
    bytes_per_second: float
    best_by: str  # what reached the best rate

    @property
    def seconds(self) -> float:
        return self.flops / self.flops_per_second + self.bytes / self.bytes_per_second


def rooflines(contests: list[Contest]) -> dict[str, Roofline]:
    """By program, without those whose eager failed.

    The rates are the best of the whole run in the program's dtype: one that was disturbed while it
    was measured does not raise the floor.
    """
    found = {}
    measured = [c for c in contests if c.facts is not None and c.rates is not None]
    for contest in measured:
        assert contest.facts is not None
        assert contest.rates is not None
        rates = [
            (rate, by)
            for other in measured
            if other.rates is not None and other.rates["dtype"] == contest.rates["dtype"]
            for by, rate in other.rates["flops_per_second"].items()
        ]
        rate, by = max(rates)
        bandwidth = max(other.rates["bytes_per_second"] for other in measured if other.rates)
        moved = sum(contest.facts["bytes"].values())
        found[contest.program] = Roofline(contest.facts["flops"], moved, rate, bandwidth, by)
    return found
