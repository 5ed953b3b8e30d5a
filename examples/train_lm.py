# SPDX-License-Identifier: Apache-2.0
"""Train a small GPT-2 on source code, byte by byte, and let it write some.

An ordinary PyTorch and Hugging Face program: it runs on any device that PyTorch has (`--device`).
Weights and batches are drawn on the CPU, so that the losses can be compared between devices.
"""

from __future__ import annotations

import argparse
import json
import math
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from matplotlib.figure import Figure
from tqdm import tqdm
from transformers import GPT2Config, GPT2LMHeadModel

VOCABULARY = 256  # a token is a byte
VALIDATION_SHARE = 0.05
VALIDATION_BATCHES = 8
MAX_GRAD_NORM = 1.0
FINAL_LR_SHARE = 0.05
READ_EVERY = 10  # steps between two reads of the loss: each read waits for the device


def default_device() -> str:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator.type if accelerator is not None else "cpu"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--device", default=default_device(), help="where to train")
    parser.add_argument("--text", type=Path, help="a file, instead of Python's library")
    parser.add_argument("--out", type=Path, default=Path("build/train_lm"), help="results' folder")
    parser.add_argument("--steps", type=int, default=640)
    parser.add_argument("--batch", type=int, default=4, help="sequences a step")
    parser.add_argument("--context", type=int, default=64, help="bytes a sequence")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--heads", type=int, default=10)
    parser.add_argument("--lr", type=float, default=4e-4, help="the highest learning rate")
    parser.add_argument("--warmup", type=float, default=0.1, help="share of the steps")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--validate-every", type=int, default=80, help="steps")
    parser.add_argument("--sample", type=int, default=300, help="bytes to write at the end")
    parser.add_argument("--prompt", default="def ")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--autocast", action="store_true", help="compute in bfloat16")
    return parser.parse_args(arguments)


def read_text(file: Path | None) -> torch.Tensor:
    """The text as one tensor of bytes: FILE, or the sources of Python's standard library."""
    if file is not None:
        text = file.read_bytes()
    else:
        library = Path(sysconfig.get_path("stdlib"))
        apart = {"site-packages", "dist-packages", "test", "tests", "lib2to3", "idlelib"}
        sources = (path for path in library.rglob("*.py") if apart.isdisjoint(path.parts))
        text = b"".join(path.read_bytes() for path in sorted(sources))
    return torch.frombuffer(bytearray(text), dtype=torch.uint8)


@dataclass
class Windows:
    """Cuts batches of equally long windows out of a text."""

    text: torch.Tensor
    batch: int
    context: int

    def __post_init__(self) -> None:
        if len(self.text) <= self.context:
            raise SystemExit(
                f"the text is too short: {len(self.text)} bytes for a context of {self.context};"
                " give a longer --text or a smaller --context"
            )

    def at(self, starts: torch.Tensor) -> torch.Tensor:
        return self.text[starts[:, None] + torch.arange(self.context)].long()

    def draw(self, generator: torch.Generator) -> torch.Tensor:
        last = len(self.text) - self.context
        return self.at(torch.randint(last + 1, (self.batch,), generator=generator))

    def spread(self, batches: int) -> Sequence[torch.Tensor]:
        """Batches that cover the whole text evenly, the same each time."""
        last = len(self.text) - self.context
        starts = torch.linspace(0, last, batches * self.batch, dtype=torch.float64).long()
        return [self.at(part) for part in starts.chunk(batches)]


def build_model(options: argparse.Namespace) -> GPT2LMHeadModel:
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=options.context,
        n_embd=options.width,
        n_layer=options.layers,
        n_head=options.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    return GPT2LMHeadModel(config)


def build_optimizer(
    model: torch.nn.Module, options: argparse.Namespace
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    matrices = [parameter for parameter in model.parameters() if parameter.dim() >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": options.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=options.lr,
        betas=(0.9, 0.95),
        fused=True,
    )
    warmup = max(1, round(options.steps * options.warmup))

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, options.steps - warmup)
        return FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * (1 + math.cos(math.pi * progress)) / 2

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, share)


@dataclass
class History:
    train: list[float] = field(default_factory=list)
    validation: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0

    def plot(self, file: Path) -> None:
        figure = Figure(figsize=(8, 5))
        axes = figure.subplots()
        axes.plot(range(1, len(self.train) + 1), self.train, linewidth=1, label="training")
        axes.plot(
            list(self.validation), list(self.validation.values()), marker="o", label="validation"
        )
        axes.set_xlabel("step")
        axes.set_ylabel("loss (nats a byte)")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(file, dpi=120)


@torch.no_grad()
def validate(model: GPT2LMHeadModel, batches: Sequence[torch.Tensor]) -> float:
    model.eval()
    losses = torch.stack([model(input_ids=batch, labels=batch).loss for batch in batches])
    model.train()
    return losses.mean().item()


def train(
    model: GPT2LMHeadModel, text: torch.Tensor, device: torch.device, options: argparse.Namespace
) -> History:
    split = round(len(text) * (1 - VALIDATION_SHARE))
    windows = Windows(text[:split], options.batch, options.context)
    held_out = Windows(text[split:], options.batch, options.context).spread(VALIDATION_BATCHES)
    held_out = [batch.to(device) for batch in held_out]
    generator = torch.Generator().manual_seed(options.seed)
    optimizer, schedule = build_optimizer(model, options)
    history = History()
    unread: list[torch.Tensor] = []
    start = time.perf_counter()
    model.train()
    with tqdm(total=options.steps, desc=f"train on {device.type}", unit="step") as bar:
        for step in range(1, options.steps + 1):
            batch = windows.draw(generator).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.autocast):
                loss = model(input_ids=batch, labels=batch).loss
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM, foreach=True)
            optimizer.step()
            schedule.step()
            unread.append(loss.detach())
            last = step == options.steps
            if step % READ_EVERY == 0 or last:
                history.train += torch.stack(unread).tolist()
                unread.clear()
            if step % options.validate_every == 0 or last:
                history.validation[step] = validate(model, held_out)
            bar.update()
            if not unread:
                rate = step * batch.numel() / (time.perf_counter() - start)
                validation = next(reversed(history.validation.values()), math.nan)
                bar.set_postfix_str(
                    f"loss {history.train[-1]:.3f}, validation {validation:.3f},"
                    f" {rate:,.0f} tokens/s"
                )
    history.seconds = time.perf_counter() - start
    return history


@torch.no_grad()
def write(model: GPT2LMHeadModel, device: torch.device, options: argparse.Namespace) -> str:
    """Continue the prompt byte by byte. The draws are the CPU's, whatever the device."""
    model.eval()
    generator = torch.Generator().manual_seed(options.seed)
    text = list(options.prompt.encode()) or [ord("\n")]
    for _ in range(options.sample):
        window = torch.tensor([text[-options.context :]]).to(device)
        logits = model(input_ids=window).logits[0, -1].float().cpu()
        chances = torch.softmax(logits / options.temperature, dim=0)
        text.append(int(torch.multinomial(chances, 1, generator=generator)))
    return bytes(text).decode(errors="replace")


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    options = parse_arguments(arguments)
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    text = read_text(options.text)
    model = build_model(options)
    model.to(device)  # type: ignore[arg-type] # transformers' annotation wraps the method wrongly
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(f"{parameters / 1e6:.1f} M parameters, {len(text) / 1e6:.1f} MB of text, {device}")

    history = train(model, text, device, options)

    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint, plot = options.out / "model.pt", options.out / "loss.png"
    torch.save({"config": model.config.to_dict(), "model": model.state_dict()}, checkpoint)
    history.plot(plot)
    print(f"\n{write(model, device, options)}\n")
    summary: dict[str, object] = {
        "device": device.type,
        "parameters": parameters,
        "steps": options.steps,
        "first_loss": history.train[0],
        "last_loss": history.train[-1],
        "validation_loss": history.validation[options.steps],
        "tokens_per_second": round(
            options.steps * options.batch * options.context / history.seconds
        ),
        "seconds": round(history.seconds, 1),
        "checkpoint": str(checkpoint),
        "plot": str(plot),
    }
    print(json.dumps(summary))
    return summary | {"train_losses": history.train}


if __name__ == "__main__":
    main()
