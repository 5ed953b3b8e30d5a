# SPDX-License-Identifier: Apache-2.0
"""torch.compile on the device.

Backends "eager" and "aot_eager" work as on any device: Dynamo needs to know how to name it, which
is the interface below. Inductor has no code generator for the device, and needs none: Trireme
compiles what it is given. Under the default backend the captured graph is therefore run as it is.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import torch
from torch._dynamo import device_interface
from torch.utils._pytree import tree_leaves

from trireme import device_module

log = logging.getLogger(__name__)


class TriremeInterface(device_interface.DeviceInterface):
    """What Dynamo asks of a device."""

    device = device_module.device
    Event = device_module.Event
    Stream = device_module.Stream

    class Worker:
        """What Inductor's compile processes would ask."""

        set_device = staticmethod(device_module.set_device)
        current_device = staticmethod(device_module.current_device)
        get_device_properties = staticmethod(device_module.get_device_properties)

    current_device = staticmethod(device_module.current_device)
    set_device = staticmethod(device_module.set_device)
    device_count = staticmethod(device_module.device_count)
    is_available = staticmethod(device_module.is_available)
    stream = staticmethod(device_module.stream)
    current_stream = staticmethod(device_module.current_stream)
    set_stream = staticmethod(device_module.set_stream)
    synchronize = staticmethod(device_module.synchronize)
    get_device_properties = staticmethod(device_module.get_device_properties)
    memory_allocated = staticmethod(device_module.memory_allocated)
    is_bf16_supported = staticmethod(device_module.is_bf16_supported)
    exchange_device = staticmethod(device_module._exchange_device)
    maybe_exchange_device = staticmethod(device_module._maybe_exchange_device)

    @staticmethod
    def _set_stream_by_id(stream_id: int, device_index: int, device_type: int) -> None:
        device_module.set_stream(
            device_module.Stream(
                stream_id=stream_id, device_index=device_index, device_type=device_type
            )
        )

    @staticmethod
    def get_raw_stream(device_idx: int) -> int:
        return 0

    @staticmethod
    def get_compute_capability(device: torch.types.Device = None) -> str:
        return ""

    @staticmethod
    def is_dtype_supported(dtype: torch.dtype, including_emulation: bool = False) -> bool:
        return True

    @staticmethod
    def is_triton_capable(device: torch.types.Device = None) -> bool:
        return False

    @staticmethod
    def raise_if_triton_unavailable(device: torch.types.Device = None) -> None:
        raise RuntimeError(
            "there is no Triton for trireme: use torch.compile with the default backend, "
            'backend="aot_eager" or backend="eager"; Trireme compiles the result itself'
        )


def _on_device(values: Any, name: str) -> bool:
    return any(
        isinstance(value, torch.Tensor) and value.device.type == name
        for value in tree_leaves(values)
    )


def _replace_inductor() -> None:
    """Inductor keeps every graph but those with a tensor of the device in them."""
    wrapper = torch._TorchCompileInductorWrapper
    inductor = wrapper.__call__

    @functools.wraps(inductor)
    def call(self: Any, model_: Any, inputs_: Any, **kwargs: Any) -> Any:
        name = torch._C._get_privateuse1_backend_name()
        weights = [*model_.parameters(), *model_.buffers()] if hasattr(model_, "parameters") else []
        if _on_device((inputs_, weights), name) or _makes_device_tensors(model_, name):
            log.info("torch.compile: the captured graph runs on %s as it is", name)
            return model_.forward
        return inductor(self, model_, inputs_, **kwargs)

    wrapper.__call__ = call  # type: ignore[method-assign]


def _makes_device_tensors(model: Any, name: str) -> bool:
    """True when a node of the graph produces a tensor on the device (a factory call)."""
    graph = getattr(model, "graph", None)
    if graph is None:
        return False
    return any(_on_device(node.meta.get("example_value"), name) for node in graph.nodes)


def register() -> None:
    """Called when Dynamo is first imported."""
    # Dynamo's own registration, otherwise run later, would put CUDA's interface in our place.
    if not device_interface._device_initialized:
        device_interface.init_device_reg()
    name = torch._C._get_privateuse1_backend_name()
    for device in (name, f"{name}:0"):
        device_interface.register_interface_for_device(device, TriremeInterface)
    _replace_inductor()
