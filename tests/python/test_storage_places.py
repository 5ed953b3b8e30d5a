# SPDX-License-Identifier: Apache-2.0
"""Storages seen from outside: items, slices, resizing, DLPack, copy on write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from conftest import TARGET

NO_MEMORY = "made of an address"


def test_items_of_a_storage(device: torch.device) -> None:
    tensor = torch.arange(4, dtype=torch.uint8, device=device)
    storage = tensor.untyped_storage()
    assert [storage[1], *storage] == [1, 0, 1, 2, 3]
    storage[0] = 5
    storage[1:3] = 9
    assert tensor.tolist() == [5, 9, 9, 3]
    storage.fill_(3)
    assert tensor.tolist() == [3, 3, 3, 3]
    assert storage.clone().tolist() == [3, 3, 3, 3]
    assert storage.clone().device == tensor.device


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU's addresses hold memory")
class TestAddressesWithoutMemory:
    def test_slice_of_a_storage(self, device: torch.device) -> None:
        part = torch.arange(4, dtype=torch.uint8, device=device).untyped_storage()[0:2]
        for read in (lambda: part[0], part.tolist, part.cpu, part.clone):
            with pytest.raises(RuntimeError, match=NO_MEMORY):
                read()

    def test_dlpack(self, device: torch.device) -> None:
        x = torch.ones(3, device=device)
        with pytest.raises(ValueError, match="trireme"):
            torch.from_dlpack(x)
        y = torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x))
        uses: tuple[Callable[[], Any], ...] = (
            lambda: y + 1,
            y.cpu,
            y.zero_,
            lambda: y.copy_(torch.ones(3)),
            lambda: x.copy_(y),
            lambda: torch.cat([x, y]),
        )
        for use in uses:
            with pytest.raises(RuntimeError, match=NO_MEMORY):
                use()
        assert (torch.ones(3, device=device) + 1).tolist() == [2.0, 2.0, 2.0]


def test_lazy_clone_is_a_clone(device: torch.device) -> None:
    x = torch.arange(6.0, device=device).view(2, 3).t().requires_grad_()
    y = torch._lazy_clone(x)
    assert y.stride() == x.stride() and y.grad_fn is not None
    (y * 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[2.0, 2.0]] * 3
    with torch.no_grad():
        y.zero_()
    assert x.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


@pytest.fixture
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.int16, torch.uint8, torch.bool, torch.complex64, torch.bfloat16]
)
def test_memory_without_values_is_filled_where_that_is_asked_for(
    dtype: torch.dtype, device: torch.device
) -> None:
    def program(where: torch.device | str) -> list[torch.Tensor]:
        grown = torch.zeros(2, 3, dtype=dtype, device=where)
        grown.resize_(5, 5)
        within = torch.zeros(30, dtype=dtype, device=where)[20:24]
        within.resize_(16)
        # The same storage grows under every tensor that lies in it.
        base = torch.zeros(4, dtype=dtype, device=where)
        part = base[2:]
        part.resize_(6)
        return [
            torch.empty(7, dtype=dtype, device=where),
            torch.empty_strided((2, 3), (1, 2), dtype=dtype, device=where),
            torch.empty_permuted((2, 3), (1, 0), dtype=dtype, device=where),
            torch.empty_like(grown),
            grown,
            within,
            part,
        ]

    for got, expected in zip(program(device), program("cpu"), strict=True):
        torch.testing.assert_close(got.cpu(), expected, rtol=0, atol=0, equal_nan=True)
