# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured: training steps of six models, and a loop of tiny ops.

Importing this module imports no model library: a program does it in a call of its own, so that a
worker can leave it out of the first step's time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Step = Callable[[], torch.Tensor]
Build = Callable[[torch.device], Step]

TINY_ADDS = 2000  # in one step of `adds`


@dataclass(frozen=True)
class Program:
    """`imports()` gives the function that builds the program and returns its step."""

    imports: Callable[[], Build]
    title: str
    steps: int  # in one timed round
    trains: bool = True


def training_step(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], device: torch.device
) -> Step:
    """One AdamW step of a Hugging Face model; the batch comes from the host, as from a loader."""
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> torch.Tensor:
        inputs = {name: value.to(device) for name, value in batch.items()}
        optimizer.zero_grad()
        loss: torch.Tensor = model(**inputs).loss
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def language_batch(vocabulary: int, batch: int, length: int) -> dict[str, torch.Tensor]:
    tokens = torch.randint(vocabulary, (batch, length))
    return {"input_ids": tokens, "labels": tokens}


def image_batch(size: int, batch: int) -> dict[str, torch.Tensor]:
    return {
        "pixel_values": torch.randn(batch, 3, size, size),
        "labels": torch.randint(2, (batch,)),
    }


def gpt2() -> Build:
    from transformers import GPT2Config, GPT2LMHeadModel

    def build(device: torch.device) -> Step:
        config = GPT2Config(
            n_layer=6,
            n_embd=512,
            n_head=8,
            n_positions=256,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
        )
        batch = language_batch(config.vocab_size, 4, 256)
        return training_step(GPT2LMHeadModel(config), batch, device)

    return build


def llama() -> Build:
    from transformers import LlamaConfig, LlamaForCausalLM

    def build(device: torch.device) -> Step:
        config = LlamaConfig(
            hidden_size=512,
            intermediate_size=1376,
            num_hidden_layers=6,
            num_attention_heads=8,
            num_key_value_heads=4,
            max_position_embeddings=256,
            use_cache=False,
        )
        batch = language_batch(config.vocab_size, 4, 256)
        return training_step(LlamaForCausalLM(config), batch, device)

    return build


def bert() -> Build:
    from transformers import BertConfig, BertForSequenceClassification

    def build(device: torch.device) -> Step:
        config = BertConfig(
            hidden_size=512,
            num_hidden_layers=6,
            num_attention_heads=8,
            intermediate_size=2048,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        batch = {
            "input_ids": torch.randint(config.vocab_size, (4, 128)),
            "attention_mask": torch.ones(4, 128, dtype=torch.long),
            "labels": torch.randint(2, (4,)),
        }
        return training_step(BertForSequenceClassification(config), batch, device)

    return build


def vit() -> Build:
    from transformers import ViTConfig, ViTForImageClassification

    def build(device: torch.device) -> Step:
        config = ViTConfig(
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=6,
            intermediate_size=1536,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        return training_step(ViTForImageClassification(config), image_batch(224, 8), device)

    return build


def resnet() -> Build:
    from transformers import ResNetConfig, ResNetForImageClassification

    def build(device: torch.device) -> Step:
        config = ResNetConfig(
            hidden_sizes=[64, 128, 256, 512],
            depths=[2, 2, 2, 2],
            layer_type="basic",
        )
        return training_step(ResNetForImageClassification(config), image_batch(128, 8), device)

    return build


def mlp() -> Build:
    def build(device: torch.device) -> Step:
        layers: list[torch.nn.Module] = []
        for _ in range(24):
            layers += [torch.nn.Linear(64, 64), torch.nn.ReLU()]
        model = torch.nn.Sequential(*layers).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        inputs, targets = torch.randn(32, 64), torch.randn(32, 64)

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(inputs.to(device)), targets.to(device))
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    return build


def adds() -> Build:
    def build(device: torch.device) -> Step:
        total = torch.zeros(8, device=device)

        def step() -> torch.Tensor:
            for _ in range(TINY_ADDS):
                total.add_(1)
            return total[0]

        return step

    return build


PROGRAMS: dict[str, Program] = {
    "gpt2": Program(gpt2, "GPT-2, 6 layers of 512, 4 x 256 tokens", 1),
    "llama": Program(llama, "Llama, 6 layers of 512, 4 x 256 tokens", 1),
    "bert": Program(bert, "BERT, 6 layers of 512, 4 x 128 tokens", 2),
    "vit": Program(vit, "ViT, 6 layers of 384, 8 images of 224 x 224", 2),
    "resnet": Program(resnet, "ResNet-18, 8 images of 128 x 128", 5),
    "mlp": Program(mlp, "MLP, 24 layers of 64, batch 32 (bound by ops)", 100),
    "adds": Program(adds, "Python loop of in-place adds to 8 numbers", 20, trains=False),
}
