# SPDX-License-Identifier: Apache-2.0
"""Whole models: training and greedy generation give the same bits on the device as on the CPU."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from compare import compare_tree
from families import FAMILIES, Batch, Family

STEPS = 4


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    """More than one thread, so that the executor's parallel regions must split as eager's do."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(before)


def to_device(batch: Batch, device: torch.device) -> Batch:
    return {k: v.to(device) if v.dim() else bool(v) for k, v in batch.items()}


def train(
    model: torch.nn.Module, batches: list[Batch], device: torch.device, scheduler: bool
) -> dict[str, Any]:
    model = copy.deepcopy(model).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 / (1 + step))
    losses, norms = [], []
    for batch in batches:
        optimizer.zero_grad()
        loss = model(**to_device(batch, device)).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).detach())
        optimizer.step()
        if scheduler:
            schedule.step()
        losses.append(loss.detach())
    return {
        "losses": losses,
        "norms": norms,
        "gradients": {k: p.grad for k, p in model.named_parameters()},
        "parameters": dict(model.named_parameters()),
        "buffers": dict(model.named_buffers()),
    }


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_training_is_bit_equal(family: Family, device: torch.device) -> None:
    torch.manual_seed(0)
    model = family.build()
    generator = torch.Generator().manual_seed(1)
    batches = [family.batch(generator) for _ in range(STEPS)]
    expected = train(model, batches, torch.device("cpu"), True)
    actual = train(model, batches, device, True)
    assert torch.stack([x.cpu() for x in actual["losses"]]).isfinite().all()
    for part, value in expected.items():
        why = compare_tree(value, actual[part], device)
        assert why is None, f"{family.name}: {part}: {why}"


def generate(model: torch.nn.Module, batch: Batch, device: torch.device, cache: bool) -> Any:
    model = copy.deepcopy(model).to(device).eval()
    # generate() replaces "grouped_mm" by "batched_mm" on every device but the CPU, which sums the
    # experts in another order: both sides get the same one.
    if "grouped_mm" in model.get_experts_implementation().values():  # type: ignore[operator]
        model.set_experts_implementation("batched_mm")  # type: ignore[operator]
    tokens = batch["input_ids"].to(device)
    return model.generate(  # type: ignore[operator]
        tokens,
        attention_mask=torch.ones_like(tokens),
        max_new_tokens=12,
        min_new_tokens=8,
        do_sample=False,
        use_cache=cache,
        return_dict_in_generate=True,
        output_logits=True,
    )


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.generates], ids=lambda f: f.name)
@pytest.mark.parametrize("cache", [True, False], ids=["cache", "no cache"])
def test_greedy_generation_is_equal(family: Family, cache: bool, device: torch.device) -> None:
    torch.manual_seed(0)
    model = family.build()
    batch = family.batch(torch.Generator().manual_seed(2))
    expected = generate(model, batch, torch.device("cpu"), cache)
    actual = generate(model, batch, device, cache)
    assert expected.sequences.tolist() == actual.sequences.tolist()
    why = compare_tree(tuple(expected.logits), tuple(actual.logits), device)
    assert why is None, f"{family.name}: {why}"


def test_sampling_repeats_with_the_same_seed(device: torch.device) -> None:
    torch.manual_seed(0)
    model = FAMILIES[0].build().to(device).eval()
    tokens = FAMILIES[0].batch(torch.Generator().manual_seed(2))["input_ids"].to(device)
    runs = []
    for _ in range(2):
        torch.manual_seed(5)
        out = model.generate(  # type: ignore[operator]
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=10, do_sample=True
        )
        runs.append(out.tolist())
    assert runs[0] == runs[1]
