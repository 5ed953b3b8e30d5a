# SPDX-License-Identifier: Apache-2.0
"""The device's storages in pickles and in other processes.

Sending a tensor to another process is a clear error: multiprocessing shares memory between
processes; what a program then writes in one, the other must see. The device's memory belongs to one
process and its executor, so nothing is sent by value behind the program's back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.multiprocessing import reductions

from trireme import _C


def _is_ours(value: torch.Tensor | torch.UntypedStorage) -> bool:
    return value.device.type == torch._C._get_privateuse1_backend_name()


def _refusing(reduce: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def reduce_host_only(value: Any) -> Any:
        if _is_ours(value):
            raise RuntimeError(
                "a trireme tensor cannot be shared with another process: "
                "send tensor.cpu() instead, and move it to the device there"
            )
        return reduce(value)

    return reduce_host_only


def _pickle_through_the_host() -> None:
    """pickle reads and writes bytes at a storage's address, which is no memory on the device."""
    storage: Any = torch.UntypedStorage
    write, read = storage._write_file, storage._set_from_file

    @functools.wraps(write)
    def write_file(self: torch.UntypedStorage, *args: Any) -> Any:
        return write(self.cpu() if _is_ours(self) else self, *args)

    @functools.wraps(read)
    def set_from_file(self: torch.UntypedStorage, *args: Any) -> Any:
        if not _is_ours(self):
            return read(self, *args)
        host = torch.UntypedStorage(self.nbytes())
        read(host, *args)
        return self.copy_(host)

    storage._write_file, storage._set_from_file = write_file, set_from_file


def install() -> None:
    """In place of torch's reducers, for multiprocessing only: pickle and torch.save are as ever."""
    _C.learn_storage_slices(torch.UntypedStorage(2)[0:1])
    _pickle_through_the_host()
    for kind in (torch.Tensor, torch.nn.Parameter):
        ForkingPickler.register(kind, _refusing(reductions.reduce_tensor))
    ForkingPickler.register(torch.UntypedStorage, _refusing(reductions.reduce_storage))
