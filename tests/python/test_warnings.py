# SPDX-License-Identifier: Apache-2.0
"""Warnings that kernels raise reach the program: at the call where eager warns there, at the next
wait where only execution can tell."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import TARGET


def caught(call: Callable[[], Any]) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return seen


@pytest.fixture
def _always() -> Iterator[None]:
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def _byte_mask(device: Any) -> torch.Tensor:
    return torch.tensor([0, 1, 0, 1], dtype=torch.uint8, device=device)


AT_CALL: dict[str, Callable[[Any], Any]] = {
    "byte mask": lambda d: torch.arange(4.0, device=d)[_byte_mask(d)],
    "byte mask written": lambda d: torch.zeros(4, device=d).index_put_(
        (_byte_mask(d),), torch.ones(2, device=d)
    ),
    "resized out=": lambda d: torch.add(torch.ones(4, device=d), 1, out=torch.ones(2, device=d)),
    "degrees of freedom": lambda d: torch.ones(1, device=d).std(),
    "index_reduce": lambda d: torch.ones(4, device=d).index_reduce_(
        0, torch.tensor([1], device=d), torch.ones(1, device=d), "amax"
    ),
    "complex32": lambda d: torch.empty(3, dtype=torch.complex32, device=d),
}


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("name", AT_CALL)
def test_at_the_call_each_time(name: str, device: torch.device) -> None:
    call = AT_CALL[name]
    expected = [str(w.message).splitlines()[0] for w in caught(lambda: call("cpu"))]
    assert expected
    for _ in range(3):
        seen = caught(lambda: call(device))
        assert [str(w.message).splitlines()[0] for w in seen] == expected
        assert os.path.basename(seen[0].filename) == os.path.basename(__file__)


def test_nondeterministic_ops_warn_at_the_call(device: torch.device) -> None:
    y, where = F.max_pool1d(torch.arange(8.0, device=device).view(1, 1, 8), 2, return_indices=True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        for _ in range(2):
            seen = caught(lambda: F.max_unpool1d(y, where, 2))
            assert any("deterministic" in str(w.message) for w in seen)
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_filter_turns_the_warning_into_an_error_at_the_call(device: torch.device) -> None:
    x, mask = torch.arange(4.0, device=device), _byte_mask(device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="uint8"):
            x[mask]
    assert (x + 1).tolist() == [1.0, 2.0, 3.0, 4.0]


WAITS: dict[str, Callable[[torch.Tensor], Any]] = {
    "cpu": lambda t: t.cpu(),
    "item": lambda t: t.sum().item(),
    "accelerator": lambda t: torch.accelerator.synchronize(),
    "module": lambda t: torch.trireme.synchronize(),  # type: ignore[attr-defined]
    "copy": lambda t: torch.empty(4).copy_(t),
}


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU knows at the call")
@pytest.mark.parametrize("wait", WAITS)
def test_of_a_known_call_at_the_next_wait(wait: str, device: torch.device) -> None:
    x = torch.ones(4, device=device)
    index, one = torch.tensor([1], device=device), torch.ones(1, device=device)
    for _ in range(3):  # warns once in a process: known without a warning from here on
        x.index_reduce_(0, index, one, "amin")
    torch.accelerator.synchronize()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for _ in range(4):
                x.index_reduce_(0, index, one, "amin")
            before = len(seen)
            WAITS[wait](x)
    finally:
        torch.set_warn_always(False)
    assert before == 0
    text = [str(w.message) for w in seen]
    assert len(text) == 1 and "index_reduce" in text[0], text
    assert "raised by aten::index_reduce" in text[0]
    assert os.path.basename(__file__) in text[0]
    assert not caught(lambda: WAITS[wait](x))


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU knows at the call")
def test_in_the_thread_that_waits(device: torch.device) -> None:
    x, mask = torch.arange(4.0, device=device), _byte_mask(device)
    seen: list[int] = []

    def work() -> None:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            x[mask]
        seen.append(len(raised))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [1]


def test_in_backward(device: torch.device) -> None:
    def program(where: Any) -> list[str]:
        x = torch.ones(1, device=where, requires_grad=True)
        return [str(w.message).splitlines()[0] for w in caught(lambda: x.std().backward())]

    assert program(device) == program("cpu")
