# SPDX-License-Identifier: Apache-2.0
"""What is promised of Trireme, and for which programs it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.contenders import EAGER, TRIREME
from benchmarks.contest import Contest
from benchmarks.figures import Figures, compiling_seconds, figures, varying
from benchmarks.programs import PROGRAMS
from benchmarks.programs.program import Kind

FIRST_STEP = 1.05  # of eager's
COMPILE_SECONDS = 2.0  # for GPT-2
STALL = 2.0  # medians


@dataclass(frozen=True)
class Promise:
    text: str
    asked: int  # programs
    broken: list[str]  # programs, with what was measured


def at_most(text: str, limit: float, seen: Iterable[tuple[str, float]]) -> Promise:
    values = list(seen)
    broken = [f"{program} {value:.3g}" for program, value in values if not value <= limit]
    return Promise(text, len(values), broken)


def promises(contests: list[Contest]) -> list[Promise]:
    """Over the programs that were measured with eager and with Trireme."""
    tried = [c for c in contests if {EAGER.name, TRIREME.name} <= c.results.keys()]
    measured: list[tuple[Contest, Figures]] = []
    for contest in tried:
        if (shown := figures(contest, TRIREME.name)) is not None:
            measured.append((contest, shown))
    succeeded = {contest.program for contest, _ in measured}
    fixed = [(c.program, f) for c, f in measured if not PROGRAMS[c.program].varies]
    lengths = [
        (c.program, varied)
        for c, _ in measured
        if PROGRAMS[c.program].varies and (varied := varying(c, TRIREME.name)) is not None
    ]
    trained = [(c.program, f) for c, f in measured if PROGRAMS[c.program].kind is Kind.TRAINING]
    compiling = [
        (c.program, compiling_seconds(c.results[TRIREME.name]))
        for c, _ in measured
        if c.program == "gpt2"
    ]
    found = [
        Promise("runs", len(tried), [c.program for c in tried if c.program not in succeeded]),
        Promise(
            "losses agree with eager's",
            len(measured),
            [f"{c.program} {f.losses.largest():.2g}" for c, f in measured if not f.agrees],
        ),
        at_most("steady step no slower than eager's", 1.0, ((p, f.step) for p, f in fixed)),
        at_most(
            f"first step at most {FIRST_STEP} of eager's",
            FIRST_STEP,
            ((p, f.first_step) for p, f in fixed),
        ),
        at_most("first steps no slower in total", 1.0, ((p, f.first_total) for p, f in fixed)),
        at_most("training: peak memory no higher", 1.0, ((p, f.peak_memory) for p, f in trained)),
        at_most(
            "training: peak memory no higher, its processes counted",
            1.0,
            ((p, f.peak_with_helpers) for p, f in trained),
        ),
        at_most(
            f"GPT-2: at most {COMPILE_SECONDS:g} s of compile time", COMPILE_SECONDS, compiling
        ),
        at_most(
            "varying lengths: share of steps slower than eager's median",
            0.0,
            ((p, v.slower) for p, v in lengths),
        ),
        at_most(
            f"varying lengths: longest step at most {STALL:g} medians",
            STALL,
            ((p, v.stall) for p, v in lengths),
        ),
    ]
    return [promise for promise in found if promise.asked]
