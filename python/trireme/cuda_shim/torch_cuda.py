# SPDX-License-Identifier: Apache-2.0
"""``torch.cuda.*`` answers for the device. Patched in place: other modules refer to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import torch
import torch.cuda.nvtx
import torch.cuda.profiler

from trireme import device_module, memory, random, streams

# What torch.trireme offers under a leading underscore and PyTorch calls in torch.cuda.
PRIVATE = ("_exchange_device", "_is_in_bad_fork", "_lazy_call", "_maybe_exchange_device")
# Submodules of torch.cuda stay what they are; only their functions are replaced.
NOT_COPIED = {"amp", "memory", "random", "streams", "DeviceProperties"}


def _put(module: ModuleType, **attributes: Any) -> None:
    for name, value in attributes.items():
        setattr(module, name, value)


def _copy(source: ModuleType, target: ModuleType, names: list[str] | tuple[str, ...]) -> None:
    _put(target, **{name: getattr(source, name) for name in names if name not in NOT_COPIED})


def _lazy_init() -> None:
    device_module._lazy_init()
    torch.cuda._initialized = True


class _Cudart:
    """The few functions of CUDA's runtime that programs call through torch.cuda.cudart()."""

    @staticmethod
    def cudaProfilerStart() -> int:  # noqa: N802
        return 0

    @staticmethod
    def cudaProfilerStop() -> int:  # noqa: N802
        return 0

    @staticmethod
    def cudaMemGetInfo(device: int = 0) -> tuple[int, int]:  # noqa: N802
        return device_module.mem_get_info(device)

    @staticmethod
    def cudaDeviceSynchronize() -> int:  # noqa: N802
        device_module.synchronize()
        return 0


def _check_error(result: int) -> None:
    if result != 0:
        raise torch.cuda.CudaError(result)


_sync_debug_mode = 0


def _set_sync_debug_mode(debug_mode: int | str) -> None:
    global _sync_debug_mode
    modes: dict[int | str, int] = {"default": 0, "warn": 1, "error": 2, 0: 0, 1: 1, 2: 2}
    if debug_mode not in modes:
        raise RuntimeError(f"invalid debug_mode {debug_mode!r}: one of `default`, `warn`, `error`")
    _sync_debug_mode = modes[debug_mode]


def _get_sync_debug_mode() -> int:
    return _sync_debug_mode


class _NoGraph:
    """CUDA graphs replay kernels with the addresses of one run; there is nothing like it here."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise RuntimeError(
            "CUDA graphs are not available on trireme, which records and compiles the calls of a "
            "program by itself: leave the capture out"
        )


def _make_graphed_callables(callables: Any, sample_args: Any, *_: Any, **__: Any) -> Any:
    """The callables themselves: what they call is recorded anyway."""
    return callables


def _no_operation(*_: Any, **__: Any) -> int:
    return 0


@contextlib.contextmanager
def _nvtx_range(msg: str, *_: Any, **__: Any) -> Iterator[None]:
    yield


def _scatter(tensor: Any, devices: Any = None, *_: Any, out: Any = None, **__: Any) -> Any:
    """To one device: DataParallel on a machine with one GPU."""
    if out is not None:
        out[0].copy_(tensor)
        return tuple(out)
    return (tensor.to(torch.device("cuda", 0)),)


def _gather(
    tensors: Any, dim: int = 0, destination: Any = None, *, out: Any = None
) -> torch.Tensor:
    joined = torch.cat(tuple(tensors), dim)
    if out is not None:
        out.copy_(joined)
        return out
    return joined if destination is None else joined.to(destination)


def _broadcast_coalesced(tensors: Any, devices: Any, *_: Any, **__: Any) -> list[Any]:
    return [[tensor.to(torch.device("cuda", 0)) for tensor in tensors]]


def _install_graphs() -> None:
    for module in (torch.cuda, torch.cuda.graphs):
        _put(
            module,
            CUDAGraph=_NoGraph,
            graph=_NoGraph,
            graph_pool_handle=lambda: (0, 0),
            is_current_stream_capturing=lambda: False,
            make_graphed_callables=_make_graphed_callables,
        )


def _install_profiling() -> None:
    nvtx = torch.cuda.nvtx
    names = ("range_push", "range_pop", "range_start", "range_end", "mark")
    _put(nvtx, **dict.fromkeys(names, _no_operation))
    _put(nvtx, range=_nvtx_range)
    _put(torch.cuda.profiler, start=_no_operation, stop=_no_operation)
    _put(torch.cuda, _cudart=_Cudart, cudart=lambda: _Cudart, check_error=_check_error)


def install() -> None:
    """Replaces what would ask CUDA's runtime."""
    cuda: Any = torch.cuda
    _copy(device_module, cuda, (*device_module.__all__, *PRIVATE))
    _copy(memory, cuda.memory, memory.__all__)
    _copy(random, cuda.random, random.__all__)
    _copy(streams, cuda.streams, ("Event", "Stream"))
    _put(
        cuda,
        ExternalStream=streams.Stream,
        _DeviceGuard=device_module.device,
        _get_device=torch.device,
        _get_generator=lambda device: random._generator(device),
        _lazy_init=_lazy_init,
        _sleep=_no_operation,
        default_generators=(random._generator(),),
        get_gencode_flags=lambda: "",
        get_stream_from_external=lambda data_ptr, device=None: streams.current_stream(device),
        get_sync_debug_mode=_get_sync_debug_mode,
        init=_lazy_init,
        set_sync_debug_mode=_set_sync_debug_mode,
        device_memory_used=memory.memory_reserved,
        memory_usage=lambda device=None: 0,
        has_half=True,
        has_magma=False,
    )
    _put(cuda._utils, _get_device_index=device_module._utils._get_device_index)
    _install_graphs()
    _install_profiling()
    # torch.cuda.comm, when a program imports it, takes its functions from here.
    comm = torch.nn.parallel.comm
    _put(comm, scatter=_scatter, gather=_gather, broadcast_coalesced=_broadcast_coalesced)
