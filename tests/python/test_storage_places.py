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


def test_slices_of_a_storage(device: torch.device) -> None:
    tensor = torch.arange(8.0, device=device)
    part = tensor.untyped_storage()[4:24]
    view = torch.empty(0, device=device).set_(part)
    assert view.tolist() == [1, 2, 3, 4, 5]
    inner = torch.empty(0, device=device).set_(part[8:16])
    inner.mul_(10)
    assert tensor.tolist() == [0, 1, 2, 30, 40, 5, 6, 7]
    tensor.neg_()
    assert view.tolist() == [-1, -2, -30, -40, -5]
    assert inner.tolist() == [-30, -40]
    assert part.tolist() == tensor.cpu().untyped_storage()[4:24].tolist()
    assert part.cpu().tolist() == part.clone().tolist() == part.tolist()
    with pytest.raises(RuntimeError, match="not resizable"):
        torch.empty(0, device=device).set_(part, 0, (6,))
    del tensor, view, inner
    assert torch.empty(0, device=device).set_(part).tolist() == [-1, -2, -30, -40, -5]


def test_a_storage_that_shrinks_while_it_is_written_to(device: torch.device) -> None:
    for _ in range(20):
        x, y = torch.randn(50_000, device=device), torch.randn(50_000, device=device)
        wanted = y.clone()
        x.untyped_storage().resize_(0)
        x.untyped_storage()._swap_data_ptr_(y.untyped_storage())  # type: ignore[attr-defined]
        assert torch.equal(x, wanted)
        assert y.untyped_storage().nbytes() == 0


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU's addresses hold memory")
class TestAddressesWithoutMemory:
    def test_slice_across_elements(self, device: torch.device) -> None:
        part = torch.arange(4.0, device=device).untyped_storage()[2:6]
        assert part.tolist() == [0, 0, 0, 0]
        with pytest.raises(RuntimeError, match=NO_MEMORY):
            torch.empty(0, device=device).set_(part).tolist()

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
