# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: measure the device as users run it against eager CPU, write a table."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.contenders import Contender
from benchmarks.measure import compare, record_bench
from benchmarks.process import ROOT
from benchmarks.programs import BY_OP
from benchmarks.report import page, tables, versions


@click.command(help=__doc__)
@click.option("--device", default="trireme", show_default=True, help="what to compare with the CPU")
@click.option("--op-by-op", is_flag=True, help="nothing compiled (TRIREME_COMPILE=0); prints only")
@click.option("--quick", is_flag=True, help="under three minutes, prints only")
@click.option("--rounds", type=click.IntRange(1), help="timed rounds  [default: 15, quick 5]")
@click.option(
    "--processes", type=click.IntRange(1), help="fresh processes a device  [default: 5, quick 1]"
)
@click.option("--program", "names", multiple=True, type=click.Choice(BY_OP), help="only these")
@click.option("--build", type=click.Path(path_type=Path), default=ROOT / "build" / "release")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(
    device: str,
    op_by_op: bool,
    quick: bool,
    rounds: int | None,
    processes: int | None,
    names: tuple[str, ...],
    build: Path,
    json_file: Path | None,
) -> None:
    start = time.monotonic()
    rounds = rounds or (5 if quick else 15)
    processes = processes or (1 if quick else 5)
    contender = Contender(device, device, device)
    if op_by_op:
        contender = replace(contender, environment={"TRIREME_COMPILE": "0"})
    comparisons = []
    for name in names or BY_OP:
        click.echo(f"{name} ...", err=True)
        comparisons.append(compare(name, contender, rounds, processes))
    recording = record_bench(build)
    body = tables(comparisons, recording)
    click.echo(body)

    json_file = json_file or ROOT / "build" / "benchmarks.json"
    json_file.parent.mkdir(parents=True, exist_ok=True)
    results = {
        "device": device,
        "comparisons": [comparison.as_json() for comparison in comparisons],
        "recording": recording,
    }
    json_file.write_text(json.dumps(results, indent=1) + "\n")
    if not (quick or names or op_by_op):
        minutes = (time.monotonic() - start) / 60
        (ROOT / "docs" / "benchmarks.md").write_text(page(body, versions(), minutes))


if __name__ == "__main__":
    main()
