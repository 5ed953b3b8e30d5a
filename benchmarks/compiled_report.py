# SPDX-License-Identifier: Apache-2.0
"""Writes the contests as tables, for docs/benchmarks-compiler.md."""

from __future__ import annotations

from benchmarks.contenders import CONTENDERS, EAGER, TRIREME
from benchmarks.contest import FIRST_STEPS, Contest
from benchmarks.figures import (
    Figures,
    compiling_seconds,
    figures,
    lost_to_compiling,
    roofline_ratios,
    varying,
)
from benchmarks.losses import FURTHER, Difference
from benchmarks.programs import PROGRAMS
from benchmarks.promises import promises
from benchmarks.report import machine, table
from benchmarks.roofline import rooflines

HEADER = """<!-- SPDX-License-Identifier: Apache-2.0 -->
# Benchmarks of the compiler

Eager PyTorch, Trireme and torch.compile, on the CPU of one machine, in one
run. `make bench-compile` measures and writes this file and the plot (about {minutes} minutes);
`make bench-compile BENCH_ARGS="--quick --program gpt2"` prints a rougher table of one program and
writes nothing here. `--contender` chooses among the four.

![ratios to eager](benchmarks-compiler.png)

Measured on {machine}, with {versions}.
"""

DEFINITIONS = f"""## What is measured

- *step*: from the batch on the host to the loss read, optimizer included; all optimizers are
  AdamW. Every contender has a process of its own; rounds of steps are timed by turns while the
  others sleep, after all have stopped compiling. Ratios are of neighbouring rounds: median
  (quartiles).
- *torch.compile*: `torch.compile(model)`, as its users do; *+ optimizer*: with
  `torch.compile(optimizer.step)` as well. `generate` has a
  static cache and `model.forward` compiled. Each process starts with an empty cache of compiled
  code.
- *first step*, *first {FIRST_STEPS}*: in total, of a built model whose weights are on the device;
  medians of fresh processes (torch.compile: one). The model's imports are left out.
- *compiling*: processor seconds of Trireme's threads of lower priority and of the processes that it
  starts (they run beside the program), or wall seconds that Dynamo says it compiled for, backward
  included. *lost*: seconds that the steps until the last compilation took beyond as many steady
  ones. *settled*: steps until then.
- *peak memory*: the highest resident memory of the process (VmHWM), before anything is counted;
  *with processes*: and the sum of the peaks of those that it has started (compilers), as seen
  between steps.
- *losses*: the largest relative difference to eager's over the first {FIRST_STEPS} steps, and that
  of the last step which both have taken. In inference it is a weighted sum of the outputs.
  Where they differ by more than rounding explains, the program is run in float64, too, and the
  difference to that is shown, and eager's own: losses are right that are not much further
  ({FURTHER:g} times) from float64 than eager's. T5 needs it: rounding decides which way a ReLU
  next to zero goes.
- *roofline*: FLOPs of products, convolutions, attention and LSTM layers (torch.utils.flop_counter
  on eager's step, with formulas for the fused CPU ops), at the best rate of this machine,
  plus compulsory bytes at triad bandwidth. The rate is the best that MKL or oneDNN reached
  in the whole run, in the dtype of the program, for a product of 2048^3 or for the largest product
  or convolution of any program. Bytes of a training step: parameters read and written, gradients
  written and read, optimizer state read and written, the storages that eager's autograd saves for
  the backward pass written and read; each once. Of inference: parameters once for each pass (of
  embeddings the rows looked up), the cache of keys and values written once and read for each
  later token. Nothing reaches it: it has no pointwise arithmetic, and no product of it is below
  the best rate. A compiler that recomputes activations moves fewer bytes.
"""


def title(contest: Contest) -> str:
    return PROGRAMS[contest.program].title


def names_of(contests: list[Contest]) -> list[str]:
    return [name for name in CONTENDERS if any(name in contest.results for contest in contests)]


def steps_table(contests: list[Contest], names: list[str]) -> str:
    others = [name for name in names if name != EAGER.name]
    header = ["program", "eager, ms", *(CONTENDERS[name].title for name in others), "roofline"]
    floors = roofline_ratios(contests)
    rows = []
    for contest in contests:
        eager = contest.results.get(EAGER.name)
        cells = [title(contest), f"{1e3 * eager.step():.1f}" if eager and eager.rounds else ""]
        for name in others:
            found = figures(contest, name)
            shown = f"{found.step:.2f} ({found.low:.2f}-{found.high:.2f})" if found else "failed"
            cells.append(shown if name in contest.results else "")
        ratio = floors.get(contest.program)
        rows.append([*cells, f"{ratio:.2f}" if ratio is not None else ""])
    return table(header, rows)


def start_table(contests: list[Contest], names: list[str]) -> str:
    header = ["program", "contender", "first step", f"first {FIRST_STEPS}"]
    header += [
        "compiling, s",
        "lost, s",
        "settled",
        "peak memory",
        "with processes",
        "losses, first / last",
    ]
    rows = []
    for contest in contests:
        for name in names:
            found = figures(contest, name)
            if name == EAGER.name or found is None:
                continue
            result = contest.results[name]
            rows.append(
                [
                    title(contest),
                    CONTENDERS[name].title,
                    f"{found.first_step:.2f}",
                    f"{found.first_total:.2f}",
                    f"{compiling_seconds(result):.2f}",
                    f"{lost_to_compiling(result):.2f}",
                    str(result.settled_at[0]) if result.settled else "not yet",
                    f"{found.peak_memory:.2f}",
                    f"{found.peak_with_helpers:.2f}",
                    shown_losses(found),
                ]
            )
    return table(header, rows)


def shown_losses(found: Figures) -> str:
    def both(one: Difference) -> str:
        return f"{one.first:.0e} / {one.last:.0e}"

    shown = both(found.losses)
    if found.exact is not None and found.eager_exact is not None:
        shown += f"; to float64 {both(found.exact)}, eager {both(found.eager_exact)}"
    return shown if found.agrees else f"{shown} **differ**"


def varying_table(contests: list[Contest], names: list[str]) -> str | None:
    rows = []
    for contest in contests:
        if not PROGRAMS[contest.program].varies:
            continue
        for name in names:
            if (found := varying(contest, name)) is not None:
                shown = [f"{found.step:.2f}", f"{100 * found.slower:.0f}%", f"{found.stall:.2f}"]
                rows.append([title(contest), CONTENDERS[name].title, *shown])
    header = [
        "program",
        "contender",
        "step",
        "slower than eager's median",
        "longest / median",
    ]
    return table(header, rows) if rows else None


def roofline_table(contests: list[Contest]) -> str | None:
    floors = rooflines(contests)
    rows = []
    for contest in contests:
        if (found := floors.get(contest.program)) is not None:
            rows.append(
                [
                    title(contest),
                    f"{found.flops / 1e9:.3g}",
                    f"{found.flops_per_second / 1e9:.0f} ({found.best_by})",
                    f"{found.bytes / 1e6:.3g}",
                    f"{found.bytes_per_second / 1e9:.0f}",
                    f"{1e3 * found.seconds:.3g}",
                ]
            )
    header = ["program", "GFLOP", "GFLOP/s", "MB", "GB/s", "roofline, ms"]
    return table(header, rows) if rows else None


def promises_table(contests: list[Contest]) -> str | None:
    rows = [
        [promise.text, f"{promise.asked - len(promise.broken)} of {promise.asked}"]
        + [", ".join(promise.broken)]
        for promise in promises(contests)
    ]
    return table(["Trireme", "holds for", "not for"], rows) if rows else None


def failures(contests: list[Contest]) -> str | None:
    said = [
        f"- {contest.program}: {result.error}"
        for contest in contests
        for result in contest.results.values()
        if result.error is not None
    ]
    return "\n".join(said) or None


def body(contests: list[Contest]) -> str:
    names = names_of(contests)
    sections = {
        "Steady steps, as ratios to eager's": steps_table(contests, names),
        "Starting, memory and losses, as ratios to eager's": start_table(contests, names),
        "Lengths that vary": varying_table(contests, names),
        "Rooflines": roofline_table(contests),
        "What is promised": promises_table(contests) if TRIREME.name in names else None,
        "Failures": failures(contests),
    }
    return "\n\n".join(f"## {name}\n\n{text}" for name, text in sections.items() if text)


def page(contests: list[Contest], versions: str, minutes: float) -> str:
    head = HEADER.format(minutes=max(1, round(minutes)), machine=machine(), versions=versions)
    return f"{head}\n{body(contests)}\n\n{DEFINITIONS}"
