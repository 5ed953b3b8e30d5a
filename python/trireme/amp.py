# SPDX-License-Identifier: Apache-2.0
"""``torch.trireme.amp``: torch.amp with the device filled in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch

from trireme import _C

__all__ = ["GradScaler", "autocast"]


class autocast(torch.amp.autocast_mode.autocast):  # noqa: N801 (torch's name)
    """``torch.autocast`` for the device; float16 unless told otherwise, as with CUDA."""

    def __init__(
        self,
        enabled: bool = True,
        dtype: torch.dtype = torch.float16,
        cache_enabled: bool = True,
    ) -> None:
        name = torch._C._get_privateuse1_backend_name()
        super().__init__(name, enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(torch.amp.GradScaler):
    """``torch.amp.GradScaler`` for the device."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(torch._C._get_privateuse1_backend_name(), *args, **kwargs)


def _preparing(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def prepared(*args: Any, **kwargs: Any) -> Any:
        _C.prepare_thread()
        return function(*args, **kwargs)

    return prepared


def install() -> None:
    """The same default dtype in every thread: PyTorch keeps one for each, starting at float16."""
    torch.get_autocast_dtype = _preparing(torch.get_autocast_dtype)
    torch.set_autocast_dtype = _preparing(torch.set_autocast_dtype)
