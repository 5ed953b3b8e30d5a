# SPDX-License-Identifier: Apache-2.0
"""Copies of tensors that keep storage, sizes, strides, offset and aliasing; layouts of samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves, tree_map

Tree = Any


def is_strided(tensor: torch.Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_nested


def storage_of(value: Any) -> int:
    """Names the storage of a tensor; 0: it has none, or the value is no tensor."""
    if not isinstance(value, torch.Tensor):
        return 0
    try:
        return int(value.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return 0


class Copier:
    """Clones tensors onto a device so that two that share a storage share one there, too.

    `fill` may rewrite the bytes of each copied storage (same geometry, other values).
    """

    def __init__(
        self,
        device: torch.device | str,
        fill: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.device = torch.device(device)
        self.fill = fill
        self.storages: dict[int, torch.Tensor] = {}
        self.copies: dict[int, torch.Tensor] = {}
        self.sources: list[torch.Tensor] = []

    def base(self, tensor: torch.Tensor) -> torch.Tensor:
        """The whole storage of `tensor`, flat, as a tensor of its dtype on the target."""
        key = tensor.untyped_storage()._cdata
        if key not in self.storages:
            nbytes = tensor.untyped_storage().nbytes()
            if self.device.type == "meta" or tensor.device.type == "meta":
                flat = torch.empty(nbytes, dtype=torch.uint8, device=self.device)
            else:
                item = tensor.element_size()
                count = nbytes // item
                whole = torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(
                    tensor.untyped_storage(), 0, (count,), (1,)
                )
                if self.fill is not None:
                    whole = self.fill(whole)
                flat = torch.empty(count, dtype=tensor.dtype, device=self.device)
                flat.copy_(whole)
            self.storages[key] = flat
        return self.storages[key]

    def plain(self, tensor: torch.Tensor) -> torch.Tensor:
        flat = self.base(tensor)
        copy = torch.empty(0, dtype=tensor.dtype, device=self.device)
        copy.set_(flat.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())
        return copy

    def tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        known = self.copies.get(id(tensor))
        if known is not None:
            return known
        with torch.no_grad():
            if not is_strided(tensor):
                copy = tensor.detach().to(self.device)
                if copy.device == tensor.device:
                    copy = copy.clone()
            else:
                source = tensor.detach()
                if source.is_conj():
                    source = source.conj()
                if source.is_neg():
                    source = torch._neg_view(source)
                copy = self.plain(source)
                if tensor.is_neg():
                    copy = torch._neg_view(copy)
                if tensor.is_conj():
                    copy = copy.conj()
        if isinstance(tensor, torch.nn.Parameter):
            copy = torch.nn.Parameter(copy, requires_grad=tensor.requires_grad)
        elif tensor.requires_grad:
            copy = copy.detach().requires_grad_(True)
        self.sources.append(tensor)  # keeps ids and storages unique while copying
        self.copies[id(tensor)] = copy
        return copy

    def __call__(self, tree: Tree) -> Tree:
        def move(leaf: Any) -> Any:
            if isinstance(leaf, torch.Tensor):
                return self.tensor(leaf)
            if isinstance(leaf, torch.device):
                return self.device
            return leaf

        return tree_map(move, tree)


def fresh_values(whole: torch.Tensor) -> torch.Tensor:
    """Other values for a flat storage: the same multiset, rotated, so that domains still hold."""
    count = whole.numel()
    if count < 2:
        return whole
    return whole.roll(max(1, count // 3))


def tensors_of(tree: Tree) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def reversed_memory(tensor: torch.Tensor) -> torch.Tensor:
    """Same values, dense, dimensions laid out in the opposite order in memory."""
    if not is_strided(tensor) or tensor.dim() < 2:
        return tensor
    order = list(range(tensor.dim()))[::-1]
    out = tensor.detach().permute(order).contiguous().permute(order)
    return out.requires_grad_(tensor.requires_grad)


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    if not is_strided(tensor) or tensor.dim() not in (4, 5):
        return tensor
    wanted = torch.channels_last if tensor.dim() == 4 else torch.channels_last_3d
    out = tensor.detach().contiguous(memory_format=wanted)
    return out.requires_grad_(tensor.requires_grad)


def gapped(tensor: torch.Tensor) -> torch.Tensor:
    """Same values with holes in memory and an offset of one element."""
    if not is_strided(tensor) or tensor.dim() < 1 or tensor.numel() == 0:
        return tensor
    sizes = list(tensor.shape)
    sizes[-1] *= 2
    room = torch.zeros(int(torch.Size(sizes).numel()) + 1, dtype=tensor.dtype, device=tensor.device)
    out = room[1:].view(sizes)[..., ::2]
    out.copy_(tensor.detach())
    return out.requires_grad_(tensor.requires_grad)


LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "channels_last": channels_last,
    "reversed": reversed_memory,
    "gapped": gapped,
}
