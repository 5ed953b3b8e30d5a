# SPDX-License-Identifier: Apache-2.0
"""A process that runs one program on one device, and times it when told to.

It says one JSON object a line: first about its first step, then one for each line `run N` that it
reads. It waits blocked in between, so that another worker can be timed meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TextIO

import torch

from benchmarks.programs import PROGRAMS

SEED = 0


def synchronize(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def peak_memory_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError("benchmarks.worker: /proc/self/status has no VmHWM: Linux is needed")


def serve(program: str, device: torch.device, answers: TextIO) -> None:
    def say(**answer: object) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    build = PROGRAMS[program].imports()
    import torch._dynamo  # an optimizer's first step does, for seconds

    start = time.perf_counter()
    torch.manual_seed(SEED)
    step = build(device)
    loss = step().item()
    synchronize(device)
    say(first_step=time.perf_counter() - start, loss=loss, peak_kib=peak_memory_kib())

    for line in sys.stdin:
        steps = int(line.split()[1])
        start = time.perf_counter()
        losses = [step().item() for _ in range(steps)]
        synchronize(device)
        seconds = time.perf_counter() - start
        say(seconds=seconds, losses=losses, peak_kib=peak_memory_kib())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, choices=PROGRAMS)
    parser.add_argument("--device", required=True, type=torch.device)
    options = parser.parse_args()
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what libraries print is no answer
        serve(options.program, options.device, answers)


if __name__ == "__main__":
    main()
