# SPDX-License-Identifier: Apache-2.0
"""Tells PyTorch's Python side about the device. Runs in every ``import torch``: keep it short."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from torch.utils import backend_registration

from trireme import DEVICE, amp, cuda_shim, device_module, shutdown, storages

DYNAMO_INTERFACES = "torch._dynamo.device_interface"


class _AfterImport(importlib.abc.MetaPathFinder):
    """Runs `then` once the module `name` has been imported, without importing it."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_then(module: ModuleType) -> None:
            execute(module)
            self._then()

        spec.loader.exec_module = execute_then  # type: ignore[method-assign]
        return spec


def _register_with_dynamo() -> None:
    from trireme import dynamo

    dynamo.register()


def register() -> None:
    """Name, device module, tensor methods, torch.compile, what happens at exit."""
    backend_registration.rename_privateuse1_backend(DEVICE)
    device_module.install()
    if cuda_shim.active():
        cuda_shim.install()
    else:
        backend_registration.generate_methods_for_privateuse1_backend(
            for_tensor=True, for_module=True, for_packed_sequence=True, for_storage=True
        )
    if DYNAMO_INTERFACES in sys.modules:
        _register_with_dynamo()
    else:
        sys.meta_path.insert(0, _AfterImport(DYNAMO_INTERFACES, _register_with_dynamo))
    amp.install()
    storages.install()
    shutdown.install()
