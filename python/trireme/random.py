# SPDX-License-Identifier: Apache-2.0
"""``torch.trireme``'s random functions. A seed set before first use needs no queue: the generator
is a counter and exists from the start."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from trireme import _C
from trireme.device_index import Device, device_index

__all__ = [
    "get_rng_state",
    "get_rng_state_all",
    "initial_seed",
    "manual_seed",
    "manual_seed_all",
    "seed",
    "seed_all",
    "set_rng_state",
    "set_rng_state_all",
]


def _generator(device: Device = None) -> torch.Generator:
    device_index(device)
    generator: torch.Generator = _C.default_generator()
    return generator


def get_rng_state(device: Device = None) -> torch.Tensor:
    """The state of the device's generator, as a CPU ByteTensor."""
    return _generator(device).get_state()


def set_rng_state(new_state: torch.Tensor, device: Device = None) -> None:
    """Sets a state that get_rng_state returned."""
    _generator(device).set_state(new_state)


def get_rng_state_all() -> list[torch.Tensor]:
    """One state: there is one device."""
    return [get_rng_state()]


def set_rng_state_all(new_states: Iterable[torch.Tensor]) -> None:
    """Sets states that get_rng_state_all returned."""
    for index, state in enumerate(new_states):
        set_rng_state(state, index)


def manual_seed(seed: int) -> None:
    """Same seed, same values, every run."""
    _generator().manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """The same as manual_seed: there is one device."""
    manual_seed(seed)


def seed() -> None:
    """Seeds with a number that differs from run to run."""
    _generator().seed()


def seed_all() -> None:
    """The same as seed: there is one device."""
    seed()


def initial_seed() -> int:
    """The seed in force."""
    return _generator().initial_seed()
