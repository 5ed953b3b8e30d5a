# SPDX-License-Identifier: Apache-2.0
"""torch.profiler shows the device's calls."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

DEVICE = "trireme"


def work() -> None:
    model = nn.Linear(16, 16).to(DEVICE)
    with record_function("the forward pass"):
        y = model(torch.ones(4, 16, device=DEVICE))
    y.sum().backward()
    torch.trireme.synchronize()


def names(prof: profile) -> set[str]:
    return {event.key for event in prof.key_averages()}


def test_calls_are_shown() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        work()
    assert {"aten::linear", "aten::addmm", "aten::sum", "the forward pass"} <= names(prof)
    assert "aten::addmm" in prof.key_averages().table(sort_by="self_cpu_time_total")


def test_activity_of_the_device() -> None:
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]) as prof:
        work()
    assert "aten::addmm" in names(prof)


def test_default_activities() -> None:
    with profile() as prof:
        work()
    assert "aten::addmm" in names(prof)


def test_shapes_memory_and_stacks() -> None:
    with profile(
        activities=[ProfilerActivity.CPU], record_shapes=True, profile_memory=True, with_stack=True
    ) as prof:
        work()
    shapes = [e.input_shapes for e in prof.events() if e.name == "aten::addmm"]
    assert [[4, 16], [16, 16]] in [[s for s in shape if s and len(s) == 2] for shape in shapes]


def test_schedule_and_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with profile(
        activities=[ProfilerActivity.CPU],
        schedule=schedule(wait=1, warmup=1, active=1),
        on_trace_ready=lambda prof: prof.export_chrome_trace(str(path)),
    ) as prof:
        for _ in range(3):
            work()
            prof.step()
    events = json.loads(path.read_text())["traceEvents"]
    assert any(event.get("name") == "aten::addmm" for event in events)


def test_autograd_profiler() -> None:
    with torch.autograd.profiler.profile(use_device=DEVICE, use_kineto=True) as prof:
        work()
    assert "aten::addmm" in {event.key for event in prof.key_averages()}
