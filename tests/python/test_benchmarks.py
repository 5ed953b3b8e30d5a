# SPDX-License-Identifier: Apache-2.0
"""The benchmarks of the compiler, by a tiny program: so that `make bench-compile` cannot rot."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from benchmarks import facts
from benchmarks.compiled import main
from benchmarks.compiled_report import body
from benchmarks.contenders import EAGER, TRIREME
from benchmarks.contest import Contest, Effort, Result, hold, run_exactly
from benchmarks.figures import figures, varying
from benchmarks.losses import loss_difference
from benchmarks.programs import COMPILED, PROGRAMS
from benchmarks.programs.program import Prepared, Target
from benchmarks.promises import promises

LITTLE = Effort(rounds=2, processes=1, warm=2.0, first_steps=4, steps=2, rate=0.01, square=64)
CPU = Target(torch.device("cpu"))


def contest_of(trireme: list[float], **changes: object) -> Contest:
    """Eager's steps take one second each, all losses are 2."""

    def result(name: str, seconds: list[float]) -> Result:
        return Result(
            name,
            first_steps=[[seconds[0], seconds[0]]],
            rounds=[[step] for step in seconds],
            losses=[2.0] * (len(seconds) + 2),
            peak_kib=1000,
            settled=True,
        )

    results = {
        "eager": result("eager", [1.0] * len(trireme)),
        "trireme": replace(result("trireme", trireme), **changes),  # type: ignore[arg-type]
    }
    return Contest("tiny", results)


def broken(contest: Contest) -> set[str]:
    return {promise.text for promise in promises([contest]) if promise.broken}


def test_a_tiny_program_by_the_command(tmp_path: Path, on_device: bool) -> None:
    if not on_device:
        pytest.skip("the command compares with the device")
    words = ["--quick", "--rounds", "2", "--program", "tiny", "--out", str(tmp_path)]
    words += ["--contender", "eager", "--contender", "trireme"]
    words += ["--json", str(tmp_path / "results.json")]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (contest,) = json.loads((tmp_path / "results.json").read_text())
    for result in contest["results"].values():
        assert result["error"] is None
        assert len(result["rounds"]) == 2
        assert result["settled"]
        assert result["peak_kib"] > 0
    assert contest["results"]["trireme"]["settled_at"][0] > 0  # something was compiled
    # Two linear layers of 64 for 32 rows: two products forward, three backward.
    assert contest["facts"]["flops"] == 5 * 2 * 32 * 64 * 64
    # Small products say nothing on a busy machine: their threads wait for each other.
    rates = contest["rates"]["flops_per_second"].values()
    assert all(rate > 0 for rate in rates)
    assert max(rates) > 1e8
    page = (tmp_path / "benchmarks-compiler.md").read_text()
    assert PROGRAMS["tiny"].title in page
    assert "differ" not in page.split("## What is measured")[0]
    assert (tmp_path / "benchmarks-compiler.png").stat().st_size > 1000


def test_varying_sizes_are_compared_at_the_same_step(on_device: bool) -> None:
    if not on_device:
        pytest.skip("needs the device")
    contest = hold("tiny-lengths", [EAGER, TRIREME], replace(LITTLE, rounds=1, warm=0.5))
    eager, trireme = contest.results["eager"], contest.results["trireme"]
    assert (eager.error, trireme.error) == (None, None)
    assert eager.sizes == trireme.sizes
    assert len(set(eager.sizes)) > 5
    assert len(eager.losses) == len(trireme.losses) >= 50
    assert loss_difference(eager.losses, trireme.losses) < 1e-3
    assert varying(contest, "trireme") is not None


def test_a_program_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    missing = replace(EAGER, name="trireme", device="nowhere")
    contest = hold("tiny", [EAGER, missing], replace(LITTLE, rounds=1))
    assert contest.results["eager"].error is None
    assert "nowhere" in str(contest.results["trireme"].error)
    assert figures(contest, "trireme") is None
    assert "## Failures" in body([contest])
    assert broken(contest) == {"runs"}


def test_figures_are_of_neighbours() -> None:
    found = figures(contest_of([0.5, 0.6, 0.4]), "trireme")
    assert found is not None
    assert found.step == 0.5
    assert (found.low, found.high) == (0.4, 0.6)
    assert found.agrees
    assert broken(contest_of([0.5, 0.6, 0.4])) == set()


def test_broken_promises_are_told() -> None:
    assert broken(contest_of([1.2] * 3)) == {
        "steady step no slower than eager's",
        "first step at most 1.05 of eager's",
        "first steps no slower in total",
    }
    assert broken(contest_of([0.9] * 3, helpers_peak_kib=1)) == {
        "training: peak memory no higher, its processes counted"
    }
    losses = [2.0, 2.01, 2.0, 2.0, 2.0]
    assert broken(contest_of([0.9] * 3, losses=losses)) == {"losses agree with eager's"}
    losses = [2.0, 2.0, 2.0, 2.0, 2.1]
    assert broken(contest_of([0.9] * 3, losses=losses)) == {"losses agree with eager's"}


def test_losses_are_held_against_float64_where_eager_differs() -> None:
    """Five steps: the last loss is eager's 2 and the contender's 2.2."""

    def judged(exact: list[float]) -> bool:
        contest = contest_of([0.9] * 3, losses=[2.0, 2.0, 2.0, 2.0, 2.2])
        contest.exact = Result("exact", first_steps=[[1.0, 1.0]], losses=exact)
        found = figures(contest, "trireme")
        assert found is not None
        assert found.exact is not None
        return found.agrees

    assert judged([2.0, 2.0, 2.0, 2.0, 2.1])  # both are as far from it
    assert judged([2.0, 2.0, 2.0, 2.0, 2.2])
    assert not judged([2.0] * 5)  # eager is right
    assert not judged([2.0, 2.0, 2.0, 2.0, 2.01])  # eager is much nearer


def test_a_program_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where losses differ, and as far as the two were compared."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    contest = contest_of([0.9] * 3)
    assert run_exactly(contest, LITTLE) is None
    contest.results["trireme"].losses[-1] = 3.0
    exact = run_exactly(contest, LITTLE)
    assert exact is not None
    assert len(exact.losses) == 5
    assert exact.losses[0] != float(torch.tensor(exact.losses[0]))  # more than f32 can hold


def test_loss_difference() -> None:
    assert loss_difference([2.0, 1.0], [2.0, 1.1]) == pytest.approx(0.1)
    assert loss_difference([2.0, 0.0], [2.0, 0.01]) == pytest.approx(0.1)  # of 5% of the first
    assert loss_difference([1.0], [math.nan]) == math.inf
    assert loss_difference([math.inf], [1.0]) == math.inf


def test_facts_of_attention_and_lstm() -> None:
    """Where torch's counter has no formula on the CPU."""
    batch, heads, length, width = 2, 3, 8, 16
    q = torch.randn(batch, heads, length, width, requires_grad=True)
    attend = torch.nn.functional.scaled_dot_product_attention
    found = facts.of(Prepared(lambda: attend(q, q, q).sum(), torch.nn.Identity()))
    assert found["flops"] == 2 * 2 * batch * heads * length * length * width

    lstm = torch.nn.LSTM(width, 32)
    x = torch.randn(length, batch, width)
    found = facts.of(Prepared(lambda: lstm(x)[0].sum(), lstm))
    assert found["flops"] == 2 * length * batch * 4 * 32 * (width + 32)


def test_embeddings_count_by_the_rows_looked_up() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(1000, 16), torch.nn.Linear(16, 4, bias=False))
    ids = torch.arange(10)
    with torch.no_grad():
        found = facts.of(Prepared(lambda: model(ids).sum(), model))
    assert found["bytes"] == {"parameters": 4 * (10 * 16 + 16 * 4), "cache": 0}


def test_saved_activations_count_once() -> None:
    weight = torch.nn.Linear(8, 8, bias=False)
    optimizer = torch.optim.SGD(weight.parameters(), lr=0.1)
    x = torch.randn(4, 8)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        y = weight(x)  # saves x
        loss = (y * y).sum()  # saves y, twice
        loss.backward()
        optimizer.step()
        return loss

    found = facts.of(Prepared(step, weight, optimizer))
    assert found["bytes"]["activations"] == 2 * 4 * (4 * 8 + 4 * 8)
    assert found["bytes"]["gradients"] == 2 * 4 * 64


@pytest.mark.parametrize("name", [name for name in COMPILED if name != "lengths"])
def test_every_program_builds(name: str) -> None:
    """Without a step: these are too large for a test."""
    prepared = PROGRAMS[name].imports()(CPU)
    assert prepared.model is not None
    assert sum(p.numel() for p in prepared.model.parameters()) > 10_000
