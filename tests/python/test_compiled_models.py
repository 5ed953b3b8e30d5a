# SPDX-License-Identifier: Apache-2.0
"""Whole models by compiled code, which is the default: the losses are eager's but for rounding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from families import FAMILIES
from subprogram import check_program

HERE = Path(__file__).resolve().parent

TRAIN = """
import json, sys, time, warnings
sys.path[:0] = sys.argv[2:]
warnings.simplefilter("ignore")
import torch
from families import FAMILIES
from trireme import _C

torch.use_deterministic_algorithms(sys.argv[1] == "deterministic", warn_only=True)

def train(family, device):
    torch.manual_seed(0)
    model = family.build().to(device).train()
    generator = torch.Generator().manual_seed(1)
    batches = [family.batch(generator) for _ in range(2)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for step in range(12):
        batch = {k: v.to(device) if v.dim() else bool(v) for k, v in batches[step %% 2].items()}
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        while device != "cpu" and step %% 4 == 3 and _C.segments()["programs_pending"]:
            time.sleep(0.01)  # these steps are short
    return losses

seen = {}
for family in FAMILIES:
    if family.name not in %r:
        continue
    before = _C.segments()["calls_followed"]
    ours = train(family, "trireme")
    torch.accelerator.synchronize()  # the last optimizer's step: nothing has waited for it
    time.sleep(0.1)  # it is counted after it has run
    followed = _C.segments()["calls_followed"] - before
    seen[family.name] = [train(family, "cpu"), ours, followed]
print(json.dumps(seen))
"""


Losses = list[float]


def trained(how: str, names: list[str], tmp_path: Path) -> dict[str, tuple[Losses, Losses, int]]:
    """By family: eager's losses, the device's, how many calls ran compiled."""
    printed = check_program(
        TRAIN % (names,),
        tmp_path,
        how,
        str(HERE / "models"),
        environment={"TRIREME_COMPILE": ""},
    )
    return {name: tuple(seen) for name, seen in json.loads(printed.splitlines()[-1]).items()}


ATTEND = """
import sys, time, warnings
sys.path[:0] = sys.argv[1:]
warnings.simplefilter("ignore")
import torch
from families import FAMILIES
from trireme import _C

for family in FAMILIES:
    if family.name not in ("gpt2", "llama", "bert"):
        continue
    model = family.build().to("trireme").train()
    batch = family.batch(torch.Generator().manual_seed(1))
    batch = {k: v.to("trireme") for k, v in batch.items()}
    for step in range(8):
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        loss.item()
        while _C.segments()["programs_pending"]:
            time.sleep(0.01)
"""


def test_attention_is_compiled(tmp_path: Path) -> None:
    dumped = tmp_path / "dumped"
    dumped.mkdir()
    check_program(
        ATTEND,
        tmp_path,
        str(HERE / "models"),
        environment={"TRIREME_COMPILE": "", "TRIREME_DUMP": str(dumped)},
    )
    steps = "".join(path.read_text() for path in dumped.glob("*.steps"))
    for what in ("", " backward"):
        assert f": attention{what} causal f32" in steps  # GPT-2, Llama
        assert f": attention{what} masked f32" in steps  # BERT
    graphs = "".join(path.read_text() for path in dumped.glob("*.graph"))
    assert "_scaled_dot_product" not in graphs  # no call of ATen's


@pytest.mark.parametrize("part", range(4))
def test_losses_are_eagers(part: int, tmp_path: Path) -> None:
    names = [family.name for family in FAMILIES][part::4]
    seen = trained("free", names, tmp_path)
    assert sorted(seen) == sorted(names)
    for name, (eager, ours, followed) in seen.items():
        assert followed, f"{name}: nothing was compiled"
        for step, (expected, actual) in enumerate(zip(eager, ours, strict=True)):
            assert abs(actual - expected) <= 2e-4 * abs(expected), f"{name}, step {step}"


def test_deterministic_runs_round_alike(tmp_path: Path) -> None:
    names = ["gpt2", "bert", "resnet"]
    first, second = (trained("deterministic", names, tmp_path) for _ in range(2))
    assert first == second
    assert all(followed for _, _, followed in first.values())
