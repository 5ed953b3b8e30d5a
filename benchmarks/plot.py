# SPDX-License-Identifier: Apache-2.0
"""Draws the steady steps as ratios to eager."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.contenders import CONTENDERS, EAGER
from benchmarks.contest import Contest
from benchmarks.figures import figures, roofline_ratios
from benchmarks.programs import PROGRAMS

BAR = 0.8  # of the height of a program, for all of its bars


def draw(contests: list[Contest], file: Path) -> None:
    names = [name for name in CONTENDERS if name != EAGER.name]
    names = [name for name in names if any(name in contest.results for contest in contests)]
    figure = Figure(figsize=(9, 1.5 + 0.55 * len(contests)), layout="constrained")
    axes = figure.subplots()
    height = BAR / max(1, len(names))
    for position, name in enumerate(names):
        places, ratios, low, high = [], [], [], []
        for index, contest in enumerate(contests):
            if (found := figures(contest, name)) is not None:
                places.append(index + (position + 0.5) * height - BAR / 2)
                ratios.append(found.step)
                low.append(found.step - found.low)
                high.append(found.high - found.step)
        axes.barh(places, ratios, height, xerr=(low, high), label=CONTENDERS[name].title)
    ratios_of = roofline_ratios(contests)
    floors = [(i, r) for i, c in enumerate(contests) if (r := ratios_of.get(c.program))]
    if floors:
        axes.vlines(
            [ratio for _, ratio in floors],
            [index - BAR / 2 for index, _ in floors],
            [index + BAR / 2 for index, _ in floors],
            colors="black",
            label="roofline",
        )
    axes.axvline(1.0, color="grey", linewidth=1, linestyle="--", label="eager")
    axes.set_yticks(range(len(contests)), [PROGRAMS[contest.program].title for contest in contests])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("time of a steady step, as a ratio to eager's (less is better)")
    axes.legend(fontsize="small")
    figure.savefig(file, dpi=110)
