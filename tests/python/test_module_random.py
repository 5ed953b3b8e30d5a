# SPDX-License-Identifier: Apache-2.0
"""Seeds and random state of the device."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from subprogram import check_program

DEVICE = "trireme"


def draw(n: int = 5) -> list[float]:
    return torch.rand(n, device=DEVICE).cpu().tolist()


def test_same_seed_same_values() -> None:
    torch.manual_seed(7)
    first = draw()
    second = draw()
    assert first != second
    torch.manual_seed(7)
    assert (draw(), draw()) == (first, second)
    torch.trireme.manual_seed(7)
    assert draw() == first
    torch.trireme.manual_seed_all(7)
    assert draw() == first
    assert torch.trireme.initial_seed() == 7


def test_same_values_in_every_run(tmp_path: Path) -> None:
    source = """
    import torch
    torch.manual_seed(11)
    print(torch.randn(7, device="trireme").cpu().tolist(), torch.randperm(9, device="trireme"))
    """
    assert check_program(source, tmp_path) == check_program(source, tmp_path)


def test_state_moves_when_the_call_is_recorded() -> None:
    torch.trireme.manual_seed(1)
    before = torch.trireme.get_rng_state()
    values = torch.rand(3, device=DEVICE)  # not waited for
    after = torch.trireme.get_rng_state()
    assert not torch.equal(before, after)
    torch.trireme.set_rng_state(before)
    assert torch.equal(torch.rand(3, device=DEVICE).cpu(), values.cpu())
    assert torch.equal(torch.trireme.get_rng_state(), after)


def test_device_and_host_generators_are_apart() -> None:
    torch.manual_seed(3)
    host = torch.rand(2).tolist()
    torch.manual_seed(3)
    draw()
    assert torch.rand(2).tolist() == host


def test_all_states() -> None:
    states = torch.trireme.get_rng_state_all()
    assert len(states) == 1
    assert states[0].dtype == torch.uint8
    assert states[0].device.type == "cpu"
    first = draw()
    torch.trireme.set_rng_state_all(states)
    assert draw() == first


def test_state_is_a_copy() -> None:
    torch.trireme.manual_seed(5)
    state = torch.trireme.get_rng_state()
    kept = state.clone()
    draw()
    assert torch.equal(state, kept)


def test_wrong_state_is_refused() -> None:
    with pytest.raises((RuntimeError, TypeError)):
        torch.trireme.set_rng_state(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises((RuntimeError, TypeError)):
        torch.trireme.set_rng_state(torch.zeros(16))


def test_fork_rng() -> None:
    torch.manual_seed(0)
    inside_first = None
    for _ in range(2):
        with torch.random.fork_rng(device_type=DEVICE):
            inside = draw()
            inside_first = inside_first or inside
            assert inside == inside_first
    with torch.random.fork_rng():  # the accelerator's type is found by itself
        draw()
    assert draw() == inside_first


def test_seed_changes_the_values() -> None:
    torch.trireme.seed()
    first = draw()
    torch.trireme.seed_all()
    assert draw() != first


def test_own_generators() -> None:
    generator = torch.Generator(DEVICE)
    assert generator.device.type == DEVICE
    generator.manual_seed(42)
    first = torch.rand(3, device=DEVICE, generator=generator).cpu().tolist()
    untouched = torch.trireme.get_rng_state()
    generator.manual_seed(42)
    assert torch.rand(3, device=DEVICE, generator=generator).cpu().tolist() == first
    assert torch.equal(torch.trireme.get_rng_state(), untouched)
    clone = torch.Generator(DEVICE)
    clone.set_state(generator.get_state())
    assert torch.equal(
        torch.rand(3, device=DEVICE, generator=clone),
        torch.rand(3, device=DEVICE, generator=generator),
    )
    other = generator.clone_state()
    assert torch.equal(
        torch.rand(3, device=DEVICE, generator=other),
        torch.rand(3, device=DEVICE, generator=generator),
    )


def test_generator_of_another_device_is_refused() -> None:
    with pytest.raises(RuntimeError):
        torch.rand(3, device=DEVICE, generator=torch.Generator("cpu")).cpu()


def test_default_generators() -> None:
    (generator,) = torch.trireme.default_generators
    generator.manual_seed(9)
    first = draw()
    torch.trireme.manual_seed(9)
    assert draw() == first
