# SPDX-License-Identifier: Apache-2.0
"""``torch.trireme``: what PyTorch and programs ask of a device module, named as in torch.cuda."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType, TracebackType
from typing import Any

import torch

from trireme import _C, amp, memory, random, streams
from trireme.device_index import Device, device_index
from trireme.memory import *  # noqa: F403
from trireme.properties import device_properties
from trireme.random import *  # noqa: F403
from trireme.streams import *  # noqa: F403

__all__ = [
    "DeviceProperties",
    "OutOfMemoryError",
    "amp",
    "can_device_access_peer",
    "current_device",
    "device",
    "device_count",
    "device_of",
    "get_amp_supported_dtype",
    "get_arch_list",
    "get_device_capability",
    "get_device_name",
    "get_device_properties",
    "init",
    "ipc_collect",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "is_tf32_supported",
    "memory",
    "random",
    "set_device",
    "streams",
    "synchronize",
    "utilization",
    *memory.__all__,
    *random.__all__,
    *streams.__all__,
]

OutOfMemoryError = torch.OutOfMemoryError

# torch.utils.checkpoint reads this to see whether there is a random state worth saving.
_initialized = False


def is_available() -> bool:
    """True: the device needs nothing but the CPU. Says nothing about forks, as in CUDA."""
    return True


def device_count() -> int:
    """1, whatever accelerators are behind the device."""
    return 1


def current_device() -> int:
    """0: there is one device."""
    _lazy_init()
    return 0


def set_device(device: Device) -> None:
    """Accepts device 0, the only one."""
    device_index(device)


def _is_in_bad_fork() -> bool:
    return bool(_C.is_in_bad_fork())


def is_initialized() -> bool:
    """True once this process has used the device."""
    return _initialized and not _is_in_bad_fork()


def _set_initialized() -> None:
    global _initialized
    _initialized = True


def _lazy_init() -> None:
    """Called by PyTorch the first time that the program names the device."""
    if _is_in_bad_fork():
        raise RuntimeError(
            "Cannot re-initialize trireme in forked subprocess. To use trireme with "
            "multiprocessing, you must use the 'spawn' start method"
        )
    if not _initialized:
        _set_initialized()


def init() -> None:
    """Does what the first use of the device would do."""
    _lazy_init()


def _lazy_call(callable: Any, **_: Any) -> None:
    """Nothing has to wait for initialization."""
    callable()


def synchronize(device: Device = None) -> None:
    """Waits until the device has run all that was recorded, and raises what went wrong."""
    device_index(device)
    _lazy_init()
    _C.synchronize()


class device:  # noqa: N801 (torch's name)
    """Selects a device inside a ``with`` block: device 0, the only one."""

    def __init__(self, device: Device) -> None:
        self.idx = -1 if device is None else device_index(device)
        self.prev_idx = -1

    def __enter__(self) -> None:
        self.prev_idx = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None


class device_of(device):  # noqa: N801 (torch's name)
    """Selects the device of a tensor or storage; does nothing for one that lies elsewhere."""

    def __init__(self, obj: Any) -> None:
        here = obj.device.type == torch._C._get_privateuse1_backend_name()
        super().__init__(obj.device.index if here else None)


def _exchange_device(device: int) -> int:
    return 0


def _maybe_exchange_device(device: int) -> int:  # a function of its own: Dynamo tells them apart
    return 0


@dataclass(frozen=True)
class DeviceProperties:
    """What a program may want to know about the device. Memory in bytes."""

    name: str
    total_memory: int
    multi_processor_count: int
    accelerators: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    # The generation of CUDA device whose features (bfloat16 among them) the device has.
    major: int = 8
    minor: int = 0
    # Its memory is the machine's.
    is_integrated: bool = True
    is_multi_gpu_board: bool = False
    warp_size: int = 1
    max_threads_per_multi_processor: int = 1
    max_threads_per_block: int = 1024
    L2_cache_size: int = 0


@cache
def _properties() -> DeviceProperties:
    properties = device_properties()
    return DeviceProperties(
        name=properties["name"],
        total_memory=int(properties["total_memory"]),
        multi_processor_count=int(properties["cores"]),
        accelerators=tuple(dict(a) for a in properties.get("accelerators", ())),
    )


def get_device_properties(device: Device = None) -> DeviceProperties:
    """Name, memory, cores, accelerators."""
    device_index(device)
    return _properties()


def get_device_name(device: Device = None) -> str:
    """The name of the device."""
    return get_device_properties(device).name


def get_device_capability(device: Device = None) -> tuple[int, int]:
    """(8, 0): programs ask in order to learn whether bfloat16 and fast attention work; they do."""
    properties = get_device_properties(device)
    return properties.major, properties.minor


def get_arch_list() -> list[str]:
    """No binaries for CUDA architectures: an empty list."""
    return []


def can_device_access_peer(device: Device, peer_device: Device) -> bool:
    """There is no other device."""
    return False


def get_amp_supported_dtype() -> list[torch.dtype]:
    """The dtypes that torch.autocast may use."""
    return [torch.bfloat16, torch.float16]


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """True: whatever has no fast bfloat16 computes with the CPU's conversions."""
    return True


def is_tf32_supported() -> bool:
    """False: float32 is computed as float32."""
    return False


def ipc_collect() -> None:
    """Tensors are not shared between processes: nothing to collect."""


def utilization(device: Device = None) -> int:
    """Percent of the machine that this and other programs have kept busy of late."""
    import os

    device_index(device)
    busy, cores = os.getloadavg()[0], _properties().multi_processor_count
    return min(100, round(100 * busy / max(cores, 1)))


class _Utils:
    """torch.serialization looks for this under ``torch.trireme._utils``."""

    @staticmethod
    def _get_device_index(device: Device, optional: bool = False, allow_cpu: bool = False) -> int:
        if allow_cpu and device is not None and torch.device(device).type == "cpu":
            return -1
        return device_index(device)


_utils = _Utils


def __getattr__(name: str) -> Any:
    if name == "default_generators":
        return (_C.default_generator(),)
    raise AttributeError(f"module 'torch.trireme' has no attribute {name!r}")


def install() -> None:
    """Makes this module ``torch.trireme``, so that ``import torch.trireme.random`` works too."""
    # Not torch._register_device_module: under `trireme run` the device's name is "cuda".
    modules: dict[str, ModuleType] = {
        "": sys.modules[__name__],
        ".amp": amp,
        ".memory": memory,
        ".random": random,
        ".streams": streams,
    }
    for suffix, module in modules.items():
        sys.modules[f"torch.trireme{suffix}"] = module
    torch.trireme = sys.modules[__name__]  # type: ignore[attr-defined]
