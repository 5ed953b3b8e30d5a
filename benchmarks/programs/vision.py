# SPDX-License-Identifier: Apache-2.0
"""Training steps of image classifiers from Hugging Face's configurations."""

from __future__ import annotations

import torch

from benchmarks.programs.program import Batch, Build, Prepared, Target, training


def image_batch(size: int, batch: int) -> Batch:
    return {
        "pixel_values": torch.randn(batch, 3, size, size),
        "labels": torch.randint(2, (batch,)),
    }


def vit(autocast: bool = False) -> Build:
    from transformers import ViTConfig, ViTForImageClassification

    def build(target: Target) -> Prepared:
        config = ViTConfig(
            hidden_size=384,
            num_hidden_layers=6,
            num_attention_heads=6,
            intermediate_size=1536,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        model = ViTForImageClassification(config)
        return training(model, [image_batch(224, 8)], target, autocast=autocast)

    return build


def resnet(autocast: bool = False) -> Build:
    from transformers import ResNetConfig, ResNetForImageClassification

    def build(target: Target) -> Prepared:
        config = ResNetConfig(
            hidden_sizes=[64, 128, 256, 512],
            depths=[2, 2, 2, 2],
            layer_type="basic",
        )
        model = ResNetForImageClassification(config)
        return training(model, [image_batch(128, 8)], target, autocast=autocast)

    return build


def convnext() -> Build:
    from transformers import ConvNextConfig, ConvNextForImageClassification

    def build(target: Target) -> Prepared:
        config = ConvNextConfig(hidden_sizes=[48, 96, 192, 384], depths=[2, 2, 4, 2])
        return training(ConvNextForImageClassification(config), [image_batch(128, 8)], target)

    return build
