# SPDX-License-Identifier: Apache-2.0
"""What the device is made of."""

from __future__ import annotations

import os
from typing import Any


def device_properties() -> dict[str, Any]:
    """name, total_memory, cores, accelerators: now this machine's CPU, which is always there."""
    cores = len(os.sched_getaffinity(0))
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "name": f"trireme ({cores} CPU cores)",
        "total_memory": total,
        "cores": cores,
        "accelerators": [{"kind": "cpu", "cores": cores}],
    }
