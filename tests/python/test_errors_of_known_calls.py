# SPDX-License-Identifier: Apache-2.0
"""A call whose like was seen before is not waited for; still it raises at the call what eager raises
there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import TARGET

import trireme

pytestmark = [
    pytest.mark.skipif(TARGET == "cpu", reason="the CPU raises everything at the call"),
    pytest.mark.filterwarnings("ignore:An output with one or more elements was resized"),
]

Call = Callable[[str], Any]


def _base(device: str) -> torch.Tensor:
    return torch.arange(24.0, device=device)


def _ints(device: str) -> torch.Tensor:
    return torch.ones(3, dtype=torch.int32, device=device)


def _mask(device: str) -> torch.Tensor:
    return torch.ones(3, dtype=torch.bool, device=device)


def _resized_input(device: str) -> torch.Tensor:
    small = torch.ones(6, device=device)
    return torch.maximum(torch.ones(4, 6, device=device), small, out=small)


# A call that works, and one with arguments of the same shapes and dtypes that does not.
PAIRS: dict[str, tuple[Call, Call]] = {
    "add_ of an overlapping view": (
        lambda d: _base(d)[:5].add_(_base(d)[2:7]),
        lambda d: (lambda x: x[:5].add_(x[2:7]))(_base(d)),
    ),
    "copy_ of an overlapping view": (
        lambda d: _base(d)[:5].copy_(_base(d)[2:7]),
        lambda d: (lambda x: x[:5].copy_(x[2:7]))(_base(d)),
    ),
    "cat into its inputs": (
        lambda d: torch.cat([_base(d)[:2], _base(d)[2:4]], out=_base(d)[1:5]),
        lambda d: (lambda x: torch.cat([x[:2], x[2:4]], out=x[1:5]))(_base(d)),
    ),
    "out= beside an input": (
        lambda d: torch.add(_base(d)[:4], 1, out=_base(d)[2:6]),
        lambda d: (lambda x: torch.add(x[:4], 1, out=x[2:6]))(_base(d)),
    ),
    "kthvalue into its input": (
        lambda d: torch.kthvalue(
            _base(d), 3, out=(_base(d)[0], torch.zeros_like(_base(d)[0]).long())
        ),
        lambda d: (lambda x: torch.kthvalue(x, 3, out=(x[0], torch.zeros_like(x[0]).long())))(
            _base(d)
        ),
    ),
    "index_add into its source": (
        lambda d: _base(d)[:4].index_add_(0, torch.tensor([0], device=d), _base(d)[3:4]),
        lambda d: (lambda x: x[:4].index_add_(0, torch.tensor([0], device=d), x[3:4]))(_base(d)),
    ),
    "out= is an input of another size": (
        lambda d: torch.maximum(
            torch.ones(4, 6, device=d), torch.ones(6, device=d), out=torch.ones(6, device=d)
        ),
        _resized_input,
    ),
    "masked_fill beyond the dtype": (
        lambda d: _ints(d).masked_fill(_mask(d), 7),
        lambda d: _ints(d).masked_fill(_mask(d), 2**40),
    ),
    "fill_ beyond the dtype": (
        lambda d: _ints(d).to(torch.int8).fill_(-128),
        lambda d: _ints(d).to(torch.int8).fill_(128),
    ),
    "fill_ of float16 beyond its range": (
        lambda d: _ints(d).half().fill_(65504.0),
        lambda d: _ints(d).half().fill_(1e6),
    ),
    "fill_ of ints with nan": (
        lambda d: _ints(d).fill_(1.0),
        lambda d: _ints(d).fill_(float("nan")),
    ),
    "smooth_l1_loss with a negative beta": (
        lambda d: torch.ops.aten.smooth_l1_loss(_base(d), _base(d), 1, 1.0),
        lambda d: torch.ops.aten.smooth_l1_loss(_base(d), _base(d), 1, -1.0),
    ),
    "celu with alpha 0": (
        lambda d: torch.celu(_base(d), 1.0),
        lambda d: torch.celu(_base(d), 0.0),
    ),
    "cdist with a negative p": (
        lambda d: torch.cdist(_base(d).view(4, 6), _base(d).view(4, 6), p=3.0),
        lambda d: torch.cdist(_base(d).view(4, 6), _base(d).view(4, 6), p=-3.0),
    ),
    "histc with bounds in the wrong order": (
        lambda d: torch.histc(_base(d), 4, 0, 5),
        lambda d: torch.histc(_base(d), 4, 5, 2),
    ),
    "multi_margin_loss with an unknown p": (
        lambda d: torch.ops.aten.multi_margin_loss(
            _base(d).view(4, 6), torch.zeros(4, dtype=torch.long, device=d), 1
        ),
        lambda d: torch.ops.aten.multi_margin_loss(
            _base(d).view(4, 6), torch.zeros(4, dtype=torch.long, device=d), 3
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_raised_at_the_call(name: str, device: torch.device) -> None:
    good, bad = PAIRS[name]
    with pytest.raises(Exception) as eager:  # noqa: PT011
        bad("cpu")
    for _ in range(2):
        good(str(device))
        with pytest.raises(type(eager.value)) as caught:
            bad(str(device))
        assert str(caught.value).splitlines()[0] == str(eager.value).splitlines()[0]
    torch.accelerator.synchronize()


def test_writing_within_one_storage_stays_right(device: torch.device) -> None:
    """What eager allows: disjoint parts, the same part, interleaved parts."""

    def program(where: torch.device | str) -> list[float]:
        x = torch.arange(24.0, device=where)
        for i in range(1, 6):
            x[4 * i - 4 : 4 * i].copy_(x[4 * i - 3 : 4 * i - 2].clone().expand(4))
            x[i : i + 2].add_(x[i + 10 : i + 12])
        x[:5].mul_(x[:5])
        x[::2].sub_(x[1::2])
        torch.add(x, x, out=x)
        return x.tolist()

    assert program(device) == program("cpu")


def test_a_counter_that_grows_is_learned_once_for_each_range(device: torch.device) -> None:
    """A number of another size may be refused, so its class is tried; its value never matters."""
    x = torch.zeros(3, dtype=torch.int64, device=device)
    x.fill_(1)
    before = trireme.counters()["cache_misses"]
    for i in range(1, 1000):
        x.fill_(i)
    assert x.tolist() == [999, 999, 999]
    assert trireme.counters()["cache_misses"] - before < 10


class TestCpuTensorsAmongTheArguments:
    def test_a_written_scalar_must_be_on_the_device(self, device: torch.device) -> None:
        x = torch.ones(3, device=device)
        for call in (
            lambda: torch.nonzero(x, out=torch.empty([], dtype=torch.long)),
            lambda: torch.sum(x, 0, out=torch.empty([])),
            lambda: torch.tensor(1.0).add_(x[0]),
        ):
            with pytest.raises(RuntimeError, match="same device"):
                call()

    def test_a_cpu_tensor_takes_no_index_of_the_device(self, device: torch.device) -> None:
        host, index = torch.arange(6.0), torch.tensor([1, 2], device=device)
        with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same"):
            host[index]
        with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same"):
            host[index] = torch.ones(2, device=device)
        with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same"):
            host[index] = 1.0

    def test_values_of_index_put_must_be_on_the_device(self, device: torch.device) -> None:
        x, index = torch.arange(6.0, device=device), torch.tensor([1, 2])
        with pytest.raises(RuntimeError, match="(?i)device"):
            x[index] = torch.ones(2)
        x[index] = torch.tensor(9.0)
        assert x.tolist() == [0.0, 9.0, 9.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(
    "name",
    ["cholesky", "inv", "solve", "eigh of nan", "ldl_factor", "lu_factor", "cholesky_inverse"],
)
def test_linear_algebra_never_gives_unchecked_results(name: str, device: torch.device) -> None:
    calls: dict[str, Call] = {
        "cholesky": lambda d: torch.linalg.cholesky(-torch.eye(3, device=d)),
        "inv": lambda d: torch.linalg.inv(torch.zeros(3, 3, device=d)),
        "solve": lambda d: torch.linalg.solve(torch.zeros(3, 3, device=d), torch.ones(3, device=d)),
        "eigh of nan": lambda d: torch.linalg.eigh(torch.full((3, 3), float("nan"), device=d))[0],
        "ldl_factor": lambda d: torch.linalg.ldl_factor(torch.zeros(3, 3, device=d))[0],
        "lu_factor": lambda d: torch.linalg.lu_factor(torch.zeros(3, 3, device=d))[0],
        "cholesky_inverse": lambda d: torch.cholesky_inverse(torch.zeros(3, 3, device=d)),
    }
    try:
        expected = calls[name]("cpu")
    except Exception as error:
        for _ in range(2):
            with pytest.raises(type(error)):
                calls[name](str(device)).cpu()
    else:
        torch.testing.assert_close(calls[name](str(device)).cpu(), expected, equal_nan=True)
