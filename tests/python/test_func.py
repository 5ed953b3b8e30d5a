# SPDX-License-Identifier: Apache-2.0
"""Autograd and torch.func on the device: transforms, hooks, double backward, custom Functions,
custom ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)

DEVICE = "trireme"


def both(run: Callable[[str], Any]) -> tuple[Any, Any]:
    return run("cpu"), run(DEVICE)


def same(run: Callable[[str], torch.Tensor]) -> None:
    on_cpu, on_device = both(run)
    assert on_device.device.type == DEVICE
    assert torch.equal(on_cpu, on_device.cpu())


def numbers(device: str, *shape: int) -> torch.Tensor:
    n = torch.Size(shape).numel()
    return torch.linspace(-1, 1, n, device="cpu").view(shape).to(device)


def test_grad() -> None:
    same(lambda d: grad(lambda x: (x.sin() * x).sum())(numbers(d, 5)))
    same(lambda d: grad_and_value(lambda x: x.exp().sum())(numbers(d, 5))[0])


def test_grad_of_grad() -> None:
    same(lambda d: grad(lambda x: grad(lambda y: (y**3).sum())(x).sum())(numbers(d, 4)))


def test_vmap() -> None:
    same(lambda d: vmap(lambda a, b: a @ b)(numbers(d, 3, 2, 4), numbers(d, 3, 4, 2)))
    same(lambda d: vmap(torch.outer, in_dims=(0, None))(numbers(d, 3, 2), numbers(d, 4)))
    same(lambda d: vmap(lambda x: x[0] + x.sum(), chunk_size=2)(numbers(d, 5, 3)))


def test_vmap_random() -> None:
    torch.manual_seed(0)
    x = torch.zeros(3, 4, device=DEVICE)
    different = vmap(lambda t: t + torch.rand_like(t), randomness="different")(x)
    alike = vmap(lambda t: t + torch.rand_like(t), randomness="same")(x)
    assert not torch.equal(different[0], different[1])
    assert torch.equal(alike[0], alike[1])


def test_per_sample_gradients() -> None:
    def run(device: str) -> torch.Tensor:
        weight, x = numbers(device, 3, 4), numbers(device, 5, 4)
        return vmap(grad(lambda w, t: (w @ t).tanh().sum()), in_dims=(None, 0))(weight, x)

    same(run)


def test_jacobians() -> None:
    def f(x: torch.Tensor) -> torch.Tensor:
        return x.cos() * x.sum()

    same(lambda d: jacrev(f)(numbers(d, 4)))
    same(lambda d: jacfwd(f)(numbers(d, 4)))
    on_cpu, on_device = both(lambda d: hessian(lambda x: f(x).sum())(numbers(d, 4)))
    torch.testing.assert_close(on_device.cpu(), on_cpu)


def test_jvp_and_vjp() -> None:
    same(lambda d: jvp(torch.tanh, (numbers(d, 4),), (torch.ones(4, device=d),))[1])

    def pulled_back(device: str) -> torch.Tensor:
        _, back = vjp(lambda x: x.exp(), numbers(device, 4))
        return back(torch.ones(4, device=device))[0]

    same(pulled_back)


def test_functional_call() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).to(DEVICE)
    zeros = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    x = torch.ones(2, 4, device=DEVICE)
    assert functional_call(model, zeros, (x,)).abs().sum().item() == 0
    assert model(x).abs().sum().item() > 0


def test_ensemble() -> None:
    torch.manual_seed(0)
    models = [nn.Linear(4, 3).to(DEVICE) for _ in range(3)]
    parameters, buffers = stack_module_state(models)  # type: ignore[arg-type]
    skeleton = nn.Linear(4, 3, device="meta")
    x = numbers(DEVICE, 5, 4)
    y = vmap(lambda p, b, t: functional_call(skeleton, (p, b), (t,)), in_dims=(0, 0, None))(
        parameters, buffers, x
    )
    expected = torch.stack([model(x) for model in models])
    torch.testing.assert_close(y, expected)


def test_double_backward() -> None:
    def run(device: str) -> torch.Tensor:
        x = numbers(device, 4).requires_grad_()
        (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        first.square().sum().backward()
        assert x.grad is not None
        return x.grad

    same(run)


def test_gradient_penalty_of_a_network() -> None:
    def run(device: str) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        model.to(device)
        x = numbers(device, 3, 4).requires_grad_()
        (slope,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        ((slope.norm(dim=1) - 1) ** 2).mean().backward()
        gradient = model[0].weight.grad
        assert gradient is not None
        return gradient

    same(run)


def test_tensor_hooks() -> None:
    x = torch.ones(3, device=DEVICE, requires_grad=True)
    y = x * 2
    seen: list[str] = []
    handle = x.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: seen.append(g.device.type))
    x.register_post_accumulate_grad_hook(lambda t: seen.append("accumulated"))
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.cpu().tolist() == [20, 20, 20]
    assert seen == [DEVICE, "accumulated"]
    handle.remove()


def test_module_hooks() -> None:
    model = nn.Linear(2, 2).to(DEVICE)
    seen: list[str] = []
    model.register_forward_pre_hook(lambda m, a: seen.append("before"))
    model.register_forward_hook(lambda m, a, o: seen.append("after"))
    model.register_full_backward_hook(lambda m, i, o: seen.append("backward"))
    model(torch.ones(1, 2, device=DEVICE)).sum().backward()
    assert seen == ["before", "after", "backward"]


def test_saved_tensor_hooks() -> None:
    def run(device: str) -> torch.Tensor:
        x = numbers(device, 4).requires_grad_()
        with torch.autograd.graph.save_on_cpu():
            y = x.sin() * x
        y.sum().backward()
        assert x.grad is not None
        return x.grad

    same(run)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class InPlaceDouble(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return g * 2


def test_custom_functions() -> None:
    def run(device: str) -> torch.Tensor:
        x = numbers(device, 4).requires_grad_()
        y = InPlaceDouble.apply(Cube.apply(x))
        (first,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
        (y.sum() + first.sum()).backward()
        assert x.grad is not None
        return x.grad

    same(run)


def test_gradcheck() -> None:
    x = numbers(DEVICE, 2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: (t.sin() @ t.T).exp(), x)
    assert torch.autograd.gradgradcheck(lambda t: t.tanh().sum(), x)


def test_anomaly_mode_names_the_forward_line() -> None:
    x = torch.zeros(2, device=DEVICE, requires_grad=True)
    with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan"):
        (x.sqrt() * 0).sum().backward()


def test_inference_mode() -> None:
    with torch.inference_mode():
        x = torch.ones(3, device=DEVICE) * 2
        assert x.is_inference()
        x.add_(1)
    assert x.sum().item() == 9


def test_in_place_on_a_saved_tensor_is_noticed() -> None:
    x = torch.ones(3, device=DEVICE, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@torch.library.custom_op("trireme_test::scaled_sum", mutates_args=())
def scaled_sum(x: torch.Tensor, scale: float) -> torch.Tensor:
    return torch.from_numpy(x.detach().cpu().numpy() * scale).sum().to(x.device)


scaled_sum.register_fake(lambda x, scale: x.new_empty(()))
scaled_sum.register_autograd(
    lambda ctx, g: (g * ctx.scale * ctx.ones, None),
    setup_context=lambda ctx, inputs, output: (
        setattr(ctx, "scale", inputs[1]),
        setattr(ctx, "ones", torch.ones_like(inputs[0])),
    ),
)


@torch.library.custom_op("trireme_test::add_one_", mutates_args=("x",))
def add_one_(x: torch.Tensor) -> None:
    x.add_(1)


@torch.library.custom_op("trireme_test::only_cpu", mutates_args=(), device_types="cpu")
def only_cpu(x: torch.Tensor) -> torch.Tensor:
    assert x.device.type == "cpu"
    return torch.from_numpy(x.numpy()[::-1].copy())


def test_custom_op() -> None:
    def run(device: str) -> torch.Tensor:
        x = numbers(device, 4).requires_grad_()
        scaled_sum(x, 3.0).backward()
        assert x.grad is not None
        return x.grad

    same(run)
    same(lambda d: scaled_sum(numbers(d, 4).abs(), 2.0))


def test_custom_op_that_writes() -> None:
    x = torch.zeros(3, device=DEVICE)
    add_one_(x)
    add_one_(x[1:])
    assert x.cpu().tolist() == [1, 2, 2]


def test_custom_op_for_the_cpu_runs_as_an_opaque_call() -> None:
    y = only_cpu(torch.arange(3.0, device=DEVICE))
    assert y.device.type == DEVICE
    assert y.cpu().tolist() == [2, 1, 0]


def test_op_of_a_library() -> None:
    library = torch.library.Library("trireme_test", "FRAGMENT")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    assert torch.ops.trireme_test.twice(torch.ones(2, device=DEVICE)).cpu().tolist() == [2, 2]
