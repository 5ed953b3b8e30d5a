# SPDX-License-Identifier: Apache-2.0
"""torch.profiler shows what the executor did, and for how long."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

DEVICE = "trireme"
BOTH = [ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]


def work() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 8)).to(DEVICE)
    for _ in range(3):
        loss = model(torch.ones(32, 64, device=DEVICE)).square().sum()
        loss.backward()
    loss.item()


def device_events(prof: Any) -> list[Any]:
    return [event for event in prof.events() if event.device_type == DeviceType.PrivateUse1]


def test_device_times() -> None:
    work()
    with profile(activities=BOTH) as prof:
        work()
    events = device_events(prof)
    names = [event.name for event in events]
    assert names.count("aten::addmm") == 6
    assert names.count("aten::gelu") == 3
    assert "aten::mm" in names  # recorded by autograd's thread
    assert "aten::t" not in names  # a view is no work
    assert "aten::linear" not in names  # its work is addmm's
    assert all(event.time_range.elapsed_us() > 0 for event in events)
    ordered = sorted(events, key=lambda event: event.time_range.start)
    for one, following in itertools.pairwise(ordered):
        assert one.time_range.end <= following.time_range.start  # one executor, one call at a time
    averages = {
        event.key: event for event in prof.key_averages() if event.device_type == DeviceType.CPU
    }
    assert averages["aten::addmm"].self_device_time_total > 0
    assert averages["aten::linear"].device_time_total >= averages["aten::addmm"].device_time_total
    assert "Self TRIREME" in prof.key_averages().table()


def test_program_and_device_share_a_clock() -> None:
    with profile(activities=BOTH) as prof:
        work()
    issued = [
        e for e in prof.events() if e.name == "aten::gelu" and e.device_type == DeviceType.CPU
    ]
    ran = [e for e in device_events(prof) if e.name == "aten::gelu"]
    for one, other in zip(issued, ran, strict=True):
        assert one.time_range.start <= other.time_range.end


def test_trace_has_a_track_for_the_device(tmp_path: Path) -> None:
    with profile(activities=BOTH) as prof:
        work()
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    kernels = [event for event in trace if event.get("cat") == "kernel"]
    assert {"aten::addmm", "aten::gelu"} <= {event["name"] for event in kernels}
    assert any(event.get("args", {}).get("name") == "trireme:0" for event in trace)


def test_device_only() -> None:
    with profile(activities=[ProfilerActivity.PrivateUse1]):
        work()


def test_one_profile_after_another() -> None:
    counts = []
    for _ in range(3):
        with profile(activities=BOTH) as prof:
            work()
        counts.append(len(device_events(prof)))
    assert counts[0] == counts[1] == counts[2] > 0


def test_without_the_device_nothing_of_it_is_shown() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        work()
    assert device_events(prof) == []


def test_legacy_profilers() -> None:
    for use_kineto in (False, True):
        with torch.autograd.profiler.profile(use_device=DEVICE, use_kineto=use_kineto) as prof:
            work()
        averages = {event.key: event for event in prof.key_averages()}
        assert averages["aten::addmm"].device_time_total > 0


def test_values_do_not_change() -> None:
    def loss() -> float:
        torch.manual_seed(0)
        x = torch.rand(64, 64).to(DEVICE)
        return float((x @ x).softmax(0).square().sum())

    plain = loss()
    with profile(activities=BOTH):
        assert loss() == plain
