# SPDX-License-Identifier: Apache-2.0
"""What one step of a program computes, and the bytes that it cannot do without.

FLOPs of products and convolutions are counted by torch.utils.flop_counter while eager runs a step,
with formulas added here for what it lacks on the CPU: fused attention and LSTM layers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from benchmarks.programs.program import Prepared

aten = torch.ops.aten
ROW_READERS = ("embedding", "embedding_bag", "_embedding_bag", "_embedding_bag_forward_only")


def attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def attention_backward_flops(
    grad: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any
) -> int:
    return sdpa_backward_flop_count(grad, query, key, value)


def recurrent_flops(x: Any, w_input: Any, w_hidden: Any, *_: Any, **__: Any) -> int:
    """x: [time, batch, features] in either order; weights: [4 * hidden, features or hidden]."""
    return 2 * prod(x[:-1]) * (prod(w_input) + prod(w_hidden))


def recurrent_backward_flops(*args: Any, **kwargs: Any) -> int:
    return 2 * recurrent_flops(*args, **kwargs)


FORMULAS: dict[Any, Callable[..., int]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: attention_flops,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward_flops,
    aten.mkldnn_rnn_layer: recurrent_flops,
    aten.mkldnn_rnn_layer_backward: recurrent_backward_flops,
}


def product_shape(name: str, args: tuple[Any, ...]) -> list[int] | None:
    """[m, k, n] of a product of matrices."""
    operands = {"mm": args[:2], "addmm": args[1:3], "linear": args[:2]}.get(name)
    if operands is None:
        return None
    left, right = operands
    columns = right.shape[0] if name == "linear" else right.shape[1]
    return [left.numel() // left.shape[-1], left.shape[-1], columns]


def convolution_shape(name: str, args: tuple[Any, ...], out: Any) -> dict[str, Any] | None:
    """The arguments of a convolution, with what it costs."""
    if name != "convolution" or args[6]:  # transposed
        return None
    x, weight = args[0], args[1]
    return {
        "input": list(x.shape),
        "weight": list(weight.shape),
        "stride": list(args[3]),
        "padding": list(args[4]),
        "dilation": list(args[5]),
        "groups": args[8],
        "flops": 2 * out.numel() * prod(weight.shape[1:]),
    }


class Shapes(TorchDispatchMode):
    """Keeps the largest product and convolution, and how much is read of each parameter."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.product: list[int] | None = None
        self.convolution: dict[str, Any] | None = None
        self._parameters = {p.untyped_storage().data_ptr(): p for p in model.parameters()}
        self._read: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        product = product_shape(name, args)
        if product and (self.product is None or prod(product) > prod(self.product)):
            self.product = product
        convolution = convolution_shape(name, args, out)
        if convolution and (
            self.convolution is None or convolution["flops"] > self.convolution["flops"]
        ):
            self.convolution = convolution
        for argument in args:
            if isinstance(argument, torch.Tensor):
                self._note_read(name, argument, args, func.is_view)
        return out

    def _note_read(
        self, name: str, tensor: torch.Tensor, args: tuple[Any, ...], is_view: bool
    ) -> None:
        address = tensor.untyped_storage().data_ptr()
        if is_view or address not in self._parameters:
            return
        size = tensor.numel() * tensor.element_size()
        if name in ROW_READERS:
            size = min(size, args[1].numel() * tensor.shape[1] * tensor.element_size())
        self._read[address] = max(self._read.get(address, 0), size)

    def parameter_bytes_read(self) -> int:
        return sum(self._read.values())


class SavedBytes:
    """Bytes of the storages that autograd keeps for the backward pass, parameters left out."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._known = {p.untyped_storage().data_ptr() for p in model.parameters()}
        self._sizes: dict[int, int] = {}

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self._known:
                self._sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    def total(self) -> int:
        return sum(self._sizes.values())


def bytes_of(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def of(prepared: Prepared) -> dict[str, Any]:
    """Runs one step on the CPU. Bytes are of one step; keys as the report needs them."""
    model, optimizer = prepared.model, prepared.optimizer
    assert model is not None, "benchmarks.facts: the program has no model"
    saved = SavedBytes(model)
    shapes = Shapes(model)
    counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
    hooks = torch.autograd.graph.saved_tensors_hooks(saved.pack, lambda tensor: tensor)
    with hooks, counter, shapes:
        prepared.step()
    parameters = bytes_of(model.parameters())
    bytes_moved = {}
    if optimizer is None:
        bytes_moved["parameters"] = shapes.parameter_bytes_read() * prepared.passes
        bytes_moved["cache"] = prepared.cache_bytes
    else:
        gradients = bytes_of(p.grad for p in model.parameters() if p.grad is not None)
        state = (value for entry in optimizer.state.values() for value in entry.values())
        tensors = [value for value in state if isinstance(value, torch.Tensor) and value.dim() > 0]
        bytes_moved["parameters"] = 2 * parameters  # read, written
        bytes_moved["gradients"] = 2 * gradients  # written, read
        bytes_moved["optimizer"] = 2 * bytes_of(tensors)
        bytes_moved["activations"] = 2 * saved.total()
    return {
        "flops": counter.get_total_flops(),
        "flops_by_op": {str(op): n for op, n in counter.get_flop_counts()["Global"].items()},
        "bytes": bytes_moved,
        "parameters": sum(p.numel() for p in model.parameters()),
        "product": shapes.product,
        "convolution": shapes.convolution,
    }
