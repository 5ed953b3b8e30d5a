# SPDX-License-Identifier: Apache-2.0
"""The examples run on the device and on the CPU with the same losses, bit for bit."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 600
SMALL = [
    *("--steps=6", "--batch=2", "--context=32", "--validate-every=3", "--sample=20"),
    *("--layers=2", "--width=64", "--heads=2"),
]


def run_example(
    name: str,
    *arguments: str,
    launcher: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> str:
    done = subprocess.run(
        [sys.executable, *launcher, f"examples/{name}.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def load_example(name: str) -> Any:
    """The example as a module: its `main(arguments)` returns more than it prints."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "text.txt"
    file.write_bytes(b"".join(b"line %d of a text that repeats itself\n" % i for i in range(400)))
    return file


def test_language_model_has_the_same_losses(
    device: torch.device, text: Path, tmp_path: Path
) -> None:
    train_lm = load_example("train_lm")
    for options in ([], ["--autocast"]):
        results = {}
        for name in ("cpu", device.type):
            out = tmp_path / name
            arguments = [f"--device={name}", f"--text={text}", f"--out={out}", *SMALL, *options]
            results[name] = train_lm.main(arguments)
        expected, actual = results["cpu"], results[device.type]
        assert len(actual["train_losses"]) == 6
        assert actual["train_losses"] == expected["train_losses"], options
        assert actual["validation_loss"] == expected["validation_loss"], options


def test_language_model_leaves_checkpoint_and_plot(
    device: torch.device, text: Path, tmp_path: Path
) -> None:
    printed = {}
    for name in ("cpu", device.type):
        out = tmp_path / name
        printed[name] = run_example(
            *("train_lm", f"--device={name}", f"--text={text}", f"--out={out}", *SMALL),
            environment={"OMP_NUM_THREADS": "1"},  # as conftest has it in this process
        )
    summary = json.loads(printed[device.type].splitlines()[-1])
    assert summary["device"] == device.type
    assert summary["last_loss"] < summary["first_loss"]
    assert Path(summary["plot"]).read_bytes().startswith(b"\x89PNG")

    here = torch.load(summary["checkpoint"], map_location="cpu")["model"]
    there = torch.load(tmp_path / "cpu" / "model.pt")["model"]
    assert here.keys() == there.keys()
    for name, expected in there.items():
        assert torch.equal(here[name], expected), name
    # The model is the same, so what it writes is too.
    written = {name: text.splitlines()[2:-1] for name, text in printed.items()}
    assert written[device.type] == written["cpu"]


def test_default_device_is_the_accelerator(on_device: bool) -> None:
    if not on_device:
        pytest.skip("the CPU is no accelerator")
    accelerator = torch.accelerator.current_accelerator()
    assert accelerator is not None
    assert load_example("train_lm").default_device() == accelerator.type


def test_classifier_resumes(device: torch.device, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    classifier = load_example("finetune_classifier")
    losses = {}
    for name in ("cpu", device.type):
        common = [f"--device={name}", f"--checkpoint={tmp_path / name}.pt"]
        first = classifier.main([*common, "--epochs=1"])
        resumed = classifier.main([*common, "--epochs=2", "--resume", "--workers=0"])
        tuned = classifier.main([*common, "--epochs=3", "--resume", "--head-only", "--workers=0"])
        assert resumed["epochs"] == [1, 2]
        assert tuned["accuracy"] > 0.9
        losses[name] = [run["train_losses"] for run in (first, resumed, tuned)]
    assert losses[device.type] == losses["cpu"]


def test_cuda_program_runs_unchanged(on_device: bool) -> None:
    if not on_device:
        pytest.skip("`trireme run` needs the device")
    printed = run_example("cuda_program", launcher=("-m", "trireme.cli", "run"))
    assert "1 GPU(s)" in printed
    assert "on cuda" in printed
    right = float(printed.split("accuracy ")[-1].split("%")[0])
    assert right > 90
