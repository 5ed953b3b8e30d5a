# SPDX-License-Identifier: Apache-2.0
"""Exact comparison of what a call gave on the CPU with what it gave on the device."""

from __future__ import annotations

from typing import Any

import torch
from geometry import is_strided, storage_of, tensors_of
from torch.utils._pytree import tree_flatten

_INTS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.contiguous()


def same_values(expected: torch.Tensor, actual: torch.Tensor) -> bool:
    """Bit-equal, except that any NaN equals any NaN."""
    left, right = _plain(expected), _plain(actual)
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    if not left.dtype.is_floating_point or left.element_size() not in _INTS:
        return torch.equal(left, right)
    ints = _INTS[left.element_size()]
    if torch.equal(left.view(ints), right.view(ints)):
        return True
    left, right = left.double(), right.double()
    same = (left == right) & (left.signbit() == right.signbit())
    return bool((same | (left.isnan() & right.isnan())).all())


def values_difference(expected: torch.Tensor, actual: torch.Tensor) -> str:
    left, right = _plain(expected), _plain(actual)
    if left.shape != right.shape:
        return f"sizes {tuple(left.shape)} vs {tuple(right.shape)}"
    left, right = left.double().flatten(), right.double().flatten()
    wrong = ~((left == right) | (left.isnan() & right.isnan())) | (
        (left.signbit() != right.signbit()) & ~left.isnan()
    )
    first = int(wrong.nonzero()[0]) if bool(wrong.any()) else 0
    return (
        f"{int(wrong.sum())} of {left.numel()} values differ; at {first}: "
        f"{left[first].item()!r} on CPU, {right[first].item()!r} on the device"
    )


def compare_tensor(
    expected: torch.Tensor, actual: torch.Tensor, device: torch.device, values: bool | str = True
) -> str | None:
    """Why the two differ, or None. A CPU result may stay on the CPU only if its input was there."""
    if actual.layout != expected.layout:
        return f"layout {expected.layout} on CPU, {actual.layout} on the device"
    if actual.dtype != expected.dtype:
        return f"dtype {expected.dtype} on CPU, {actual.dtype} on the device"
    if tuple(actual.shape) != tuple(expected.shape):
        return f"sizes {tuple(expected.shape)} on CPU, {tuple(actual.shape)} on the device"
    if is_strided(expected):
        if actual.stride() != expected.stride():
            return (
                f"strides {expected.stride()} on CPU, {actual.stride()} on the device "
                f"for sizes {tuple(expected.shape)}"
            )
        if actual.storage_offset() != expected.storage_offset():
            return (
                f"offset {expected.storage_offset()} on CPU, "
                f"{actual.storage_offset()} on the device"
            )
    if actual.is_conj() != expected.is_conj() or actual.is_neg() != expected.is_neg():
        return "conj or neg bit differs"
    if actual.requires_grad != expected.requires_grad:
        return f"requires_grad {expected.requires_grad} on CPU, {actual.requires_grad}"
    if actual.device.type != device.type:
        return f"result lies on {actual.device}"
    if not values:
        actual.detach().cpu()
        return None
    if not is_strided(expected):
        return compare_tensor(expected.detach().to_dense(), actual.detach().to_dense(), device)
    host = actual.detach().cpu()
    if same_values(expected, host):
        return None
    if values == "close" and torch.allclose(expected, host, rtol=1e-4, atol=1e-5, equal_nan=True):
        return None
    return values_difference(expected, host)


def compare_tree(
    expected: Any, actual: Any, device: torch.device, values: bool | str = True
) -> str | None:
    left, left_spec = tree_flatten(expected)
    right, right_spec = tree_flatten(actual)
    if left_spec != right_spec:
        return f"structure {left_spec} on CPU, {right_spec} on the device"
    for index, (a, b) in enumerate(zip(left, right, strict=True)):
        where = f"output {index}: " if len(left) > 1 else ""
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            why = compare_tensor(a, b, device, values)
            if why:
                return where + why
        elif isinstance(a, torch.device) and isinstance(b, torch.device):
            if b.type != device.type:
                return f"{where}device {b}"
        elif type(a) is not type(b):
            return f"{where}{type(a).__name__} on CPU, {type(b).__name__} on the device"
        elif values and a != b and not (a != a and b != b):
            return f"{where}{a!r} on CPU, {b!r} on the device"
    return None


def sharing(tree: Any) -> list[int]:
    """For each tensor of the tree, the first tensor that has the same storage."""
    keys = [storage_of(t) for t in tensors_of(tree)]
    return [keys.index(k) if k else i for i, k in enumerate(keys)]


def identities(tree: Any) -> list[int]:
    """For each tensor of the tree, the first place that holds the very same object."""
    ids = [id(t) for t in tensors_of(tree)]
    return [ids.index(i) for i in ids]
