# SPDX-License-Identifier: Apache-2.0
"""What a contest says of a contender, as ratios to eager in the same run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median

from benchmarks.contenders import EAGER, TRIREME
from benchmarks.contest import Contest, Result
from benchmarks.losses import Difference, agrees
from benchmarks.roofline import rooflines


@dataclass(frozen=True)
class Figures:
    """One contender's; all ratios are to eager in the same run, less is better."""

    step: float
    low: float  # quartiles of `step` over the rounds
    high: float
    first_step: float
    first_total: float
    peak_memory: float
    peak_with_helpers: float  # the processes that it started counted, too
    losses: Difference  # to eager's
    exact: Difference | None  # to those of the run in float64, where eager's differ
    eager_exact: Difference | None  # eager's own
    agrees: bool


def figures(contest: Contest, name: str) -> Figures | None:
    """None where eager or the contender failed."""
    eager, other = contest.results.get(EAGER.name), contest.results.get(name)
    if eager is None or other is None or eager.error is not None or other.error is not None:
        return None
    pairs = zip(eager.round_means(), other.round_means(), strict=True)
    ratios = sorted(b / a for a, b in pairs)  # of neighbours in time
    losses = eager.difference(other)
    exact = contest.exact.difference(other) if contest.exact else None
    eager_exact = contest.exact.difference(eager, other) if contest.exact else None
    return Figures(
        step=median(ratios),
        low=ratios[len(ratios) // 4],
        high=ratios[-1 - len(ratios) // 4],
        first_step=other.first() / eager.first(),
        first_total=other.first_total() / eager.first_total(),
        peak_memory=other.peak_kib / eager.peak_kib,
        peak_with_helpers=(other.peak_kib + other.helpers_peak_kib) / eager.peak_kib,
        losses=losses,
        exact=exact,
        eager_exact=eager_exact,
        agrees=agrees(contest.program, losses, exact, eager_exact),
    )


def compiling_seconds(result: Result) -> float:
    """Trireme's compiling is done by threads, and by a process that only compiles."""
    helpers = result.helpers_seconds if result.contender == TRIREME.name else 0.0
    return result.compile_seconds + helpers


def lost_to_compiling(result: Result) -> float:
    """Seconds that the steps until the last compilation took beyond as many steady ones."""
    steps, seconds = result.settled_at
    return max(0.0, seconds - steps * result.step())


def roofline_ratios(contests: list[Contest]) -> dict[str, float]:
    """By program, without those whose eager failed."""
    eager = {contest.program: contest.results.get(EAGER.name) for contest in contests}
    return {
        program: found.seconds / result.step()
        for program, found in rooflines(contests).items()
        if (result := eager[program]) is not None and result.rounds
    }


@dataclass(frozen=True)
class Varying:
    """Steps of different sizes, each held against eager's or its own median at its size."""

    step: float  # median ratio to eager
    slower: float  # share of the steps that are slower than eager's median
    stall: float  # the longest, over the contender's median


def varying(contest: Contest, name: str) -> Varying | None:
    eager, other = contest.results.get(EAGER.name), contest.results.get(name)
    if eager is None or other is None or not eager.rounds or not other.rounds:
        return None

    def by_size(result: Result) -> dict[int, list[float]]:
        steps = result.steps_in_order()
        before = len(result.losses) - len(steps)
        found = defaultdict(list)
        for index, seconds in enumerate(steps, start=before):
            found[result.sizes[index % len(result.sizes)]].append(seconds)
        return found

    expected = {size: median(steps) for size, steps in by_size(eager).items()}
    ratios, stalls = [], []
    for size, steps in by_size(other).items():
        own = median(steps)
        stalls += [seconds / own for seconds in steps]
        ratios += [seconds / expected[size] for seconds in steps]
    slower = sum(ratio > 1 for ratio in ratios) / len(ratios)
    return Varying(median(ratios), slower, max(stalls))
