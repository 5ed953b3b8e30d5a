# SPDX-License-Identifier: Apache-2.0
"""Streams and events: one order of calls, so waiting between streams is always satisfied."""

from __future__ import annotations

import threading

import pytest
import torch

DEVICE = "trireme"


def test_streams_share_one_order() -> None:
    stream = torch.trireme.Stream()
    x = torch.zeros(1000, device=DEVICE)
    with torch.trireme.stream(stream):
        assert torch.trireme.current_stream() == stream
        x.add_(1)
    assert torch.trireme.current_stream() == torch.trireme.default_stream()
    x.mul_(2)
    stream.synchronize()
    assert stream.query()
    assert x.sum().item() == 2000


def test_waiting_between_streams() -> None:
    one, two = torch.trireme.Stream(), torch.trireme.Stream(priority=-1)
    assert one != two
    with torch.trireme.stream(one):
        x = torch.ones(10, device=DEVICE)
        event = one.record_event()
    two.wait_event(event)
    two.wait_stream(one)
    with torch.trireme.stream(two):
        y = x + 1
    y.record_stream(two)
    event.synchronize()
    assert event.query()
    assert y.sum().item() == 20


def test_stream_as_context_manager() -> None:
    stream = torch.Stream(device=DEVICE)
    with stream:
        assert torch.accelerator.current_stream() == stream
        x = torch.ones(3, device=DEVICE)
    assert x.sum().item() == 3
    assert torch.accelerator.current_stream() != stream


def test_no_stream_changes_nothing() -> None:
    before = torch.trireme.current_stream()
    with torch.trireme.stream(None):
        assert torch.trireme.current_stream() == before
    torch.trireme.set_stream(before)
    torch.accelerator.set_stream(before)


def test_current_stream_is_per_thread() -> None:
    seen = []
    with torch.trireme.stream(torch.trireme.Stream()):
        thread = threading.Thread(target=lambda: seen.append(torch.trireme.current_stream()))
        thread.start()
        thread.join()
    assert seen == [torch.trireme.default_stream()]


def test_events_measure_time() -> None:
    start = torch.trireme.Event(enable_timing=True)
    end = torch.trireme.Event(enable_timing=True)
    x = torch.ones(512, 512, device=DEVICE)
    start.record()
    for _ in range(5):
        x = (x @ x).clamp(max=1)
    end.record()
    torch.trireme.synchronize()
    assert start.elapsed_time(end) > 0


def test_event_before_its_record() -> None:
    event = torch.trireme.Event()
    assert event.query()
    event.synchronize()
    event.wait()
    with pytest.raises(RuntimeError):
        event.elapsed_time(torch.trireme.Event())


def test_generic_event() -> None:
    event = torch.Event(DEVICE, enable_timing=True)
    event.record()
    event.synchronize()
    assert event.query()
