# SPDX-License-Identifier: Apache-2.0
"""Training steps of language models from Hugging Face's configurations; nothing is downloaded."""

from __future__ import annotations

import torch

from benchmarks.programs.program import Batch, Build, Prepared, Target, training

VARYING_LENGTHS = 20
VARYING_STEPS = 400  # after which the lengths repeat


def language_batch(vocabulary: int, batch: int, length: int) -> Batch:
    tokens = torch.randint(vocabulary, (batch, length))
    return {"input_ids": tokens, "labels": tokens}


def gpt2(
    layers: int = 6,
    width: int = 512,
    vocabulary: int = 50257,
    length: int = 256,
    batch: int = 4,
    autocast: bool = False,
    varies: bool = False,
) -> Build:
    from transformers import GPT2Config, GPT2LMHeadModel

    def build(target: Target) -> Prepared:
        config = GPT2Config(
            vocab_size=vocabulary,
            n_layer=layers,
            n_embd=width,
            n_head=max(1, width // 64),
            n_positions=length,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=0,
            eos_token_id=0,
            use_cache=False,
        )
        model = GPT2LMHeadModel(config)
        lengths = [length]
        if varies:
            known = torch.randint(length // 4, length + 1, (VARYING_LENGTHS,))
            lengths = known[torch.randint(VARYING_LENGTHS, (VARYING_STEPS,))].tolist()
        batches = [language_batch(vocabulary, batch, size) for size in lengths]
        prepared = training(model, batches, target, autocast=autocast)
        prepared.sizes = lengths if varies else []
        return prepared

    return build


def llama() -> Build:
    from transformers import LlamaConfig, LlamaForCausalLM

    def build(target: Target) -> Prepared:
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
        return training(LlamaForCausalLM(config), [batch], target)

    return build


def bert(autocast: bool = False) -> Build:
    from transformers import BertConfig, BertForSequenceClassification

    def build(target: Target) -> Prepared:
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
        return training(BertForSequenceClassification(config), [batch], target, autocast=autocast)

    return build


def t5() -> Build:
    from transformers import T5Config, T5ForConditionalGeneration

    def build(target: Target) -> Prepared:
        config = T5Config(
            d_model=384,
            d_kv=64,
            d_ff=1536,
            num_layers=4,
            num_heads=6,
            dropout_rate=0.0,
            use_cache=False,
        )
        config.decoder_start_token_id = 0
        batch = {
            "input_ids": torch.randint(config.vocab_size, (4, 128)),
            "labels": torch.randint(config.vocab_size, (4, 64)),
        }
        return training(T5ForConditionalGeneration(config), [batch], target)

    return build
