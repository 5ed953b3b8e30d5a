# SPDX-License-Identifier: Apache-2.0
"""Output metadata: from meta kernels and learned from the CPU, both held against the CPU over op_db; and the
probe that finds the overloads whose meta kernels disagree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import TARGET
from metadata_probe import MetadataProbe, databases, walk_ops

if TARGET != "cpu":
    from trireme import counters

HERE = Path(__file__).resolve().parent
# Few samples each: the default mode runs all of them in test_ops.py.
SELECTION = {
    "learn": "test_forward and float32",
    "check": "((test_forward or test_inplace) and (float32 or int64)) or test_errors",
}


def run_in_mode(mode: str) -> subprocess.CompletedProcess[str]:
    """The mode is read when the process starts."""
    env = {**os.environ, "TRIREME_METADATA": mode, "TRIREME_TEST_SAMPLES": "2"}
    env.pop("PYTEST_XDIST_WORKER", None)
    command = [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "no:cacheprovider"]
    command += ["--timeout", "120", "-k", SELECTION[mode], str(HERE / "test_ops.py")]
    return subprocess.run(
        command, capture_output=True, text=True, env=env, timeout=800, check=False
    )


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
@pytest.mark.parametrize("mode", ["learn", "check"])
def test_op_db_in_mode(mode: str) -> None:
    """Learned metadata is right; what meta functions say is what is learned, errors included."""
    done = run_in_mode(mode)
    found = re.search(r"(?:(\d+) failed, )?(\d+) passed", done.stdout)
    assert found is not None, done.stdout[-3000:] + done.stderr[-3000:]
    failed, passed = int(found.group(1) or 0), int(found.group(2))
    assert passed / (passed + failed) >= 0.995, done.stdout[-6000:]
    # A disagreement is an error of the test's teardown: none is let through.
    assert not re.search(r"\d+ errors?\b", done.stdout), done.stdout[-6000:]


def awaited(call: Callable[[], object]) -> int:
    before = counters()["awaited"]
    call()
    return counters()["awaited"] - before


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
def test_a_new_shape_does_not_wait(device: torch.device) -> None:
    def chain(rows: int) -> torch.Tensor:
        x = torch.cat([left[:rows], left[:1]])
        return torch.tanh((x @ right) * 2 + 1).softmax(-1).sum(0)

    left, right = torch.randn(50, 7).to(device), torch.randn(7, 11).to(device)
    assert awaited(lambda: chain(41)) == 0
    expected = torch.tanh((torch.cat([left.cpu()[:43], left.cpu()[:1]]) @ right.cpu()) * 2 + 1)
    assert torch.equal(chain(43).cpu(), expected.softmax(-1).sum(0))


N = 23  # a size that no other test uses: each call below is of a signature not seen before
Tensors = Callable[..., torch.Tensor]
RULES: dict[str, Callable[[Tensors], object]] = {
    "arange": lambda t: torch.arange(3, N, 2, device=t().device),
    "attention": lambda t: F.scaled_dot_product_attention(
        t(1, 2, N, 4), t(1, 2, N, 4), t(1, 2, N, 4)
    ),
    "batch_norm": lambda t: F.batch_norm(t(2, N, 3), None, None, training=True),
    "clone": lambda t: t(N, 5).t().clone(),
    "conv1d": lambda t: F.conv1d(t(2, 4, N), t(6, 2, 3), t(6), stride=2, groups=2),
    "conv2d": lambda t: F.conv2d(t(2, 3, N, N), t(4, 3, 3, 3), padding=1),
    "copy_": lambda t: t(N, 2)[:, 0].copy_(t(N)),
    "cumsum": lambda t: t(N, 3).cumsum(0),
    "div": lambda t: t(N, 6) / 3,
    "dropout": lambda t: F.dropout(t(N, 7), 0.25),
    "embedding": lambda t: F.embedding(t(2, N).long(), t(9, N)),
    "foreach": lambda t: torch._foreach_mul([t(N), t(3, N)], 2.0),
    "foreach_": lambda t: torch._foreach_addcmul_([t(N)], [t(N)], [t(N)], value=0.5),
    "foreach_norm": lambda t: torch._foreach_norm([t(N), t(3, N)]),
    "full": lambda t: torch.full((N, 2), 2.5, device=t().device),
    "full_like": lambda t: torch.full_like(t(N, 8), 3),
    "gelu": lambda t: F.gelu(t(N, 9), approximate="tanh"),
    "group_norm": lambda t: F.group_norm(t(2, 4, N), 2),
    "index_put_": lambda t: t(N, 11).index_put_((t(4).long(),), t(11)),
    "layer_norm": lambda t: F.layer_norm(t(N, 12), (12,), t(12), t(12)),
    "masked_fill": lambda t: t(N, 13).masked_fill(t(N, 1) > 2, -3e38),
    "masked_fill_": lambda t: t(N, 14).masked_fill_(t(14) > 2, float("-inf")),
    "max_pool2d": lambda t: F.max_pool2d(t(1, 2, N, N), 3, 2, 1),
    "new_zeros": lambda t: t(2).new_zeros(N, 15),
    "mean": lambda t: t(N, 29).mean(),
    "norm": lambda t: torch.linalg.vector_norm(t(N, 16)),
    "normal_": lambda t: t(N, 17).normal_(0.5, 2.0),
    "pad": lambda t: F.pad(t(N, 18), (1, 2)),
    "relu": lambda t: F.relu(t(N, 19)),
    "repeat": lambda t: t(N, 20).repeat(2, 1, 3),
    "roll": lambda t: t(N, 21).roll((1, 2), (0, 1)),
    "rsub": lambda t: 1 - t(N, 22),
    "scalar_tensor": lambda t: torch.scalar_tensor(2.75, device=t().device),
    "stack": lambda t: torch.stack([t(N, 24), t(N, 24)], -1),
    "to": lambda t: t(N, 25).to(torch.bool),
    "uniform_": lambda t: t(N, 26).uniform_(-1, 2),
    "where": lambda t: torch.where(t(N, 1) > 1, t(1, 27), t()),
    "zero_": lambda t: t(N, 28).t().zero_(),
}
# The same with their backward.
DIFFERENTIATED = [
    *("attention", "batch_norm", "conv1d", "conv2d", "dropout", "embedding", "gelu"),
    *("group_norm", "layer_norm", "max_pool2d", "pad", "relu", "rsub"),
]


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no metadata cache")
@pytest.mark.parametrize("name", RULES)
def test_rules_are_used(name: str, device: torch.device) -> None:
    """First calls that need not be waited for. That the rules are right is what `check` holds."""
    inputs: list[torch.Tensor] = []

    def on_cpu(*sizes: int) -> torch.Tensor:
        values = (torch.arange(torch.Size(sizes).numel()) % 5).float().view(sizes)
        inputs.append(values.to(device).requires_grad_(name in DIFFERENTIATED))
        return values

    RULES[name](on_cpu)
    remaining = iter(inputs)

    def run() -> None:
        result = RULES[name](lambda *_: next(remaining))
        if name in DIFFERENTIATED:
            assert isinstance(result, torch.Tensor)
            (result * 2).sum().backward()

    assert awaited(run) == 0


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU raises all errors at the call")
def test_what_meta_lets_through_is_learned(device: torch.device) -> None:
    """The CPU has no such kernels; its error comes at the call, not at the next wait."""
    bools = torch.ones(13, 13, dtype=torch.bool, device=device)
    with pytest.raises(NotImplementedError, match="Bool"):
        torch.mm(bools, bools)
    with pytest.raises(NotImplementedError, match="Bool"):
        torch.softmax(bools, 0)
    with pytest.raises(RuntimeError, match="approximate"):
        torch.nn.functional.gelu(torch.ones(17, device=device), approximate="thanh")
    with pytest.raises(RuntimeError, match="broadcast"):
        torch.ones(3, 1, device=device).add_(torch.ones(3, 19, device=device))


def test_probe_finds_known_disagreements() -> None:
    """The probe itself: it sees a kernel whose meta strides differ, and none where they agree."""
    probe = MetadataProbe()
    wanted = {"linalg.eig", "tanh", "nonzero"}
    walk_ops(probe, [op for op in databases() if op.name in wanted], cap=3)
    assert "aten::linalg_eig" in probe.found
    assert "aten::nonzero" in probe.found
    assert "aten::tanh" not in probe.found


def test_meta_agrees_for_contiguous_pointwise_calls() -> None:
    """The hot ops may take metadata from meta when every input is row-major and not empty."""
    probe = MetadataProbe()
    hot = {
        "add",
        "sub",
        "mul",
        "div",
        "neg",
        "exp",
        "tanh",
        "clone",
        "sum",
        "mean",
        "softmax",
        "mm",
        "bmm",
    }
    walk_ops(probe, [op for op in databases() if op.name in hot], cap=4)
    always = {name for name, scopes in probe.scope.items() if scopes["always"]}
    assert not always, {name: probe.examples for name in always}
