# SPDX-License-Identifier: Apache-2.0
"""Random programs give the same bits, strides and aliasing on the device as on the CPU."""

from __future__ import annotations

import contextlib
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from compare import compare_tensor, sharing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import Instruction, Machine, weights

COMMON: dict[str, Any] = dict(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("ci", derandomize=True, max_examples=400, **COMMON)
settings.register_profile("nightly", max_examples=5000, **COMMON)
settings.load_profile(os.environ.get("TRIREME_TEST_PROFILE", "ci"))

numbers = st.integers(0, 11)
instructions = st.tuples(st.sampled_from(weights()), numbers, numbers, numbers, numbers)
programs = st.lists(instructions, min_size=8, max_size=60)
seeds = st.integers(0, 1000)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(autouse=True)
def _graphs_agree(on_device: bool) -> Any:
    """With TRIREME_VERIFY=1: the graphs of what ran give what the kernels gave."""
    yield
    if on_device:
        from trireme import _C

        with contextlib.suppress(Exception):  # an error of a program, that it did not wait for
            torch.accelerator.synchronize()
        wrong = {op: seen[3] for op, seen in _C.verification().items() if seen[1]}
        assert not wrong


def listing(program: list[Instruction]) -> str:
    return "; ".join(f"{name}{tuple(args)}" for name, *args in program)


def compare(expected: Machine, actual: Machine, device: torch.device, note: str) -> None:
    assert len(expected.reads) == len(actual.reads), (
        f"reads: {expected.reads} on the CPU, {actual.reads} on the device [{note}]"
    )
    for index, (left, right) in enumerate(zip(expected.reads, actual.reads, strict=True)):
        if isinstance(left, tuple) and len(left) == 2 and isinstance(left[1], torch.Tensor):
            assert left[0] == right[0], f"read {index}: {left[0]} / {right[0]} [{note}]"
            why = compare_tensor(left[1], right[1], torch.device("cpu"))
            assert why is None, f"read {index}: {why} [{note}]"
        else:
            assert left == right, f"read {index}: {left} / {right} [{note}]"
    assert len(expected.tensors) == len(actual.tensors), note
    for index, (left, right) in enumerate(zip(expected.tensors, actual.tensors, strict=True)):
        why = compare_tensor(left, right, device)
        assert why is None, f"tensor {index}: {why} [{note}]"
        if (
            "backward(" not in note
        ):  # autograd adds gradients up in place when it may: timing decides
            assert left._version == right._version, f"tensor {index}: version [{note}]"
        assert left._is_view() == right._is_view(), f"tensor {index}: is_view [{note}]"
        if left.is_leaf and right.is_leaf:
            assert (left.grad is None) == (right.grad is None), f"tensor {index}: grad [{note}]"
            if left.grad is not None:
                why = compare_tensor(left.grad, right.grad, device)
                assert why is None, f"tensor {index}, grad: {why} [{note}]"
    assert sharing(expected.tensors) == sharing(actual.tensors), f"aliasing [{note}]"


@given(program=programs, seed=seeds)
def test_program(program: list[Instruction], seed: int, device: torch.device) -> None:
    expected = Machine(torch.device("cpu"), seed).run(program)
    actual = Machine(device, seed).run(program)
    compare(expected, actual, device, listing(program))


@given(program=programs, seed=seeds)
@settings(max_examples=max(20, settings.default.max_examples // 4))
def test_program_twice(program: list[Instruction], seed: int, device: torch.device) -> None:
    """The second run finds all its calls known: another path through the recorder."""
    Machine(device, seed + 1).run(program)
    expected = Machine(torch.device("cpu"), seed).run(program)
    actual = Machine(device, seed).run(program)
    compare(expected, actual, device, listing(program))


@given(batch=st.lists(st.tuples(programs, seeds), min_size=3, max_size=6))
@settings(max_examples=max(15, settings.default.max_examples // 6))
def test_threads(batch: list[tuple[list[Instruction], int]], device: torch.device) -> None:
    """Several threads record at once; each sees its own program's values."""

    def on_device(case: tuple[list[Instruction], int]) -> Machine:
        with warnings.catch_warnings():
            return Machine(device, case[1]).run(case[0])

    expected = [Machine(torch.device("cpu"), seed).run(program) for program, seed in batch]
    with ThreadPoolExecutor(len(batch)) as pool:
        actual = list(pool.map(on_device, batch))
    for left, right, (program, _) in zip(expected, actual, batch, strict=True):
        compare(left, right, device, listing(program))


def test_threads_share_a_tensor(device: torch.device) -> None:
    """Adds of one tensor by several threads are all there after they have joined."""
    total = torch.zeros(1000, device=device)

    def add(_: int) -> None:
        for _ in range(200):
            total.add_(1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    if device.type != "cpu":  # on the CPU the adds race; the device orders its calls
        assert total.eq(800).all().item()


def test_thread_count_may_change(device: torch.device) -> None:
    """`torch.set_num_threads` changes how reductions split: the executor must follow."""
    before = torch.get_num_threads()
    generator = torch.Generator().manual_seed(0)
    host = torch.randn(400_000, generator=generator)
    try:
        for count in (1, 2, 1, 2):
            torch.set_num_threads(count)
            assert host.to(device).sum().item() == host.sum().item(), count
            assert (
                host.to(device).view(400, 1000).norm().item() == host.view(400, 1000).norm().item()
            )
    finally:
        torch.set_num_threads(before)


def test_out_resizes_only_as_far_as_this_storage_needs(device: torch.device) -> None:
    """The same call with the same geometry on storages of other sizes: found by the programs above."""
    x = torch.ones(4, 6, device=device)
    for room in (8, 96, 10, 200):
        base = torch.zeros(room, device=device)
        out = base[4:8]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.add(x, x, out=out)
        assert base.untyped_storage().nbytes() == 4 * max(room, 28)
        assert out.sum().item() == 48.0
        assert base[-1:].numel() == 1
