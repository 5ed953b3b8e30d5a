# SPDX-License-Identifier: Apache-2.0
"""Writes the comparisons as a table and as JSON."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.measure import Comparison
from benchmarks.programs import PROGRAMS
from benchmarks.programs.program import Kind

HEADER = """# Benchmarks

Everything here is a ratio to eager CPU in the same run on the same machine: 1.00 is eager's own
time or memory, less is better. `make bench` measures and writes this file (about {minutes}
minutes); `make bench BENCH_ARGS=--quick` prints a rougher table in under three minutes and writes
nothing here.

- *step*: a training step, forward to AdamW, with the batch copied from the host and the loss read,
  once nothing more is compiled; the median over pairs of neighbouring rounds, eager's and the
  device's by turns, with the quartiles in brackets.
- *first step*: in a fresh process, from the end of the imports to the end of the first step:
  building the model, its move to the device, the step; medians of several processes, each alone on
  the machine.
- *peak memory*: the highest resident memory of the whole process.
- *losses*: the largest relative difference to eager's in the first steps; kernels round in another
  order. `make bench BENCH_ARGS=--op-by-op` measures the device with nothing compiled, where the
  losses are equal, bit for bit.

Each of the two runs in a process of its own; the one that is not being timed waits. Eager's process
does not load Trireme.
"""


def machine() -> str:
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores"


def versions() -> str:
    found = []
    for package in ("trireme", "torch", "transformers"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def row(comparison: Comparison) -> list[str]:
    title = PROGRAMS[comparison.program].title
    if comparison.error is not None:
        return [title, "failed", "", "", ""]
    figures = comparison.figures()
    return [
        title,
        f"{figures['step']:.2f} ({figures['step_low']:.2f}-{figures['step_high']:.2f})",
        f"{figures['first_step']:.2f}",
        f"{figures['peak_memory']:.2f}",
        "equal" if figures["losses"] == 0 else f"{figures['losses']:.0e}",
    ]


def table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


def tables(comparisons: list[Comparison], recording: dict[str, Any] | None) -> str:
    training = [item for item in comparisons if PROGRAMS[item.program].kind is Kind.TRAINING]
    loops = [item for item in comparisons if PROGRAMS[item.program].kind is Kind.LOOP]
    parts = []
    if training:
        header = ["training step", "step", "first step", "peak memory", "losses"]
        parts.append(table(header, [row(item) for item in training]))
    small = [row(item)[:2] for item in loops]
    if recording is not None:
        ratio = recording.get("ratio")
        shown = "failed" if ratio is None else f"{ratio:.2f}"
        small.append(["C++ cost of recording a cached op, to eager's whole op", shown])
    if small:
        parts.append(table(["op by op", "time"], small))
    failures = [f"{item.program}: {item.error}" for item in comparisons if item.error]
    return "\n\n".join(parts + failures)


def page(body: str, versions: str, minutes: float) -> str:
    return (
        HEADER.format(minutes=max(1, round(minutes)))
        + f"\nMeasured on {machine()}, with {versions}.\n\n{body}\n"
    )
