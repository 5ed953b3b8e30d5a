# SPDX-License-Identifier: Apache-2.0
"""Nested tensors, which nn.TransformerEncoder makes of a padding mask at inference."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nested tensors are a prototype, says PyTorch
        yield


def parts(device: torch.device | str) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(n, 4).to(device) for n in (2, 3)]


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_values_and_gradients_are_the_cpus(device: torch.device, layout: torch.layout) -> None:
    results = []
    for target in ("cpu", device):
        tensors = [t.requires_grad_() for t in parts(target)]
        nested = torch.nested.as_nested_tensor(tensors, layout=layout)
        torch.manual_seed(1)
        out = nn.Linear(4, 3).to(target)(nested * 2)
        assert out.device.type == torch.device(target).type
        padded = torch.nested.to_padded_tensor(out, 0.0)
        padded.sum().backward()
        results.append([padded.detach().cpu(), *(t.grad.cpu() for t in tensors)])
    for expected, actual in zip(*results, strict=True):
        assert torch.equal(expected, actual)


def test_moves_between_devices(device: torch.device) -> None:
    nested = torch.nested.nested_tensor(parts("cpu"))
    there = nested.to(device)
    assert there.is_nested and there.device.type == device.type
    back = there.cpu()
    assert back.device.type == "cpu"
    for expected, actual in zip(nested.unbind(), back.unbind(), strict=True):
        assert torch.equal(expected, actual)


def test_a_part_is_a_view(device: torch.device) -> None:
    nested = torch.nested.nested_tensor(parts(device), device=device)
    nested.unbind()[0].zero_()
    assert nested.unbind()[0].abs().sum().item() == 0
    assert nested.unbind()[1].abs().sum().item() > 0


def test_transformer_encoder_with_padding(device: torch.device) -> None:
    results = []
    for target in ("cpu", device):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        encoder = nn.TransformerEncoder(layer, 2).eval().to(target)
        padding = torch.zeros(3, 6, dtype=torch.bool)
        padding[1, 4:] = True
        with torch.inference_mode():
            out = encoder(torch.ones(3, 6, 16).to(target), src_key_padding_mask=padding.to(target))
        results.append(out.cpu())
    assert torch.equal(*results)
