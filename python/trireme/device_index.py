# SPDX-License-Identifier: Apache-2.0
"""Which device an argument means. There is one, index 0."""

from __future__ import annotations

from typing import TypeAlias

import torch

Device: TypeAlias = torch.device | str | int | None


def device_index(device: Device = None) -> int:
    """0, or an error that says what was wrong with the argument."""
    if device is None:
        return 0
    if isinstance(device, (str, torch.device)):
        device = torch.device(device)
        name = torch._C._get_privateuse1_backend_name()
        if device.type != name:
            raise ValueError(f"expected a {name} device, but got: {device}")
        index = device.index
    else:
        index = int(device)
    if index is None or index < 0:
        return 0
    if index > 0:
        raise RuntimeError(
            f"invalid device ordinal {index}: trireme is one device, index 0, "
            "whatever accelerators are behind it"
        )
    return 0
