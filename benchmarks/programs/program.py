# SPDX-License-Identifier: Apache-2.0
"""What a program of the benchmarks is, and the steps of training and inference."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import torch

Step = Callable[[], torch.Tensor]
Batch = dict[str, torch.Tensor]
# The loss of a batch, given the model as the contender calls it.
Loss = Callable[[Callable[..., object], Batch], torch.Tensor]


class Compiles(Enum):
    """What of a program torch.compile gets."""

    NOTHING = "nothing"
    MODEL = "model"
    STEP = "step"  # the model, and the optimizer's step by itself


@dataclass(frozen=True)
class Target:
    """Where a program runs and how."""

    device: torch.device
    compiles: Compiles = Compiles.NOTHING
    exact: bool = False  # in float64, whatever the program's dtype

    def model(self, model: torch.nn.Module) -> torch.nn.Module:
        return model.to(self.device, torch.float64) if self.exact else model.to(self.device)

    def batch(self, batch: Batch) -> Batch:
        exact = {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}
        return exact if self.exact else batch


@dataclass
class Prepared:
    """A program that is ready to run; `step` returns a number by which runs are compared."""

    step: Step
    model: torch.nn.Module | None = None
    optimizer: torch.optim.Optimizer | None = None
    passes: int = 1  # how often one step must read the parameters
    cache_bytes: int = 0  # what one step must move of a cache of keys and values
    sizes: list[int] = field(default_factory=list)  # of the steps in turn, where they vary


Build = Callable[[Target], Prepared]


class Kind(Enum):
    TRAINING = "training"
    INFERENCE = "inference"
    LOOP = "loop"


@dataclass(frozen=True)
class Program:
    """`imports()` loads the libraries and gives the function that builds the program.

    So a worker can leave the imports out of the first step's time.
    """

    imports: Callable[[], Build]
    title: str
    steps: int = 1  # in one timed round
    kind: Kind = Kind.TRAINING
    autocast: bool = False
    varies: bool = False  # the steps are of different sizes
    tiny: bool = False  # for tests of the benchmarks


def loss_of_output(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    """Hugging Face models compute their loss themselves."""
    loss: torch.Tensor = model(**batch).loss  # type: ignore[attr-defined]
    return loss


def training(
    model: torch.nn.Module,
    batches: Sequence[Batch],
    target: Target,
    loss_of: Loss = loss_of_output,
    autocast: bool = False,
) -> Prepared:
    """AdamW steps over the batches in turn; each comes from the host, as from a loader."""
    device = target.device
    target.model(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    called: Callable[..., object] = model
    update: Callable[[], object] = optimizer.step
    if target.compiles is not Compiles.NOTHING:
        called = torch.compile(model)
    if target.compiles is Compiles.STEP:
        update = torch.compile(optimizer.step)
    turn = itertools.cycle([target.batch(batch) for batch in batches])
    autocast = autocast and not target.exact

    def step() -> torch.Tensor:
        batch = {name: value.to(device) for name, value in next(turn).items()}
        optimizer.zero_grad()
        with precision(device, autocast):
            loss = loss_of(called, batch)
        loss.backward()
        update()
        return loss.detach()

    return Prepared(step, model, optimizer)


def precision(device: torch.device, autocast: bool) -> contextlib.AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if autocast else contextlib.nullcontext()


def inference(
    model: torch.nn.Module,
    batch: Batch,
    target: Target,
    output_of: Loss,
) -> Prepared:
    """Forward passes without gradients over one batch, copied from the host each time."""
    device = target.device
    target.model(model).eval()
    batch = target.batch(batch)
    called: Callable[..., object] = model
    if target.compiles is not Compiles.NOTHING:
        called = torch.compile(model)

    @torch.no_grad()
    def step() -> torch.Tensor:
        return output_of(called, {name: value.to(device) for name, value in batch.items()})

    return Prepared(step, model)
