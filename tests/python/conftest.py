# SPDX-License-Identifier: Apache-2.0
"""What all Python tests share: the device under test, determinism, and a count of conformance."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# Bit-equality with eager is PyTorch's own kernels'. Tests of compiled code ask for it.
os.environ.setdefault("TRIREME_COMPILE", "0")

import pytest
import torch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]  # of the package `benchmarks`
for folder in (HERE / "conformance", HERE / "models", HERE / "property", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# "cpu" proves the harness itself: everything must pass there.
TARGET = os.environ.get("TRIREME_TEST_DEVICE", "trireme")
_COUNTED = ("test_forward", "test_backward", "test_errors_at_call", "test_inplace_and_out")


@pytest.fixture(scope="session")
def device() -> torch.device:
    target = torch.device(TARGET)
    if target.type != "cpu" and not torch.accelerator.is_available():
        pytest.fail(f"no device {TARGET}: build and install the package (make build)")
    return target


@pytest.fixture(scope="session")
def on_device(device: torch.device) -> bool:
    """False when the harness runs on the CPU as its own target."""
    return device.type != "cpu"


def synchronize() -> None:
    if TARGET != "cpu":
        torch.accelerator.synchronize()


@pytest.fixture(autouse=True)
def _no_error_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Conformance issues calls that fail; an error nobody has read must not surface in another test."""
    yield
    if "conformance" in request.node.nodeid:
        for _ in range(100):  # one wait tells of one error
            try:
                synchronize()
            except Exception:
                continue
            return


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: left out of quick runs")
    # One core for each pytest-xdist worker; tiny tensors gain nothing from more.
    torch.set_num_threads(int(os.environ.get("TRIREME_TEST_THREADS", "1")))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            kind = report.nodeid.split("::")[-1].split("[")[0]
            if "conformance" in report.nodeid and kind in _COUNTED:
                counts.setdefault(kind, Counter())[outcome] += 1
    for kind, count in sorted(counts.items()):
        total = count["passed"] + count["failed"]
        share = 100.0 * count["passed"] / max(total, 1)
        terminalreporter.write_line(f"conformance {kind}: {count['passed']}/{total} = {share:.2f}%")
