# SPDX-License-Identifier: Apache-2.0
"""``torch.trireme.amp``: torch.amp with the device filled in."""

from __future__ import annotations

from typing import Any

import torch

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
