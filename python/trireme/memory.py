# SPDX-License-Identifier: Apache-2.0
"""``torch.trireme``'s memory functions, named and keyed as in ``torch.cuda``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from trireme import _C
from trireme.device_index import Device, device_index
from trireme.properties import device_properties

__all__ = [
    "empty_cache",
    "get_per_process_memory_fraction",
    "host_memory_stats",
    "max_memory_allocated",
    "max_memory_cached",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_cached",
    "memory_reserved",
    "memory_snapshot",
    "memory_stats",
    "memory_stats_as_nested_dict",
    "memory_summary",
    "reset_accumulated_memory_stats",
    "reset_max_memory_allocated",
    "reset_max_memory_cached",
    "reset_peak_memory_stats",
    "set_per_process_memory_fraction",
]

_fraction = 1.0


def memory_stats(device: Device = None) -> dict[str, Any]:
    """The allocator's counters, flat (``allocated_bytes.all.peak``), in alphabetical order."""
    device_index(device)
    return OrderedDict(sorted(_C.memory_stats().items()))


def memory_stats_as_nested_dict(device: Device = None) -> dict[str, Any]:
    """The same counters as nested dictionaries."""
    nested: dict[str, Any] = {}
    for key, value in memory_stats(device).items():
        *path, last = key.split(".")
        level = nested
        for part in path:
            level = level.setdefault(part, {})
        level[last] = value
    return nested


def host_memory_stats() -> dict[str, Any]:
    """Pinned host memory is ordinary memory here: nothing is counted apart."""
    return OrderedDict()


def memory_allocated(device: Device = None) -> int:
    """Bytes that live tensors occupy."""
    return int(memory_stats(device).get("allocated_bytes.all.current", 0))


def max_memory_allocated(device: Device = None) -> int:
    """The most bytes that tensors have occupied since the last reset."""
    return int(memory_stats(device).get("allocated_bytes.all.peak", 0))


def memory_reserved(device: Device = None) -> int:
    """Bytes the allocator holds, for tensors or for reuse."""
    return int(memory_stats(device).get("reserved_bytes.all.current", 0))


def max_memory_reserved(device: Device = None) -> int:
    """The most bytes the allocator has held since the last reset."""
    return int(memory_stats(device).get("reserved_bytes.all.peak", 0))


# Names that torch.cuda keeps for old programs.
memory_cached = memory_reserved
max_memory_cached = max_memory_reserved


def reset_peak_memory_stats(device: Device = None) -> None:
    """Peaks start again from the current values."""
    device_index(device)
    _C.reset_peak_memory_stats()


def reset_accumulated_memory_stats(device: Device = None) -> None:
    """Running totals (allocated, freed) start again from zero."""
    device_index(device)
    _C.reset_accumulated_memory_stats()


reset_max_memory_allocated = reset_peak_memory_stats
reset_max_memory_cached = reset_peak_memory_stats


def empty_cache() -> None:
    """Gives memory that no tensor uses back to the operating system."""
    _C.empty_cache()


def _total_memory() -> int:
    return int(device_properties()["total_memory"])


def _available_on_host() -> int | None:
    """What Linux says other programs leave us; None elsewhere."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None


def mem_get_info(device: Device = None) -> tuple[int, int]:
    """(free, total) bytes, within the limit set for this process."""
    stats = memory_stats(device)
    allocated = int(stats.get("allocated_bytes.all.current", 0))
    cached = int(stats.get("reserved_bytes.all.current", 0)) - allocated
    total = _total_memory()
    limit = int(_C.memory_limit() or total)
    available = _available_on_host()
    free = total - allocated if available is None else available + max(cached, 0)
    return max(0, min(free, limit - allocated)), total


def set_per_process_memory_fraction(fraction: float, device: Device = None) -> None:
    """Allocations beyond this part of the total raise ``torch.OutOfMemoryError``."""
    global _fraction
    device_index(device)
    if not isinstance(fraction, float):
        raise TypeError(f"fraction must be a float, not {type(fraction).__name__}")
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must be between 0 and 1, not {fraction}")
    _C.set_memory_limit(int(fraction * _total_memory()) if fraction < 1.0 else None)
    _fraction = fraction


def get_per_process_memory_fraction(device: Device = None) -> float:
    """The fraction last set, 1.0 at first."""
    device_index(device)
    return _fraction


def memory_snapshot(mempool_id: object = None, include_traces: bool = True) -> list[Any]:
    """The allocator keeps no record of single blocks: an empty list."""
    return []


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 10240 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}"


def memory_summary(device: Device = None, abbreviated: bool = False) -> str:
    """The counters as a table for people."""
    stats = memory_stats(device)
    rows = [("allocated_bytes", "Allocated memory"), ("reserved_bytes", "Reserved memory")]
    if not abbreviated:
        rows += [("allocation", "Allocations"), ("segment", "Reserved blocks")]
    columns = ("current", "peak", "allocated", "freed")
    line = "|" + "=" * 75 + "|"
    table = [
        line,
        "|" + f"trireme memory summary, device {device_index(device)}".center(75) + "|",
        "|"
        + f"out of memory: {stats.get('num_ooms', 0)}, "
        f"retries: {stats.get('num_alloc_retries', 0)}".center(75)
        + "|",
        line,
        "| {:<18}| {:>11} | {:>11} | {:>11} | {:>11} |".format("", *columns),
    ]
    for key, title in rows:
        values = [int(stats.get(f"{key}.all.{column}", 0)) for column in columns]
        shown = [_bytes(v) if key.endswith("bytes") else str(v) for v in values]
        table.append("| {:<18}| {:>11} | {:>11} | {:>11} | {:>11} |".format(title, *shown))
    table.append(line)
    return "\n".join(table) + "\n"
