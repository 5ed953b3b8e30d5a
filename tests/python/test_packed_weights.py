# SPDX-License-Identifier: Apache-2.0
"""Weights that products keep packed: every way to change one gives the new values."""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator

import pytest
import torch

RUNS = 14  # the weights are packed after eight products and 0.1 s in which they stay the same


def runs() -> Iterator[int]:
    for run in range(RUNS):
        if run == RUNS // 2:
            time.sleep(0.15)
        yield run


def model() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Linear(256, 320), torch.nn.ReLU(), torch.nn.Linear(320, 256)
    ).eval()


def convolutions() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        *(torch.nn.Unflatten(1, (16, 4, 4)), torch.nn.Conv2d(16, 32, 3, padding=1)),
        *(torch.nn.BatchNorm2d(32), torch.nn.ReLU(), torch.nn.Conv2d(32, 64, 1)),
        *(torch.nn.ReLU(), torch.nn.ConvTranspose2d(64, 32, 2, stride=2)),
    ).eval()


MODELS = [model, convolutions]


def in_place(net: torch.nn.Module) -> None:
    for parameter in net.parameters():
        parameter.mul_(0.5).add_(0.01)


def through_a_view(net: torch.nn.Module) -> None:
    for parameter in net.parameters():
        parameter[1:3].neg_()


def by_a_swap_of_data(net: torch.nn.Module) -> None:
    for parameter in net.parameters():
        parameter.data = parameter.data * 2


def by_a_state(net: torch.nn.Module) -> None:
    factors = {name: 0.5 if name.endswith("var") else -0.5 for name in net.state_dict()}
    net.load_state_dict({name: value * factors[name] for name, value in net.state_dict().items()})


def by_a_state_from_the_host(net: torch.nn.Module) -> None:
    net.load_state_dict({name: value.cpu() + 0.02 for name, value in net.state_dict().items()})


def by_an_element(net: torch.nn.Module) -> None:
    for parameter in net.parameters():
        parameter.view(-1)[7] = 3.0


def by_a_step_of_training(net: torch.nn.Module) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with torch.enable_grad():
        device = next(net.parameters()).device
        net(torch.ones(4, 256, device=device)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


CHANGES: list[Callable[[torch.nn.Module], None]] = [
    in_place,
    through_a_view,
    by_a_swap_of_data,
    by_a_state,
    by_a_state_from_the_host,
    by_an_element,
    by_a_step_of_training,
]


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("change", CHANGES)
def test_changed_weights_are_read_anew(
    change: Callable[[torch.nn.Module], None], make: Callable[[], torch.nn.Module]
) -> None:
    host = make()
    device = copy.deepcopy(host).to("trireme")
    inputs = torch.randn(8, 256)
    with torch.no_grad():
        for _ in range(3):
            for _ in runs():
                result = device(inputs.to("trireme"))
                torch.testing.assert_close(result.cpu(), host(inputs), rtol=1e-4, atol=1e-5)
            change(host)
            change(device)


def test_a_write_by_a_custom_op_is_noticed() -> None:
    def halve(x: torch.Tensor) -> None:
        x.numpy()[...] *= 0.5

    with torch.library._scoped_library("packed_weights_test", "DEF") as library:
        library.define("halve(Tensor x) -> ()")  # the schema says nothing of a write
        library.impl("halve", halve, "CPU")
        host = model()
        device = copy.deepcopy(host).to("trireme")
        inputs = torch.randn(8, 256)
        with torch.no_grad():
            for _ in range(3):
                for _ in runs():
                    result = device(inputs.to("trireme"))
                    torch.testing.assert_close(result.cpu(), host(inputs), rtol=1e-4, atol=1e-5)
                for net in (host, device):
                    torch.ops.packed_weights_test.halve(net[0].weight)


def test_memory_that_is_used_again_holds_other_weights() -> None:
    inputs = torch.randn(8, 256)
    with torch.no_grad():
        for i in range(4):
            host = model()
            for parameter in host.parameters():
                parameter.mul_(i + 1)
            device = copy.deepcopy(host).to("trireme")
            for _ in runs():
                result = device(inputs.to("trireme"))
                torch.testing.assert_close(result.cpu(), host(inputs), rtol=1e-4, atol=1e-4)
            del device, result
            gc.collect()


@pytest.mark.parametrize("make", MODELS)
def test_runs_of_a_deterministic_program_are_alike(make: Callable[[], torch.nn.Module]) -> None:
    device = make().to("trireme")
    inputs = torch.randn(8, 256).to("trireme")
    torch.use_deterministic_algorithms(True)
    try:
        with torch.no_grad():
            results = [device(inputs).cpu() for _ in runs()]
    finally:
        torch.use_deterministic_algorithms(False)
    # The first two run call by call; then the program does.
    assert all(torch.equal(result, results[-1]) for result in results[3:])
