# SPDX-License-Identifier: Apache-2.0
"""torch.save, torch.load, pickle, deepcopy."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

DEVICE = "trireme"


def saved(value: Any, **options: Any) -> io.BytesIO:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    buffer.seek(0)
    return buffer


@pytest.mark.parametrize("zipped", [True, False])
def test_save_and_load(zipped: bool) -> None:
    x = torch.arange(12.0, device=DEVICE).view(3, 4).t()
    buffer = saved(x, _use_new_zipfile_serialization=zipped)
    y = torch.load(buffer)
    assert y.device == x.device
    assert y.stride() == x.stride()
    assert torch.equal(y.cpu(), x.cpu())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_dtypes(dtype: torch.dtype) -> None:
    x = torch.tensor([0, 1, 1, 0], device=DEVICE).to(dtype)
    assert torch.equal(torch.load(saved(x)).cpu(), x.cpu())
    assert torch.load(saved(x)).dtype == dtype


@pytest.mark.parametrize("target", ["cpu", torch.device("cpu")])
def test_map_to_the_host(target: Any) -> None:
    x = torch.arange(3.0, device=DEVICE)
    y = torch.load(saved(x), map_location=target)
    assert y.device.type == "cpu"
    assert y.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "target",
    [DEVICE, "trireme:0", torch.device(DEVICE), {"cpu": "trireme:0"}, lambda s, _: s.trireme()],
)
def test_map_to_the_device(target: Any) -> None:
    y = torch.load(saved(torch.arange(3.0)), map_location=target)
    assert y.device == torch.device("trireme:0")
    assert y.cpu().tolist() == [0, 1, 2]


def test_file_loads_without_the_device(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    path = tmp_path / "x.pt"
    torch.save({"x": torch.arange(3.0, device=DEVICE)}, path)
    program = "import sys, torch; print(torch.load(sys.argv[1], map_location='cpu')['x'].sum())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"},
    )
    assert done.stdout.strip() == "tensor(3.)"


@pytest.mark.parametrize("mmap", [True, False])
def test_checkpoint_of_a_training_run(tmp_path: Path, mmap: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).to(DEVICE)
    optimizer = torch.optim.AdamW(model.parameters())
    x = torch.rand(8, 4, device=DEVICE)

    def step() -> float:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    step()
    path = tmp_path / "run.pt"
    torch.save(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "random": torch.trireme.get_rng_state(),
        },
        path,
    )
    expected = [step(), step()]
    state = torch.load(path, mmap=mmap)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.trireme.set_rng_state(state["random"].cpu())
    assert [step(), step()] == expected


def test_views_of_one_storage_stay_so() -> None:
    base = torch.arange(6.0, device=DEVICE)
    a, b = torch.load(saved((base[:3], base[3:])))
    assert a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    assert b.cpu().tolist() == [3, 4, 5]


def test_whole_module() -> None:
    model = nn.Linear(2, 3).to(DEVICE)
    again = torch.load(saved(model), weights_only=False)
    x = torch.ones(1, 2, device=DEVICE)
    assert torch.equal(again(x), model(x))


def test_pickle() -> None:
    x = torch.arange(4.0, device=DEVICE, requires_grad=True)
    y = pickle.loads(pickle.dumps(x))
    assert y.device == x.device
    assert y.requires_grad
    assert torch.equal(y, x)
    parameter = pickle.loads(pickle.dumps(nn.Parameter(x.detach())))
    assert isinstance(parameter, nn.Parameter)
    assert parameter.device == x.device
    device = torch.device(DEVICE)
    assert pickle.loads(pickle.dumps(device)) == device


def test_deepcopy() -> None:
    x = torch.arange(4.0, device=DEVICE)
    y = copy.deepcopy(x)
    y.add_(1)
    assert x.cpu().tolist() == [0, 1, 2, 3]
    assert y.cpu().tolist() == [1, 2, 3, 4]
    base, view = copy.deepcopy((x, x[1:3]))
    view.zero_()
    assert base.cpu().tolist() == [0, 0, 0, 3]


def test_numpy_only_through_the_host() -> None:
    x = torch.arange(3.0, device=DEVICE)
    with pytest.raises(TypeError, match="cpu"):
        x.numpy()
    assert x.cpu().numpy().tolist() == [0, 1, 2]
    assert torch.from_numpy(x.cpu().numpy()).to(DEVICE).sum().item() == 3


def test_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    path = tmp_path / "x.safetensors"
    safetensors.save_file({"x": torch.arange(3.0, device=DEVICE)}, path)
    loaded = safetensors.load_file(path)
    assert loaded["x"].to(DEVICE).sum().item() == 3


def test_print() -> None:
    x = torch.arange(3.0, device=DEVICE)
    assert repr(x) == "tensor([0., 1., 2.], device='trireme:0')"
    assert str(torch.device(DEVICE)) == "trireme"
    assert x.type() == "torch.trireme.FloatTensor"
