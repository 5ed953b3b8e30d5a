# SPDX-License-Identifier: Apache-2.0
"""A process that runs one program for one contender, and times it when told to.

It says one JSON object a line: first that the program is built, then one for each line it reads:

    run N         N steps
    warm SECONDS  steps until nothing more is compiled, for at most so long
    facts         what one step computes and must move, by eager (benchmarks/facts.py)
    rates         JSON of shapes: the best rates of this machine for them (benchmarks/rates.py)

It waits blocked in between, so that another worker can be timed meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any, TextIO

import torch

from benchmarks import facts, rates
from benchmarks.programs import PROGRAMS
from benchmarks.programs.program import Compiles, Prepared, Target
from benchmarks.progress import Progress
from benchmarks.usage import Helpers, peak_memory_kib

SEED = 0
# Warm: for so many steps and seconds nothing was compiled, or was to be after a rest.
SETTLED_STEPS, SETTLED_SECONDS = 8, 1.0


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


@dataclass
class Runner:
    """Runs steps and watches what is compiled meanwhile."""

    prepared: Prepared
    device: torch.device
    progress: Progress
    helpers: Helpers = field(default_factory=Helpers)
    steps: int = 0
    elapsed: float = 0.0  # seconds of all steps so far
    settled_at: tuple[int, float] = (0, 0.0)  # steps and seconds when something was last compiled
    rested_at: tuple[int, float] = (0, 0.0)  # when that, or a rest after it, ended
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def step(self) -> None:
        start = time.perf_counter()
        loss = self.prepared.step().item()
        synchronize(self.device)
        spent = time.perf_counter() - start
        self.steps += 1
        self.elapsed += spent
        self.seconds.append(spent)
        self.losses.append(loss)
        if self.progress.moved():
            self.settled_at = self.rested_at = (self.steps, self.elapsed)
        elif self.progress.rests():
            self.rested_at = (self.steps, self.elapsed)
        self.helpers.observe()

    def settled(self) -> bool:
        steps, seconds = self.steps - self.rested_at[0], self.elapsed - self.rested_at[1]
        return steps >= SETTLED_STEPS and seconds >= SETTLED_SECONDS

    def answer(self) -> dict[str, Any]:
        self.helpers.observe(soon=True)
        taken = {
            "seconds": self.seconds,
            "losses": self.losses,
            "peak_kib": peak_memory_kib(),
            "helpers_peak_kib": self.helpers.peak_kib,
            "settled": self.settled(),
            "settled_at": self.settled_at,
            "compile_seconds": self.progress.compile_seconds(),
            "helpers_seconds": self.helpers.seconds,
            "counters": self.progress.counters(),
        }
        self.seconds, self.losses = [], []
        return taken


def serve(program: str, target: Target, answers: TextIO) -> None:
    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    build = PROGRAMS[program].imports()
    import torch._dynamo  # an optimizer's first step does, for seconds

    start = time.perf_counter()
    torch.manual_seed(SEED)
    prepared = build(target)
    synchronize(target.device)
    runner = Runner(prepared, target.device, Progress(target))
    say({"build_seconds": time.perf_counter() - start, "sizes": prepared.sizes})

    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "run":
            for _ in range(int(argument)):
                runner.step()
            say(runner.answer())
        elif command == "warm":
            end = time.monotonic() + float(argument)
            while not runner.settled() and time.monotonic() < end:
                runner.step()
            say(runner.answer())
        elif command == "facts":
            say(facts.of(prepared))
        elif command == "rates":
            say(rates.measure(json.loads(argument)))
        else:
            raise ValueError(f"benchmarks.worker: cannot {command!r}; see its docstring")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, choices=PROGRAMS)
    parser.add_argument("--device", required=True, type=torch.device)
    parser.add_argument("--compiles", type=Compiles, default=Compiles.NOTHING)
    parser.add_argument("--exact", action="store_true", help="in float64")
    options = parser.parse_args()
    answers = sys.stdout
    target = Target(options.device, options.compiles, options.exact)
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
        serve(options.program, target, answers)


if __name__ == "__main__":
    main()
