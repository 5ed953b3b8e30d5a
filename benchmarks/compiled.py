# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.compiled`: eager, Trireme and torch.compile over all programs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.compiled_report import body, page
from benchmarks.contenders import CONTENDERS
from benchmarks.contest import Effort, hold
from benchmarks.plot import draw
from benchmarks.process import ROOT
from benchmarks.programs import COMPILED, PROGRAMS
from benchmarks.programs.program import Compiles, Kind
from benchmarks.report import versions

QUICK = Effort(rounds=3, processes=1, warm=20.0, rate=0.05, square=1024)
DOCS = ROOT / "docs"


@click.command(help=__doc__)
@click.option(
    "--program", "programs", multiple=True, type=click.Choice(list(PROGRAMS)), help="only these"
)
@click.option(
    "--contender",
    "contenders",
    multiple=True,
    type=click.Choice(list(CONTENDERS)),
    help="only these",
)
@click.option("--quick", is_flag=True, help="few rounds, prints only")
@click.option("--rounds", type=click.IntRange(1), help="timed rounds  [default: 15, quick 3]")
@click.option(
    "--processes", type=click.IntRange(1), help="fresh ones for first steps  [default: 2, quick 1]"
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="instead of docs/")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    programs: tuple[str, ...],
    contenders: tuple[str, ...],
    quick: bool,
    rounds: int | None,
    processes: int | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    start = time.monotonic()
    effort = QUICK if quick else Effort()
    effort = replace(
        effort, rounds=rounds or effort.rounds, processes=processes or effort.processes
    )
    chosen = [CONTENDERS[name] for name in CONTENDERS if not contenders or name in contenders]
    json_file = json_file or ROOT / "build" / "benchmarks-compiler.json"
    json_file.parent.mkdir(parents=True, exist_ok=True)
    contests = []
    for name in programs or COMPILED:
        click.echo(f"{name} ...", err=True)
        trains = PROGRAMS[name].kind is Kind.TRAINING  # else there is no optimizer to compile
        those = [c for c in chosen if trains or c.compiles is not Compiles.STEP]
        contests.append(hold(name, those, effort))
        # After each, so that a run that is broken off leaves what it has.
        json_file.write_text(json.dumps([contest.as_json() for contest in contests]) + "\n")
    click.echo(body(contests))

    whole = not (quick or programs or contenders)
    if out is None and whole:
        out = DOCS
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        minutes = (time.monotonic() - start) / 60
        (out / "benchmarks-compiler.md").write_text(page(contests, versions(), minutes))
        draw(contests, out / "benchmarks-compiler.png")


if __name__ == "__main__":
    main()
