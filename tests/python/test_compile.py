# SPDX-License-Identifier: Apache-2.0
"""torch.compile of programs on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

DEVICE = "trireme"
BACKENDS = ["eager", "aot_eager", "inductor"]


@pytest.fixture(autouse=True)
def _fresh_dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 4)).to(DEVICE)


def step(run: Callable[[torch.Tensor], torch.Tensor], net: nn.Module) -> list[torch.Tensor]:
    net.zero_grad()
    y = run(torch.linspace(-1, 1, 24, device=DEVICE).view(3, 8))
    y.square().sum().backward()
    return [y.detach(), *(p.grad.clone() for p in net.parameters() if p.grad is not None)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_step(backend: str) -> None:
    net = model()
    plain = step(net, net)
    compiled = torch.compile(net, backend=backend)
    for _ in range(2):
        for a, b in zip(plain, step(compiled, net), strict=True):
            torch.testing.assert_close(a, b)


def test_default_backend_needs_no_argument() -> None:
    net = model()
    x = torch.ones(2, 8, device=DEVICE)
    torch.testing.assert_close(torch.compile(net)(x), net(x))
    net.compile()
    torch.testing.assert_close(net(x), torch.compile(net, mode="reduce-overhead")(x))


@pytest.mark.parametrize("backend", BACKENDS)
def test_function_that_makes_tensors(backend: str) -> None:
    @torch.compile(backend=backend, fullgraph=True)
    def f(n: float) -> torch.Tensor:
        x = torch.arange(6, device=DEVICE, dtype=torch.float32)
        return (x * n).view(2, 3).sum(1)

    assert f(2.0).cpu().tolist() == [6, 24]


@pytest.mark.parametrize("backend", BACKENDS)
def test_dropout_and_seed(backend: str) -> None:
    @torch.compile(backend=backend)
    def f(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5)

    x = torch.ones(64, device=DEVICE)
    torch.manual_seed(3)
    first = f(x)
    torch.manual_seed(3)
    assert torch.equal(f(x), first)
    assert 0 < (first == 0).sum().item() < 64


@pytest.mark.parametrize("backend", BACKENDS)
def test_shapes_that_vary(backend: str) -> None:
    f = torch.compile(lambda x: (x * 2).sum(0), backend=backend, dynamic=True)
    for n in (3, 5, 9):
        assert f(torch.ones(n, 2, device=DEVICE)).cpu().tolist() == [2.0 * n, 2.0 * n]


@pytest.mark.parametrize("backend", BACKENDS)
def test_graph_break_and_host_read(backend: str) -> None:
    @torch.compile(backend=backend)
    def f(x: torch.Tensor) -> torch.Tensor:
        if x.sum().item() > 0:
            return x + 1
        return x - 1

    assert f(torch.ones(2, device=DEVICE)).cpu().tolist() == [2, 2]
    assert f(-torch.ones(2, device=DEVICE)).cpu().tolist() == [-2, -2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_autocast(backend: str) -> None:
    net = model()

    @torch.compile(backend=backend)
    def f(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(DEVICE, dtype=torch.bfloat16):
            return net[0](x)

    assert f(torch.ones(2, 8, device=DEVICE)).dtype == torch.bfloat16


@pytest.mark.parametrize("backend", BACKENDS)
def test_attention(backend: str) -> None:
    def attend(x: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    x = torch.linspace(-1, 1, 256, device=DEVICE).view(1, 2, 8, 16).requires_grad_()
    y = torch.compile(attend, backend=backend)(x)
    torch.testing.assert_close(y, attend(x))
    y.sum().backward()


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_optimizer_step(backend: str) -> None:
    net, other = model(), model()
    fast = torch.optim.AdamW(net.parameters(), lr=0.1)
    slow = torch.optim.AdamW(other.parameters(), lr=0.1)
    compiled = torch.compile(fast.step, backend=backend)
    for _ in range(2):
        step(net, net)
        step(other, other)
        compiled()
        slow.step()
    for a, b in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_cpu_graphs_still_go_to_inductor() -> None:
    from torch._inductor import compile_fx

    seen: list[object] = []
    original = compile_fx.compile_fx
    compile_fx.compile_fx = lambda gm, inputs, **kwargs: seen.append(gm) or gm.forward
    try:
        torch.compile(lambda x: x + 1)(torch.ones(2))
    finally:
        compile_fx.compile_fx = original
    assert len(seen) == 1


def test_export() -> None:
    net = model()
    x = torch.ones(2, 8, device=DEVICE)
    program = torch.export.export(net, (x,))
    torch.testing.assert_close(program.module()(x), net(x))


def test_interface() -> None:
    from torch._dynamo.device_interface import get_interface_for_device

    interface = get_interface_for_device(DEVICE)
    assert interface.is_available()
    assert interface.device_count() == 1
    assert not interface.is_triton_capable()
    with pytest.raises(RuntimeError, match="aot_eager"):
        interface.raise_if_triton_unavailable()
