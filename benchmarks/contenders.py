# SPDX-License-Identifier: Apache-2.0
"""Who is compared: eager PyTorch, the device, and torch.compile in two ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.programs.program import Compiles


@dataclass(frozen=True)
class Contender:
    name: str
    title: str
    device: str = "cpu"
    compiles: Compiles = Compiles.NOTHING
    exact: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


EAGER = Contender("eager", "eager")
TRIREME = Contender("trireme", "Trireme", "trireme", environment={"TRIREME_COMPILE": "1"})

# The judge where losses differ from eager's: no contender.
EXACT = Contender("exact", "eager in float64", exact=True)

CONTENDERS: dict[str, Contender] = {
    contender.name: contender
    for contender in (
        EAGER,
        TRIREME,
        Contender("compile", "torch.compile", compiles=Compiles.MODEL),
        Contender("compile-all", "torch.compile + optimizer", compiles=Compiles.STEP),
    )
}
