# SPDX-License-Identifier: Apache-2.0
"""Sending the device's tensors to another process: a clear error.

multiprocessing shares memory between processes; what a program then writes in one, the other must
see. The device's memory belongs to one process and its executor, so nothing is sent by value
behind the program's back.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions


def _refusing(reduce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def reduce_host_only(value: Any) -> Any:
        if value.device.type == torch._C._get_privateuse1_backend_name():
            raise RuntimeError(
                "a trireme tensor cannot be shared with another process: "
                "send tensor.cpu() instead, and move it to the device there"
            )
        return reduce(value)

    return reduce_host_only


def install() -> None:
    """In place of torch's reducers, for multiprocessing only: pickle and torch.save are as ever."""
    for kind in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(kind, _refusing(reductions.reduce_tensor))
    ForkingPickler.register(torch.UntypedStorage, _refusing(reductions.reduce_storage))
