# SPDX-License-Identifier: Apache-2.0
"""The libraries that the compiled module brings: found wherever pip put them, one OpenMP runtime."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
import trireme._libraries as libraries


def mapped(word: str) -> set[str]:
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[-1] for line in lines if word in line}


def test_one_openmp_runtime_and_one_onednn() -> None:
    import torch

    assert torch.ones(2, device="trireme").sum().item() == 2
    assert len(mapped("libdnnl")) == 1
    assert len(mapped("libgomp")) == 1
    assert not mapped("libiomp")


def test_found_under_the_prefix_and_by_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    places = list(libraries._places())
    assert places[0] == f"{sys.prefix}/lib/libdnnl.so.3"
    # elsewhere than the prefix, the package's list of files tells
    monkeypatch.setattr(sys, "prefix", "/nowhere")
    found = [place for place in libraries._places() if Path(place).exists()]
    assert len(found) == 1


def test_without_the_package_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    def loaded(place: str) -> None:
        pytest.fail(f"loaded {place}")

    monkeypatch.setattr(sys, "prefix", "/nowhere")
    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.setattr(libraries.ctypes, "CDLL", loaded)
    libraries.load()
