# SPDX-License-Identifier: Apache-2.0
"""Hugging Face Trainer and accelerate: programs written for CUDA, unmodified, under `trireme run`,
and on the device by its own name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from subprogram import check_program

pytest.importorskip("accelerate")
pytest.importorskip("transformers")

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

TRAINER = """
import json, sys, torch
from torch.utils.data import Dataset
from transformers import (GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed)

class Text(Dataset):
    def __init__(self):
        data = torch.tensor(list(b"the quick brown fox jumps over the lazy dog. " * 40))
        self.rows = data[: len(data) // 32 * 32].view(-1, 32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return {"input_ids": self.rows[i], "labels": self.rows[i]}

set_seed(0)
options = json.loads(sys.argv[2])
config = GPT2Config(vocab_size=128, n_positions=32, n_embd=32, n_layer=2, n_head=2,
                    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
model = GPT2LMHeadModel(config)
arguments = TrainingArguments(sys.argv[1], max_steps=12, per_device_train_batch_size=4,
    logging_steps=4, save_steps=6, eval_steps=6, eval_strategy="steps", report_to=[],
    learning_rate=3e-3, disable_tqdm=True, seed=0, **options)
trainer = Trainer(model=model, args=arguments, train_dataset=Text(), eval_dataset=Text())
trainer.train()
history = [h for h in trainer.state.log_history if "loss" in h]
print(json.dumps(dict(
    device=str(arguments.device), n_gpu=arguments.n_gpu,
    weights=next(trainer.model.parameters()).device.type,
    losses=[h["loss"] for h in history],
    evaluation=trainer.evaluate()["eval_loss"],
)))
trainer.save_model()
resumed = Trainer(model=GPT2LMHeadModel(config), args=arguments, train_dataset=Text(),
                  eval_dataset=Text())
resumed.train(resume_from_checkpoint=sys.argv[1] + "/checkpoint-6")
"""


def train(
    folder: Path, cuda: bool = True, device: str = "", **options: object
) -> dict[str, object]:
    environment = dict(OFFLINE)
    if device:
        environment["ACCELERATE_TORCH_DEVICE"] = device
    out = check_program(
        TRAINER,
        folder,
        str(folder / "out"),
        json.dumps(options),
        cuda=cuda,
        environment=environment,
    )
    (line,) = [line for line in out.splitlines() if line.startswith('{"device"')]
    report: dict[str, object] = json.loads(line)
    return report


def test_trainer(tmp_path: Path) -> None:
    report = train(tmp_path)
    assert report["device"] == "cuda:0"
    assert report["n_gpu"] == 1
    assert report["weights"] == "cuda"
    losses = report["losses"]
    assert isinstance(losses, list)
    assert losses[-1] < losses[0]
    (tmp_path / "cpu").mkdir()
    on_cpu = train(tmp_path / "cpu", cuda=False, use_cpu=True)
    assert on_cpu["weights"] == "cpu"
    assert losses == on_cpu["losses"]
    assert report["evaluation"] == on_cpu["evaluation"]


@pytest.mark.parametrize(
    "options",
    [
        {"bf16": True},
        {"fp16": True},
        {"gradient_checkpointing": True, "gradient_accumulation_steps": 2},
        {"dataloader_num_workers": 2, "optim": "adamw_torch_fused"},
        {"torch_compile": True, "torch_compile_backend": "aot_eager"},
        {"tf32": True, "max_grad_norm": 0.5},
    ],
    ids=lambda o: "-".join(o),
)
def test_trainer_options(tmp_path: Path, options: dict[str, object]) -> None:
    losses = train(tmp_path, **options)["losses"]
    assert isinstance(losses, list)
    assert losses[-1] < losses[0]


def test_trainer_on_the_device_by_its_own_name(tmp_path: Path) -> None:
    report = train(tmp_path, cuda=False, device="trireme:0")
    assert report["device"] == "trireme:0"
    assert report["weights"] == "trireme"


ACCELERATE = """
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

set_seed(0)
accelerator = Accelerator(mixed_precision=PRECISION, gradient_accumulation_steps=2)
model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10)
data = torch.utils.data.TensorDataset(torch.rand(64, 4))
loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
losses = []
for epoch in range(4):
    for (x,) in loader:
        assert x.device.type == accelerator.device.type
        with accelerator.accumulate(model):
            loss = (model(x).float() - x.sum(1, keepdim=True)).square().mean()
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        losses.append(accelerator.gather(loss.detach()).mean().item())
assert losses[-1] < losses[0], losses
accelerator.save_state(FOLDER)
accelerator.load_state(FOLDER)
accelerator.free_memory()
print(accelerator.device.type, accelerator.unwrap_model(model)[0].weight.device.type)
"""


@pytest.mark.parametrize("precision", ["no", "bf16", "fp16"])
def test_accelerate(tmp_path: Path, precision: str) -> None:
    source = f"PRECISION, FOLDER = {precision!r}, {str(tmp_path / 'state')!r}\n" + ACCELERATE
    out = check_program(source, tmp_path, cuda=True, environment=OFFLINE)
    assert out.split() == ["cuda", "cuda"]


def test_accelerate_launch(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"PRECISION, FOLDER = 'bf16', {str(tmp_path / 'state')!r}\n" + ACCELERATE)
    launch = ["-m", "accelerate.commands.launch", "--num_processes", "1", str(script)]
    done = subprocess.run(
        [sys.executable, "-m", "trireme.cli", "run", *launch],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **OFFLINE},
    )
    assert done.stdout.split()[-2:] == ["cuda", "cuda"], done.stderr


def test_accelerate_on_the_device_by_its_own_name(tmp_path: Path) -> None:
    # Mixed precision needs `trireme run`: accelerate allows it to devices it knows by name only.
    source = f"PRECISION, FOLDER = 'no', {str(tmp_path / 'state')!r}\n" + ACCELERATE
    environment = {**OFFLINE, "ACCELERATE_TORCH_DEVICE": "trireme:0"}
    out = check_program(source, tmp_path, environment=environment)
    assert out.split() == ["trireme", "trireme"]


GENERATE = """
import torch
from transformers import GPT2Config, GPT2LMHeadModel, pipeline
torch.manual_seed(0)
config = GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=2,
                    bos_token_id=0, eos_token_id=0, pad_token_id=0)
model = GPT2LMHeadModel(config).eval()
prompt = torch.arange(1, 6)[None]
expected = model.generate(prompt, max_new_tokens=8, do_sample=False)
model.to("cuda", dtype=torch.float32)
found = model.generate(prompt.to("cuda"), max_new_tokens=8, do_sample=False)
assert found.is_cuda and torch.equal(found.cpu(), expected)
torch.manual_seed(1)
a = model.generate(prompt.cuda(), max_new_tokens=8, do_sample=True)
torch.manual_seed(1)
assert torch.equal(a, model.generate(prompt.cuda(), max_new_tokens=8, do_sample=True))
"""


def test_generate(tmp_path: Path) -> None:
    check_program(GENERATE, tmp_path, cuda=True, environment=OFFLINE)


def test_from_pretrained_onto_the_device(tmp_path: Path) -> None:
    check_program(
        f"""
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel
        config = GPT2Config(vocab_size=64, n_positions=64, n_embd=32, n_layer=2, n_head=2)
        GPT2LMHeadModel(config).save_pretrained({str(tmp_path / "m")!r})
        for where in ("cuda", "auto", {{"": 0}}):
            model = GPT2LMHeadModel.from_pretrained({str(tmp_path / "m")!r}, device_map=where)
            assert all(p.is_cuda for p in model.parameters()), where
            assert model.lm_head.weight is model.transformer.wte.weight
            model(torch.ones(1, 4, dtype=torch.long, device="cuda"))
        """,
        tmp_path,
        cuda=True,
        environment=OFFLINE,
    )
