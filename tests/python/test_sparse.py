# SPDX-License-Identifier: Apache-2.0
"""Sparse tensors: the CPU's results, in place too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse (CSR|invariant|CSC|BSR|BSC)"),
]


def _coo(device: torch.device | str, scale: float = 1.0, coalesced: bool = True) -> torch.Tensor:
    index = torch.tensor([[0, 1, 1, 3], [2, 0, 2, 1]], device=device)
    values = torch.tensor([3.0, 4.0, 5.0, 6.0], device=device) * scale
    if not coalesced:
        index, values = torch.cat([index, index], 1), torch.cat([values, values])
    made = torch.sparse_coo_tensor(index, values, (4, 3))
    return made.coalesce() if coalesced else made


def _other(device: torch.device | str) -> torch.Tensor:
    index = torch.tensor([[0, 2, 3], [2, 2, 1]], device=device)
    return torch.sparse_coo_tensor(
        index, torch.tensor([1.0, 2.0, 4.0], device=device), (4, 3)
    ).coalesce()


IN_PLACE: dict[str, Callable[[torch.Tensor, torch.device | str], Any]] = {
    "add_": lambda s, d: s.add_(_other(d)),
    "add_ scaled": lambda s, d: s.add_(_other(d), alpha=3),
    "sub_": lambda s, d: s.sub_(_other(d)),
    "mul_": lambda s, d: s.mul_(_other(d)),
    "mul_ number": lambda s, d: s.mul_(2.5),
    "div_ number": lambda s, d: s.div_(2.0),
    "zero_": lambda s, d: s.zero_(),
    "copy_": lambda s, d: s.copy_(_other(d)),
    "neg_": lambda s, d: s.neg_(),
    "abs_": lambda s, d: s.abs_(),
    "sqrt_": lambda s, d: s.sqrt_(),
    "pow_": lambda s, d: s._values().pow_(2),
    "coalesce": lambda s, d: s.add_(s.clone()).coalesce(),
    "resize_as_sparse_": lambda s, d: s.resize_as_sparse_(_other(d)),
    "sparse_resize_and_clear_": lambda s, d: s.sparse_resize_and_clear_((5, 6), 2, 0),
    "several": lambda s, d: s.add_(_other(d)).mul_(2).add_(_other(d)).sub_(_other(d), alpha=0.5),
    "out=": lambda s, d: torch.add(_other(d), _other(d), out=s),
}


@pytest.mark.parametrize("coalesced", [True, False])
@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str, coalesced: bool, device: torch.device) -> None:
    try:
        expected = _coo("cpu", coalesced=coalesced)
        IN_PLACE[name](expected, "cpu")
    except RuntimeError as refused:
        with pytest.raises(type(refused)):
            IN_PLACE[name](_coo(device, coalesced=coalesced), device)
        return
    for _ in range(2):
        s = _coo(device, coalesced=coalesced)
        alias = s.detach()
        IN_PLACE[name](s, device)
        assert s.is_coalesced() == expected.is_coalesced()
        assert s._nnz() == expected._nnz() and s.shape == expected.shape
        assert torch.equal(s._indices().cpu(), expected._indices())
        assert torch.equal(s._values().cpu(), expected._values())
        assert torch.equal(s.to_dense().cpu(), expected.to_dense())
        assert alias.device == s.device


@pytest.mark.parametrize("layout", [torch.sparse_csr, torch.sparse_csc])
def test_compressed_in_place(layout: torch.layout, device: torch.device) -> None:
    def program(where: torch.device | str) -> list[torch.Tensor]:
        dense = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]], device=where)
        s = dense.to_sparse(layout=layout)
        other = (dense * 2).to_sparse(layout=layout)
        s.mul_(3.0)
        results = [s.to_dense().cpu()]
        s.copy_(other)
        results.append(s.to_dense().cpu())
        s.values().add_(1.0)
        results.append(s.to_dense().cpu())
        if layout == torch.sparse_csr:
            s.add_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 5.0, 0.0]], device=where).to_sparse_csr())
            results.append(s.to_dense().cpu())
            results.append(s.col_indices().cpu())
        return results

    for got, expected in zip(program(device), program("cpu"), strict=True):
        assert torch.equal(got, expected)


def test_dense_with_sparse_in_place(device: torch.device) -> None:
    dense = torch.ones(4, 3, device=device)
    dense.add_(_coo(device))
    dense.sub_(_other(device), alpha=2)
    assert torch.equal(dense.cpu(), torch.ones(4, 3).add_(_coo("cpu")).sub_(_other("cpu"), alpha=2))


@pytest.mark.parametrize("kind", ["SGD", "SparseAdam", "Adagrad"])
def test_sparse_gradients_accumulate_and_train(kind: str, device: torch.device) -> None:
    def program(where: torch.device | str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        torch.manual_seed(3)
        table = torch.nn.Embedding(10, 3, sparse=True)
        table = table.to(where)
        optimizer = getattr(torch.optim, kind)(table.parameters(), lr=0.1)
        grads, weights = [], []
        for step in range(3):
            optimizer.zero_grad()
            for part in range(2):  # gradients of two passes add up
                index = torch.tensor([1, 2 + step, 1, 7 - part], device=where)
                (table(index) ** 2).sum().backward()
            assert table.weight.grad is not None and table.weight.grad.is_sparse
            grads.append(table.weight.grad._indices().cpu())
            grads.append(table.weight.grad.to_dense().cpu())
            optimizer.step()
            weights.append(table.weight.detach().cpu().clone())
        return grads, weights

    for got, expected in zip(program(device), program("cpu"), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("reduce", ["sum", "mean", "amax", "amin"])
def test_matmul_with_a_reduction_and_its_gradient(reduce: str, device: torch.device) -> None:
    def program(where: torch.device | str) -> list[torch.Tensor]:
        a = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]], device=where).to_sparse_csr()
        a.requires_grad_()
        b = torch.arange(12.0, device=where).view(3, 4).requires_grad_()
        out = torch.sparse.mm(a, b, reduce)
        out.mul(2).sum().backward()
        assert a.grad is not None and b.grad is not None
        return [out.detach().cpu(), a.grad.to_dense().cpu(), b.grad.cpu()]

    for got, expected in zip(program(device), program("cpu"), strict=True):
        assert torch.equal(got, expected)


def test_a_result_shares_the_memory_of_an_argument(device: torch.device) -> None:
    values = torch.tensor([2 + 3j, 4 + 5j], device=device)
    made = torch.sparse_coo_tensor(torch.tensor([[0, 2]], device=device), values, (3,))
    real = torch.view_as_real(made)
    assert real._base is made
    assert (
        real._values().untyped_storage().data_ptr() == made._values().untyped_storage().data_ptr()
    )
    made._values().mul_(2)
    assert real._values().tolist() == [[4, 6], [8, 10]]
