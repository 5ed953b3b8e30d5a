# SPDX-License-Identifier: Apache-2.0
"""Parts of torch that look for CUDA's libraries when a device is called "cuda"."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.autograd import profiler

from trireme import _C

# Programs compare it (transformers, before it accepts tf32=True), and no CUDA build has None there.
CUDA_VERSION = "12.8"


def _install_profiler() -> None:
    """A CPU build would time CUDA kernels with CUDA's events: the device has calls instead."""
    start = profiler.profile.__init__

    @functools.wraps(start)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        start(self, *args, **kwargs)
        kind = getattr(self, "profiler_kind", None)
        if kind is not None and kind.name == "KINETO_GPU_FALLBACK":
            self.profiler_kind = type(kind).KINETO

    profiler.profile.__init__ = init  # type: ignore[method-assign]


def _install_autocast() -> None:
    """Asked without a device, or for the "gpu", autocast answers for CUDA's dispatch key."""
    enabled, set_enabled = torch.is_autocast_enabled, torch.set_autocast_enabled

    @functools.wraps(enabled)
    def is_autocast_enabled(device_type: str = "cuda") -> bool:
        return bool(enabled(device_type))

    @functools.wraps(set_enabled)
    def set_autocast_enabled(*args: Any) -> None:
        set_enabled(*(args if len(args) == 2 else ("cuda", *args)))

    torch.is_autocast_enabled = is_autocast_enabled
    torch.set_autocast_enabled = set_autocast_enabled  # type: ignore[assignment]
    torch.get_autocast_gpu_dtype = lambda: torch.get_autocast_dtype("cuda")
    torch.set_autocast_gpu_dtype = lambda dtype: torch.set_autocast_dtype("cuda", dtype)


def install() -> None:
    """Backend flags take assignments as they are; only questions need answers."""
    torch.version.cuda = CUDA_VERSION
    _C.set_default_autocast_dtype(torch.float16)  # CUDA's default
    torch.backends.cuda.is_built = lambda: True
    # It would warn that cuDNN is missing, once for every recurrent layer.
    torch.backends.cudnn.is_acceptable = lambda tensor: False
    _install_autocast()
    _install_profiler()
