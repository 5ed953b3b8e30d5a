# SPDX-License-Identifier: Apache-2.0
"""Inference: `generate` of GPT-2, and single inputs through BERT and ResNet."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.programs.program import (
    Batch,
    Build,
    Compiles,
    Prepared,
    Target,
    inference,
)

PROMPT, NEW_TOKENS = 32, 32


def logits_sum(model: Callable[..., object], batch: Batch) -> torch.Tensor:
    """One number that depends on all outputs, each with a weight of its own."""
    logits: torch.Tensor = model(**batch).logits  # type: ignore[attr-defined]
    weights = torch.arange(1, logits.numel() + 1, device=logits.device) / logits.numel()
    return (logits.flatten() * weights).sum()


def generate(batch: int, layers: int = 6, width: int = 512) -> Build:
    from transformers import GPT2Config, GPT2LMHeadModel

    def build(target: Target) -> Prepared:
        config = GPT2Config(n_layer=layers, n_embd=width, n_head=8, n_positions=256)
        model = GPT2LMHeadModel(config).eval()
        target.model(model)
        options: dict[str, object] = {
            "max_new_tokens": NEW_TOKENS,
            "min_new_tokens": NEW_TOKENS,
            "do_sample": False,
            "pad_token_id": config.eos_token_id,
        }
        if target.compiles is not Compiles.NOTHING:  # as Hugging Face's manual has it
            options["cache_implementation"] = "static"
            model.forward = torch.compile(model.forward)
        prompt = torch.randint(config.vocab_size, (batch, PROMPT))

        def step() -> torch.Tensor:
            ids = prompt.to(target.device)
            mask = torch.ones_like(ids)
            text = model.generate(ids, attention_mask=mask, **options)
            weights = torch.arange(1, text.numel() + 1, device=text.device)
            return (text.flatten() * weights).sum() % 1_000_003

        # Each position's key and value is written once and read for each later token.
        bytes_a_position = 2 * layers * width * batch * 4
        positions = sum(range(PROMPT, PROMPT + NEW_TOKENS)) + PROMPT + NEW_TOKENS
        return Prepared(step, model, passes=NEW_TOKENS, cache_bytes=bytes_a_position * positions)

    return build


def bert_once() -> Build:
    from transformers import BertConfig, BertForSequenceClassification

    def build(target: Target) -> Prepared:
        config = BertConfig(
            hidden_size=512, num_hidden_layers=6, num_attention_heads=8, intermediate_size=2048
        )
        batch = {
            "input_ids": torch.randint(config.vocab_size, (1, 128)),
            "attention_mask": torch.ones(1, 128, dtype=torch.long),
        }
        return inference(BertForSequenceClassification(config), batch, target, logits_sum)

    return build


def resnet_once() -> Build:
    from transformers import ResNetConfig, ResNetForImageClassification

    def build(target: Target) -> Prepared:
        batch = {"pixel_values": torch.randn(1, 3, 224, 224)}
        config = ResNetConfig()
        config.num_labels = 1000
        model = ResNetForImageClassification(config)
        return inference(model, batch, target, logits_sum)

    return build
