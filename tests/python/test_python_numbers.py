# SPDX-License-Identifier: Apache-2.0
"""Python numbers that PyTorch passes as CPU tensors: `x * 2.5`, `x + i`, `torch.where(m, x, 0.)`."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

Number = bool | int | float | complex
INTERESTING: list[Number] = [True, 3, -(2**62), 2.5, 1e300, -0.0, math.inf, math.nan, 1 + 2j, 0]


@pytest.mark.parametrize("number", INTERESTING, ids=repr)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.int32, torch.bool, torch.complex64], ids=str
)
@pytest.mark.parametrize("op", [torch.add, torch.mul, torch.eq], ids=lambda op: op.__name__)
def test_types_and_values_are_as_in_eager(
    op: Callable[[torch.Tensor, Number], torch.Tensor], dtype: torch.dtype, number: Number
) -> None:
    host = torch.tensor([0, 1, -2, 3]).to(dtype)
    wanted = op(host, number)
    for _ in range(4):  # the first time, known, and of a compiled segment
        found = op(host.to("trireme"), number)
        torch.accelerator.synchronize()
        torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=0, equal_nan=True)
        assert found.dtype == wanted.dtype
        if not (wanted.is_complex() or wanted.isnan().any()):
            assert torch.equal(found.cpu().signbit(), wanted.signbit())


def test_a_number_that_changes_after_many_steps_counts() -> None:
    def run(device: str) -> list[torch.Tensor]:
        x = torch.arange(6, dtype=torch.float32, device=device)
        results = []
        for step in range(40):
            # Constant for as long as a segment is compiled.
            scale = 0.5 if step < 20 else 0.5 + step
            y = x * scale + (1 if step != 30 else -0.0)
            y = torch.where(y > scale, y, 0.25) ** 2 - step
            x = y.clamp(-3, 3) if step % 2 else x / 3
            results.append(y.cpu())
        return results

    for found, wanted in zip(run("trireme"), run("cpu"), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_a_cpu_tensor_is_read_when_the_op_is_called() -> None:
    x = torch.ones(4, device="trireme")
    scale = torch.tensor(2.0)
    first = x * scale
    scale.fill_(3.0)
    second = x * scale
    assert first.tolist() == [2.0] * 4
    assert second.tolist() == [3.0] * 4
