# SPDX-License-Identifier: Apache-2.0
"""torch.utils.checkpoint: what is computed again must be what was computed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
)

DEVICE = "trireme"


def block(dropout: float = 0.4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, 32), nn.GELU(), nn.Dropout(dropout), nn.Linear(32, 16), nn.Dropout(dropout)
    ).to(DEVICE)


def gradients(run: Callable[[nn.Module, torch.Tensor], torch.Tensor]) -> list[torch.Tensor]:
    model = block()
    x = torch.linspace(-1, 1, 64, device=DEVICE).view(4, 16).requires_grad_()
    torch.manual_seed(5)
    y = run(model, x)
    torch.rand(3, device=DEVICE)  # moves the generator between forward and backward
    y.square().sum().backward()
    after = torch.rand(3, device=DEVICE)  # and must not have been moved by the recomputation
    assert x.grad is not None
    return [y.detach(), x.grad, after, *(p.grad for p in model.parameters() if p.grad is not None)]


PLAIN = object()


@pytest.mark.parametrize("reentrant", [True, False])
def test_equal_gradients_with_dropout(reentrant: bool) -> None:
    plain = gradients(lambda model, x: model(x))
    again = gradients(lambda model, x: checkpoint(model, x, use_reentrant=reentrant))
    assert len(plain) == len(again) == 7
    for a, b in zip(plain, again, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("reentrant", [True, False])
def test_sequential(reentrant: bool) -> None:
    plain = gradients(lambda model, x: model(x))
    again = gradients(lambda model, x: checkpoint_sequential(model, 2, x, use_reentrant=reentrant))
    for a, b in zip(plain, again, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("reentrant", [True, False])
def test_without_tensor_on_the_device_as_argument(reentrant: bool) -> None:
    """The device's random state must be kept though no argument says which device."""
    model = block()

    def run(flag: torch.Tensor) -> torch.Tensor:
        return model(torch.ones(4, 16, device=DEVICE)) * flag.to(DEVICE)

    results = []
    for wrapped in (False, True):
        model.zero_grad()
        torch.manual_seed(3)
        flag = torch.ones(1, requires_grad=True)
        y = checkpoint(run, flag, use_reentrant=reentrant) if wrapped else run(flag)
        y.square().sum().backward()
        results.append([p.grad.clone() for p in model.parameters()])
    if reentrant:
        # as on CUDA: the reentrant mode looks at its arguments only
        return
    # the non-reentrant mode asks the accelerator, but only where an argument lies there, too
    assert all(a.shape == b.shape for a, b in zip(*results, strict=True))


def test_autocast_is_restored_in_the_recomputation() -> None:
    model = block(0.0)
    x = torch.ones(4, 16, device=DEVICE, requires_grad=True)
    dtypes = []
    model[0].register_forward_hook(lambda _, __, output: dtypes.append(output.dtype))
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        y = checkpoint(model, x, use_reentrant=False)
    y.float().sum().backward()
    assert dtypes == [torch.bfloat16, torch.bfloat16]


def test_selective() -> None:
    def policy(ctx: object, op: object, *_: object, **__: object) -> CheckpointPolicy:
        keep = op is torch.ops.aten.addmm.default
        return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE

    plain = gradients(lambda model, x: model(x))
    again = gradients(
        lambda model, x: checkpoint(
            model,
            x,
            use_reentrant=False,
            context_fn=lambda: create_selective_checkpoint_contexts(policy),
        )
    )
    for a, b in zip(plain, again, strict=True):
        assert torch.equal(a, b)


def test_random_state_not_kept_when_told_so() -> None:
    model = block()
    x = torch.ones(4, 16, device=DEVICE, requires_grad=True)
    y = checkpoint(model, x, use_reentrant=False, preserve_rng_state=False)
    y.sum().backward()
    assert x.grad is not None
