# SPDX-License-Identifier: Apache-2.0
"""What the device is made of."""

from __future__ import annotations

import os
from typing import Any

from trireme import _C


def _host() -> dict[str, Any]:
    """The one accelerator that is always there: this machine's CPU."""
    cores = len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "name": f"trireme ({cores} CPU cores)",
        "total_memory": total,
        "cores": cores,
        "accelerators": [{"kind": "cpu", "cores": cores}],
    }


def device_properties() -> dict[str, Any]:
    """name, total_memory, cores, accelerators."""
    compiled: dict[str, Any] = getattr(_C, "device_properties", _host)()
    return compiled
