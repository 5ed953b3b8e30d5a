# SPDX-License-Identifier: Apache-2.0
"""Quantized tensors on the device: each op is one opaque call."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.filterwarnings("ignore:.*quantize")

VALUES = [[0.11, 0.52, -0.83], [0.24, -0.05, 0.96]]


def _tensor(device: Any) -> torch.Tensor:
    x = torch.tensor(VALUES, device=device)
    return torch.quantize_per_tensor(x, 0.1, 3, torch.qint8)


def _channels(device: Any) -> torch.Tensor:
    x = torch.tensor(VALUES, device=device)
    scales = torch.tensor([0.1, 0.02], device=device)
    return torch.quantize_per_channel(
        x, scales, torch.tensor([0, 2], device=device), 0, torch.quint8
    )


def _overwritten(device: Any, source: torch.Tensor) -> torch.Tensor:
    return _tensor(device).clone().copy_(source)


CALLS: dict[str, Callable[[Any], Any]] = {
    "per tensor": _tensor,
    "per channel": _channels,
    "dynamic": lambda d: torch.quantize_per_tensor_dynamic(
        torch.tensor(VALUES, device=d), torch.qint8, False
    ),
    "dequantize": lambda d: _tensor(d).dequantize(),
    "dequantize channels": lambda d: _channels(d).dequantize(),
    "int_repr": lambda d: _tensor(d).int_repr() + 1,
    "clone": lambda d: _tensor(d).clone(),
    "view": lambda d: _tensor(d).view(3, 2),
    "row": lambda d: _tensor(d)[1],
    "transpose": lambda d: _tensor(d).t(),
    "cat": lambda d: torch.cat([_tensor(d), _tensor(d)]),
    "relu": lambda d: torch.relu(_tensor(d)),
    "relu_": lambda d: torch.relu_(_tensor(d)),
    "add": lambda d: torch.ops.quantized.add(_tensor(d), _tensor(d), 0.2, 1),
    "copy of values": lambda d: _overwritten(d, torch.ones(2, 3, device=d)),
    "copy of a quantized tensor": lambda d: _overwritten(d, _tensor(d)),
    "scales": lambda d: _channels(d).q_per_channel_scales(),
    "empty": lambda d: torch._empty_affine_quantized(
        [2], scale=0.5, zero_point=1, dtype=torch.qint8, device=d
    ).copy_(torch.tensor([1.0, -2.0], device=d)),
    "from integers": lambda d: torch._make_per_tensor_quantized_tensor(
        torch.ones(3, dtype=torch.int8, device=d), 0.1, 0
    ),
}


def _same(got: torch.Tensor, expected: torch.Tensor) -> None:
    assert got.shape == expected.shape and got.dtype == expected.dtype
    if not expected.is_quantized:
        assert torch.equal(got.cpu(), expected)
        return
    assert got.qscheme() == expected.qscheme()
    host = got.cpu()
    assert host.is_quantized and host.device.type == "cpu"
    assert torch.equal(host.int_repr(), expected.int_repr())
    assert torch.equal(host.dequantize(), expected.dequantize())


@pytest.mark.parametrize("name", CALLS)
def test_as_on_the_cpu(name: str, device: torch.device) -> None:
    for _ in range(2):
        got = CALLS[name](device)
        assert got.device.type == device.type
        _same(got, CALLS[name]("cpu"))


def test_moves_to_the_device_and_back(device: torch.device) -> None:
    for made in (_tensor("cpu"), _channels("cpu")):
        moved = made.to(device)
        assert moved.device.type == device.type and moved.is_quantized
        _same(moved, made)


def test_copies_between_the_devices(device: torch.device) -> None:
    host = _tensor("cpu")
    there = _tensor(device)
    there.copy_(torch.ones(2, 3))
    assert there.dequantize().tolist() == [[1.0] * 3] * 2
    there.copy_(host)
    _same(there, host)
    host.copy_(_overwritten(device, torch.zeros(2, 3, device=device)))
    assert host.dequantize().abs().max().item() == 0.0


def test_scale_and_zero_point(device: torch.device) -> None:
    q = _tensor(device)
    assert (q.q_scale(), q.q_zero_point(), q.qscheme()) == (0.1, 3, torch.per_tensor_affine)
    assert "scale=0.1" in repr(q)


def test_saved_and_loaded(device: torch.device) -> None:
    file = io.BytesIO()
    torch.save(_tensor(device), file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert loaded.device.type == device.type
    _same(loaded, _tensor("cpu"))


def test_a_dynamically_quantized_layer(device: torch.device) -> None:
    layer = torch.ao.nn.quantized.dynamic.Linear(3, 2)
    x = torch.tensor(VALUES)
    packed = layer._packed_params._packed_params
    expected = torch.ops.quantized.linear_dynamic(x, packed)
    assert torch.equal(torch.ops.quantized.linear_dynamic(x.to(device), packed).cpu(), expected)
