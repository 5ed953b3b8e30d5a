# SPDX-License-Identifier: Apache-2.0
"""Recordings: whole training runs, replayed without their programs; damage is noticed."""

from __future__ import annotations

import json
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from subprogram import check_program, run_program

import trireme

START = 12  # magic and version
FRAME = 8  # length and checksum

GPT2 = """
import torch
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(1)
model = GPT2LMHeadModel(GPT2Config(vocab_size=60, n_positions=16, n_embd=32, n_layer=2, n_head=2))
model.to("trireme").train()  # dropout 0.1
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for step in range(3):
    tokens = torch.randint(0, 60, (2, 16)).to("trireme")
    loss = model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    print(loss.item())
model.eval()
print(model.generate(tokens[:1, :4], max_new_tokens=4, do_sample=False, pad_token_id=0).tolist())
"""

CONVNET = """
import torch
from torch import nn

torch.manual_seed(2)
model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
                      nn.Dropout(0.3), nn.Flatten(), nn.Linear(128, 5)).to("trireme")
model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for step in range(3):
    images = torch.randn(4, 3, 8, 8).to("trireme")
    labels = torch.randint(0, 5, (4,), device="trireme")
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
print(model.eval()(images).argmax(1).tolist())
print({key: value.sum().item() for key, value in model.state_dict().items()})
"""

LSTM = """
import torch
from torch import nn

torch.manual_seed(3)
model = nn.LSTM(6, 10, num_layers=2, dropout=0.2, batch_first=True, bidirectional=True)
model.to("trireme")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=False)
for step in range(3):
    out, (h, c) = model(torch.randn(3, 5, 6).to("trireme"))
    loss = out.square().mean() + h.sum() * 0.01
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())
"""

DATA_DEPENDENT = """
import torch

torch.manual_seed(4)
x = torch.randn(40, device="trireme")
for step in range(3):
    positive = x[x > 0]
    print(positive.shape, torch.masked_select(x, x < 0).sum().item(), x.nonzero().shape)
    values, counts = torch.unique((x * 2).long(), return_counts=True)
    print(values.tolist(), counts.tolist(), torch.equal(x, x), bool((x > 5).any()))
    x.mul_(1.5).sub_(0.1)
"""

VIEWS = """
import torch

torch.manual_seed(5)
base = torch.zeros(6, 8, device="trireme")
base[1:4, ::2] = torch.arange(12.0).reshape(3, 4)
base.t()[2].add_(base[0].expand(6, 8)[:, 3])
view = base.view(-1)[5:29].as_strided((4, 3), (6, 2))
view.copy_(torch.full((4, 3), 7.0))
print(base.tolist(), view.t().contiguous().sum().item())
out = torch.empty(0, device="trireme")
torch.add(base, 1, out=out)
torch.mm(base, base.t(), out=torch.empty(0, device="trireme"))
print(base.sum().item(), out.shape, out[2].tolist())
z = torch.complex(base, base).conj()
print(z.imag.sum().item(), z.resolve_conj().abs().max().item())
big = torch.arange(200_000, device="trireme")
print(big[::3].sum().item(), big.flip(0)[:5].tolist(), len(big.tolist()))
i = torch.tensor([[0, 1, 1], [2, 0, 2]])
s = torch.sparse_coo_tensor(i, torch.tensor([3.0, 4.0, 5.0]), (2, 3)).to("trireme")
print(torch.sparse.mm(s, torch.ones(3, 2, device="trireme")).tolist())
h = torch.ones(5, dtype=torch.bfloat16, device="trireme") / 3
print(h.tolist(), torch.bernoulli(torch.full((9,), 0.5, device="trireme")).tolist())
"""

RESIZE = """
import torch

base = torch.ones(6, 8, device="trireme")
base.add_(1)
base.resize_(10, 8)[6:].fill_(3)
print(base.sum().item())
base.untyped_storage().resize_(base.untyped_storage().nbytes() * 2)
print(base.sum().item(), base.mean().item())
"""

CUSTOM = """
import torch

@torch.library.custom_op("streamtest::double_and_mark", mutates_args=("mark",))
def double_and_mark(x: torch.Tensor, mark: torch.Tensor) -> torch.Tensor:
    mark.fill_(float(x.sum()))
    return x * 2

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x

torch.manual_seed(6)
for step in range(2):
    x = torch.randn(4, device="trireme", requires_grad=True)
    mark = torch.empty(2, device="trireme")
    y = double_and_mark(x.detach(), mark)
    (Cube.apply(x) * y).sum().backward()
    print(y.tolist(), mark.tolist(), x.grad.tolist())
"""

FAILING = """
import torch

weights = torch.randn(3, 2, device="trireme")
for index in (1, 5, 2):
    try:
        row = torch.nn.functional.embedding(torch.tensor([index]).to("trireme"), weights)
        print(row.sum().item())
    except IndexError as error:
        print("raised", str(error).splitlines()[0])
try:
    torch.linalg.inv(torch.zeros(2, 2, device="trireme"))
    torch.accelerator.synchronize()
except RuntimeError as error:
    print("raised", type(error).__name__)
print(weights.sum().item())
"""

SETTINGS = """
import torch

torch.set_default_dtype(torch.float64)
a = torch.ones(3, device="trireme") / 3 + torch.arange(3, device="trireme").div(7)
print(a.tolist(), torch.randn(2, device="trireme").tolist())
torch.set_default_dtype(torch.float32)
print((torch.ones(3, device="trireme") / 3).tolist())
"""

AUTOCAST = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

torch.manual_seed(7)
inner = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.4), nn.LayerNorm(32))
model = nn.Sequential(inner, nn.Linear(32, 4)).to("trireme")
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("trireme")
for step in range(3):
    x = torch.randn(6, 16).to("trireme")
    with torch.autocast("trireme", dtype=torch.bfloat16):
        hidden = checkpoint(inner, x, use_reentrant=step == 1)
        loss = model[1](hidden).float().square().mean()
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    print(loss.item())
with torch.no_grad():
    print(model(x).sum().item())
"""

THREADS = """
import threading
import torch

torch.set_num_threads(2)
x = torch.rand(3, 300_000).to("trireme")
print(x.sum().item(), x.std().item())
torch.set_num_threads(1)
print(x.sum().item(), x.std().item(), (x @ x.t()).sum().item())
torch.set_num_threads(2)
print(x.cumsum(1).mean().item(), x.softmax(1).var().item())

def work(seed):
    own = torch.Generator(device="trireme").manual_seed(seed)
    a = torch.randn(50, 50, device="trireme", generator=own, requires_grad=True)
    for step in range(4):
        (a @ a).square().mean().backward()
    sums[seed] = a.grad.sum().item()

sums = {}
workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(sorted(sums.items()))
"""

PROGRAMS = {
    "gpt2": GPT2,
    "convnet": CONVNET,
    "lstm": LSTM,
    "data_dependent": DATA_DEPENDENT,
    "views": VIEWS,
    "resize": RESIZE,
    "custom": CUSTOM,
    "failing": FAILING,
    "settings": SETTINGS,
    "autocast": AUTOCAST,
    "threads": THREADS,
}


def record(source: str, folder: Path) -> Path:
    path = folder / "run.trireme"
    check_program(source, folder, environment={"TRIREME_RECORD": str(path)})
    return path


def replay_elsewhere(path: Path) -> dict[str, Any]:
    """Replays in a fresh process, which has not seen the program."""
    code = f"import json, trireme; print(json.dumps(trireme.replay({str(path)!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("name", PROGRAMS)
def test_replay_of_a_whole_run(name: str, tmp_path: Path) -> None:
    result = replay_elsewhere(record(PROGRAMS[name], tmp_path))
    assert result["mismatches"] == []
    assert result["complete"]
    assert result["reads"] >= 3
    assert result["calls"] > 5
    if name == "failing":
        assert result["failed_calls"] >= 1


def frames(content: bytes) -> list[tuple[int, int]]:
    """Place and length of the contents of each frame."""
    found = []
    at = START
    while at < len(content):
        (length,) = struct.unpack_from("<I", content, at)
        found.append((at + FRAME, length))
        at += FRAME + length
    return found


def with_checksums(content: bytearray) -> bytes:
    for index, (at, length) in enumerate(frames(bytes(content))):
        start = zlib.crc32(struct.pack("<QI", index, length))
        checksum = zlib.crc32(content[at : at + length], start)
        struct.pack_into("<I", content, at - 4, checksum)
    return bytes(content)


ADDING = """
import torch
x = torch.tensor([1234.5, 2.0]).to("trireme")
y = x + 1
print(y.tolist())
"""


def test_a_changed_value_is_a_mismatch_with_its_line(tmp_path: Path) -> None:
    path = record(ADDING, tmp_path)
    content = bytearray(path.read_bytes())
    assert with_checksums(bytearray(content)) == bytes(content)
    at = content.find(struct.pack("<f", 1234.5))
    assert at > 0
    struct.pack_into("<f", content, at, 1000.0)
    path.write_bytes(with_checksums(content))
    result = trireme.replay(path)
    assert result["mismatch_count"] >= 1
    first = result["mismatches"][0]
    assert first["op"] == "aten::add.Tensor"
    assert first["issued"].endswith("program.py:4")
    assert first["where"].endswith("program.py:5")
    assert "recorded 1235.5, replayed 1001" in first["what"]


def test_damage_is_a_clear_error(tmp_path: Path) -> None:
    path = record(ADDING, tmp_path)
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(200):
        content = bytearray(whole)
        at = chance.randrange(len(content))
        content[at] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        with pytest.raises(RuntimeError, match=r"run\.trireme"):
            trireme.replay(path)
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(RuntimeError, match=r"run\.trireme"):
            trireme.replay(path)
    path.write_bytes(whole + b"x" * 100)
    assert trireme.replay(path)["mismatches"] == []  # what follows the end is not looked at


def test_newer_and_foreign_files(tmp_path: Path) -> None:
    path = record(ADDING, tmp_path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 8, 99)
    path.write_bytes(content)
    with pytest.raises(RuntimeError, match="format version 99"):
        trireme.replay(path)
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(RuntimeError, match="not a recording"):
        trireme.replay(path)
    with pytest.raises(RuntimeError, match="cannot read"):
        trireme.replay(tmp_path / "missing")
    with pytest.raises(RuntimeError, match="not a file"):
        trireme.replay(tmp_path)


def test_a_program_that_dies_leaves_what_it_read(tmp_path: Path) -> None:
    path = tmp_path / "run.trireme"
    done = run_program(
        CONVNET.replace(
            "    print(loss.item())",
            "    print(loss.item())\n    step == 1 and __import__('os')._exit(9)",
        ),
        tmp_path,
        environment={"TRIREME_RECORD": str(path)},
    )
    assert done.returncode == 9
    with pytest.raises(RuntimeError, match="ends early"):
        trireme.replay(path)
    result = trireme.replay(path, partial=True)
    assert not result["complete"]
    assert result["mismatches"] == []
    assert result["reads"] == 2


MIDDLE = """
import sys
import torch
from trireme import _C

torch.manual_seed(0)
model = torch.nn.Linear(8, 4).to("trireme")
big = torch.arange(100_000.0, device="trireme")
optimizer = torch.optim.AdamW(model.parameters())

def step():
    loss = model(torch.randn(3, 8, device="trireme")).square().mean() + big[::5].mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

step()
_C.start_recording(sys.argv[1])
assert _C.recording()
try:
    _C.start_recording(sys.argv[1] + "2")
except RuntimeError as error:
    assert "under way" in str(error)
print(step(), step())
_C.stop_recording()
print(step())
_C.start_recording(sys.argv[1] + "b")
print(step())
_C.stop_recording()
"""


def test_recording_a_part_of_a_program(tmp_path: Path) -> None:
    path = tmp_path / "part.trireme"
    check_program(MIDDLE, tmp_path, str(path))
    for name, reads in ((path, 2), (Path(f"{path}b"), 1)):
        result = replay_elsewhere(name)
        assert result["mismatches"] == []
        assert result["complete"]
        assert result["reads"] == reads


FORKING = """
import os
import subprocess
import sys
import torch

x = torch.ones(3, device="trireme")
if os.fork() == 0:
    os._exit(0)
os.wait()
child = "import torch; print(torch.ones(2, device='trireme').sum().item())"
done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
assert done.stdout.strip() == "2.0"
assert "another process is recording" in done.stderr, done.stderr
print(x.sum().item())
"""


def test_other_processes_leave_the_file_alone(tmp_path: Path) -> None:
    result = replay_elsewhere(record(FORKING, tmp_path))
    assert (result["reads"], result["mismatches"]) == (1, [])


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    done = run_program(
        "import torch; print(torch.ones(2, device='trireme').sum().item())",
        tmp_path,
        environment={"TRIREME_RECORD": str(tmp_path / "no" / "folder")},
    )
    assert done.returncode == 0
    assert done.stdout.strip() == "2.0"
    assert "cannot record" in done.stderr
