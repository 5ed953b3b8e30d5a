# SPDX-License-Identifier: Apache-2.0
"""Teach a small convolutional network the digits of scikit-learn; stop, resume, fine-tune.

Shows what a training script usually has beside the loop: a DataLoader with workers, a checkpoint to
resume from (`--resume`), and fine-tuning with most of the network frozen (`--head-only`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from sklearn.datasets import load_digits  # type: ignore # no stubs
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
from tqdm import tqdm

Batches = DataLoader[tuple[torch.Tensor, ...]]

VALIDATION_SHARE = 0.2


def default_device() -> str:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return accelerator.type if accelerator is not None else "cpu"


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--device", default=default_device())
    parser.add_argument("--epochs", type=int, default=4, help="in all, those resumed included")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="of the DataLoader")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/digits/checkpoint.pt"))
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint")
    parser.add_argument("--head-only", action="store_true", help="freeze all but the last layer")
    return parser.parse_args(arguments)


def block(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def build_model() -> nn.Sequential:
    features = nn.Sequential(
        *block(1, 32), *block(32, 64), nn.MaxPool2d(2), *block(64, 64), nn.AdaptiveAvgPool2d(1)
    )
    return nn.Sequential(features, nn.Flatten(), nn.Linear(64, 10))


def loaders(options: argparse.Namespace) -> tuple[Batches, Batches]:
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    data = TensorDataset(images, torch.tensor(digits.target))
    held_out = round(len(data) * VALIDATION_SHARE)
    generator = torch.Generator().manual_seed(options.seed)
    train, validation = random_split(data, [len(data) - held_out, held_out], generator)
    workers = {"num_workers": options.workers, "persistent_workers": options.workers > 0}
    return (
        DataLoader(train, options.batch, shuffle=True, generator=generator, **workers),
        DataLoader(validation, options.batch, **workers),
    )


def train_epoch(
    model: nn.Module, data: Batches, optimizer: torch.optim.Optimizer, device: torch.device
) -> list[float]:
    model.train()
    losses = []
    for images, labels in tqdm(data, leave=False):
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).tolist()


@torch.no_grad()
def accuracy(model: nn.Module, data: Batches, device: torch.device) -> float:
    model.eval()
    right = torch.zeros((), dtype=torch.long, device=device)
    count = 0
    for images, labels in data:
        right += (model(images.to(device)).argmax(dim=1) == labels.to(device)).sum()
        count += len(labels)
    return right.item() / count


def main(arguments: Sequence[str] | None = None) -> dict[str, object]:
    options = parse_arguments(arguments)
    device = torch.device(options.device)
    torch.manual_seed(options.seed)
    train, validation = loaders(options)
    model = build_model().to(device)
    if options.head_only:
        model[0].requires_grad_(False)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=options.lr)
    first_epoch = 0
    if options.resume:
        state = torch.load(options.checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        first_epoch = state["epoch"]
        if not options.head_only:  # another set of parameters has another optimizer state
            optimizer.load_state_dict(state["optimizer"])

    losses: list[float] = []
    right = accuracy(model, validation, device)
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    for epoch in range(first_epoch, options.epochs):
        losses += train_epoch(model, train, optimizer, device)
        right = accuracy(model, validation, device)
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
        }
        torch.save(state, options.checkpoint)
        print(f"epoch {epoch + 1}: loss {losses[-1]:.4f}, {right:.1%} right")
    summary: dict[str, object] = {
        "device": device.type,
        "epochs": [first_epoch, options.epochs],
        "last_loss": losses[-1] if losses else None,
        "accuracy": right,
        "checkpoint": str(options.checkpoint),
    }
    print(json.dumps(summary))
    return summary | {"train_losses": losses}


if __name__ == "__main__":
    main()
