# SPDX-License-Identifier: Apache-2.0
"""Methods and types of tensors that test for CUDA's dispatch key, which the device has not."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import handle_torch_function, has_torch_function_unary

NAME = "cuda"

# torch.cuda.FloatTensor and the like
LEGACY_DTYPES = {
    "Bool": torch.bool,
    "Byte": torch.uint8,
    "Char": torch.int8,
    "Short": torch.int16,
    "Int": torch.int32,
    "Long": torch.int64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Float": torch.float32,
    "Double": torch.float64,
    "ComplexFloat": torch.complex64,
    "ComplexDouble": torch.complex128,
}


def _to_device(
    self: torch.Tensor,
    device: Any = None,
    non_blocking: bool = False,
    memory_format: torch.memory_format = torch.preserve_format,
) -> torch.Tensor:
    """A copy of the tensor on the device, or the tensor itself if it is there."""
    if has_torch_function_unary(self):
        return handle_torch_function(
            torch.Tensor.cuda,
            (self,),
            self,
            device=device,
            non_blocking=non_blocking,
            memory_format=memory_format,
        )
    if device is None or isinstance(device, int):
        target = torch.device(NAME, 0 if device is None or device < 0 else device)
    else:
        target = torch.device(device)
    if target.type != NAME:
        raise RuntimeError(f"Invalid device, must be cuda device, but got: {target}")
    return self.to(device=target, non_blocking=non_blocking, memory_format=memory_format)


def _is_on_device(self: torch.Tensor) -> bool:
    if has_torch_function_unary(self):
        return handle_torch_function(
            torch.Tensor.is_cuda.__get__,  # type: ignore[attr-defined]
            (self,),
            self,
        )
    return self.device.type == NAME


class _LegacyType(type):
    """``torch.cuda.FloatTensor``: makes tensors, and tells whether a tensor is of its kind."""

    dtype: torch.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> torch.Tensor:
        if len(args) == 1 and isinstance(args[0], (list, tuple, torch.Tensor)):
            if isinstance(args[0], torch.Size):
                return torch.empty(args[0], dtype=cls.dtype, device=NAME)
            return torch.as_tensor(args[0], dtype=cls.dtype, device=NAME)
        if len(args) == 1 and hasattr(args[0], "__array__"):
            return torch.as_tensor(args[0], dtype=cls.dtype, device=NAME)
        return torch.empty(args or (0,), dtype=cls.dtype, device=NAME)

    def __instancecheck__(cls, instance: object) -> bool:
        return (
            isinstance(instance, torch.Tensor)
            and instance.device.type == NAME
            and instance.dtype == cls.dtype
        )


def _legacy_type(name: str, dtype: torch.dtype) -> _LegacyType:
    return _LegacyType(
        f"{name}Tensor",
        (),
        {"dtype": dtype, "is_cuda": True, "is_sparse": False, "__module__": "torch.cuda"},
    )


def _legacy_dtype(kind: object) -> torch.dtype | None:
    """The dtype of "torch.cuda.FloatTensor" or of that type; None for anything else."""
    if isinstance(kind, _LegacyType):
        return kind.dtype
    if isinstance(kind, str) and kind.startswith("torch.cuda.") and kind.endswith("Tensor"):
        return LEGACY_DTYPES.get(kind[len("torch.cuda.") : -len("Tensor")])
    return None


def _install_legacy_types() -> None:
    for name, dtype in LEGACY_DTYPES.items():
        setattr(torch.cuda, f"{name}Tensor", _legacy_type(name, dtype))

    convert = torch.Tensor.type

    @functools.wraps(convert)
    def type_(self: torch.Tensor, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
        if (legacy := _legacy_dtype(dtype)) is not None:
            return self.to(device=NAME, dtype=legacy)
        return convert(self, dtype, *args, **kwargs)

    torch.Tensor.type = type_  # type: ignore[method-assign, assignment]

    set_default = torch.set_default_tensor_type

    @functools.wraps(set_default)
    def set_default_tensor_type(t: Any, /) -> None:
        if (legacy := _legacy_dtype(t)) is None:
            if torch.get_default_device().type == NAME:
                torch.set_default_device("cpu")
            return set_default(t)
        torch.set_default_dtype(legacy)
        torch.set_default_device(NAME)
        return None

    torch.set_default_tensor_type = set_default_tensor_type


def _packed_sequence_to_trireme(self: PackedSequence, *args: Any, **kwargs: Any) -> PackedSequence:
    return self.cuda(*args, **kwargs)


def install() -> None:
    """`.cuda()` and `.is_cuda`, and `.trireme()` and `.is_trireme` beside them."""
    tensor: Any = torch.Tensor
    tensor.cuda = tensor.trireme = _to_device
    tensor.is_cuda = tensor.is_trireme = property(_is_on_device)
    _to_device.__name__ = "cuda"
    _is_on_device.__name__ = "is_cuda"

    module: Any = torch.nn.Module
    module.trireme = module.cuda
    storage: Any = torch.storage._StorageBase
    storage.is_trireme = property(lambda self: self.device.type == NAME)
    storage.trireme = storage.cuda
    packed: Any = PackedSequence
    packed.trireme = _packed_sequence_to_trireme
    packed.is_trireme = property(lambda self: self.data.device.type == NAME)

    _install_legacy_types()
