# SPDX-License-Identifier: Apache-2.0
"""The programs that are measured, by name."""

from __future__ import annotations

from functools import partial

from benchmarks.programs.diffusion import unet
from benchmarks.programs.language import bert, gpt2, llama, t5
from benchmarks.programs.program import Kind, Program
from benchmarks.programs.recommender import dlrm
from benchmarks.programs.recurrent import lstm
from benchmarks.programs.serving import bert_once, generate, resnet_once
from benchmarks.programs.tiny import adds, mlp
from benchmarks.programs.vision import convnext, resnet, vit

INFERENCE = Kind.INFERENCE

PROGRAMS: dict[str, Program] = {
    "gpt2": Program(gpt2, "GPT-2, 6 layers of 512, 4 x 256 tokens"),
    "llama": Program(llama, "Llama, 6 layers of 512, 4 x 256 tokens"),
    "bert": Program(bert, "BERT, 6 layers of 512, 4 x 128 tokens", 2),
    "vit": Program(vit, "ViT, 6 layers of 384, 8 images of 224 x 224", 2),
    "resnet": Program(resnet, "ResNet-18, 8 images of 128 x 128", 5),
    "convnext": Program(convnext, "ConvNeXt, 10 blocks, 8 images of 128 x 128", 5),
    "t5": Program(t5, "T5, 4 + 4 layers of 384, 4 x 128 to 4 x 64 tokens", 2),
    "lstm": Program(lstm, "LSTM language model, 2 layers of 320, 16 x 48 tokens", 5),
    "dlrm": Program(dlrm, "DLRM, 8 tables of 100,000 x 16, 2048 rows", 5),
    "mlp": Program(mlp, "MLP, 24 layers of 64, batch 32 (bound by ops)", 100),
    "unet": Program(unet, "diffusion U-Net, 16 images of 32 x 32", 3),
    "gpt2-bf16": Program(partial(gpt2, autocast=True), "GPT-2, bf16 autocast", 2, autocast=True),
    "vit-bf16": Program(partial(vit, autocast=True), "ViT, bf16 autocast", 2, autocast=True),
    "resnet-bf16": Program(
        partial(resnet, autocast=True), "ResNet-18, bf16 autocast", 5, autocast=True
    ),
    "generate-1": Program(
        partial(generate, 1), "GPT-2 `generate`, 32 tokens, batch 1", 2, INFERENCE
    ),
    "generate-8": Program(
        partial(generate, 8), "GPT-2 `generate`, 32 tokens, batch 8", 2, INFERENCE
    ),
    "bert-once": Program(bert_once, "BERT, 1 x 128 tokens", 10, INFERENCE),
    "resnet-once": Program(resnet_once, "ResNet-50, 1 image of 224 x 224", 10, INFERENCE),
    "lengths": Program(
        partial(gpt2, layers=4, width=256, vocabulary=8000, length=192, varies=True),
        "GPT-2, 4 layers of 256, 20 lengths at random",
        20,
        varies=True,
    ),
    "adds": Program(adds, "Python loop of in-place adds to 8 numbers", 20, Kind.LOOP),
    "tiny": Program(partial(mlp, 2), "MLP of 2 layers, for tests", tiny=True),
    "tiny-lengths": Program(
        partial(gpt2, layers=1, width=64, vocabulary=64, length=16, batch=2, varies=True),
        "GPT-2 of one layer, for tests",
        varies=True,
        tiny=True,
    ),
}
# What `make bench` measures, one op after the other.
BY_OP = ("gpt2", "llama", "bert", "vit", "resnet", "mlp", "adds")
# What `make bench-compile` measures.
COMPILED = tuple(
    name for name, program in PROGRAMS.items() if not program.tiny and program.kind != Kind.LOOP
)
