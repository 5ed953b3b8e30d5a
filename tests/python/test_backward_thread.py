# SPDX-License-Identifier: Apache-2.0
"""Backward passes run on the thread that asks for them, unless the program wants it otherwise."""

from __future__ import annotations

import threading

import torch


def backward_thread(device: str) -> int:
    """The thread on which a hook of a backward pass runs."""
    seen: list[int] = []
    x = torch.ones(4, device=device, requires_grad=True)
    y = x * 2
    y.register_hook(lambda _: seen.append(threading.get_ident()))
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0] * 4
    return seen[0]


def test_on_the_main_thread() -> None:
    assert backward_thread("trireme") == threading.get_ident()


def test_on_other_threads() -> None:
    found: list[bool] = []

    def work() -> None:
        found.append(backward_thread("trireme") == threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3


def test_on_one_of_autograds_where_asked_for() -> None:
    with torch.autograd.set_multithreading_enabled(True):
        assert backward_thread("trireme") != threading.get_ident()
    assert backward_thread("trireme") == threading.get_ident()
