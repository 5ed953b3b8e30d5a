# SPDX-License-Identifier: Apache-2.0
"""Tiny Hugging Face models of many families, made from configurations: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import transformers as hf

VOCAB = 97
Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Family:
    name: str
    build: Callable[[], torch.nn.Module]
    batch: Callable[[torch.Generator], Batch]
    generates: bool = False


def ids(generator: torch.Generator, length: int = 12, batch: int = 3) -> torch.Tensor:
    return torch.randint(3, VOCAB, (batch, length), generator=generator)


def causal(generator: torch.Generator) -> Batch:
    tokens = ids(generator)
    return {"input_ids": tokens, "labels": tokens.clone()}


def masked(generator: torch.Generator) -> Batch:
    tokens = ids(generator)
    mask = torch.ones_like(tokens)
    mask[1, 9:] = 0
    return {"input_ids": tokens, "attention_mask": mask, "labels": ids(generator)}


def encoder_decoder(generator: torch.Generator) -> Batch:
    return {"input_ids": ids(generator), "labels": ids(generator, 7)}


def image(generator: torch.Generator) -> Batch:
    return {
        "pixel_values": torch.randn(3, 3, 32, 32, generator=generator),
        "labels": torch.randint(0, 5, (3,), generator=generator),
    }


def audio(generator: torch.Generator) -> Batch:
    return {
        "input_features": torch.randn(2, 8, 40, generator=generator),
        "labels": ids(generator, 6, 2),
    }


def pairs(generator: torch.Generator) -> Batch:
    return {
        "input_ids": ids(generator, 8),
        "pixel_values": torch.randn(3, 3, 32, 32, generator=generator),
        "return_loss": torch.ones((), dtype=torch.bool),
    }


TEXT: dict[str, Any] = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
GROUPED: dict[str, Any] = {**TEXT, "num_key_value_heads": 2, "attention_dropout": 0.0}
DRY: dict[str, Any] = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def _gpt2() -> torch.nn.Module:
    return hf.GPT2LMHeadModel(
        hf.GPT2Config(
            vocab_size=VOCAB, n_positions=64, n_embd=32, n_layer=2, n_head=4,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=1, eos_token_id=2,
        )
    )  # fmt: skip


def _gpt_neox() -> torch.nn.Module:
    return hf.GPTNeoXForCausalLM(
        hf.GPTNeoXConfig(**TEXT, hidden_dropout=0.0, attention_dropout=0.0)
    )


def _opt() -> torch.nn.Module:
    config = hf.OPTConfig(
        vocab_size=VOCAB, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, dropout=0.0, attention_dropout=0.0, word_embed_proj_dim=32,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return hf.OPTForCausalLM(config)


def _falcon() -> torch.nn.Module:
    config = hf.FalconConfig(
        vocab_size=VOCAB, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        hidden_dropout=0.0, attention_dropout=0.0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return hf.FalconForCausalLM(config)


def _bloom() -> torch.nn.Module:
    config = hf.BloomConfig(
        vocab_size=VOCAB, hidden_size=32, n_layer=2, n_head=4, hidden_dropout=0.0,
        attention_dropout=0.0, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return hf.BloomForCausalLM(config)


def _phi() -> torch.nn.Module:
    config = hf.PhiConfig(**TEXT, resid_pdrop=0.0, embd_pdrop=0.0, attention_dropout=0.0)
    return hf.PhiForCausalLM(config)


def _gemma() -> torch.nn.Module:
    return hf.GemmaForCausalLM(hf.GemmaConfig(**GROUPED, head_dim=8))


def _qwen3() -> torch.nn.Module:
    return hf.Qwen3ForCausalLM(hf.Qwen3Config(**GROUPED, head_dim=8))


def _mixtral() -> torch.nn.Module:
    config = hf.MixtralConfig(**GROUPED, num_local_experts=4, num_experts_per_tok=2)
    return hf.MixtralForCausalLM(config)


def _mamba() -> torch.nn.Module:
    config = hf.MambaConfig(
        vocab_size=VOCAB, hidden_size=32, state_size=8, num_hidden_layers=2, conv_kernel=4,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return hf.MambaForCausalLM(config)


def _t5() -> torch.nn.Module:
    config = hf.T5Config(
        vocab_size=VOCAB, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.0,
        decoder_start_token_id=0, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return hf.T5ForConditionalGeneration(config)


def _bart() -> torch.nn.Module:
    config = hf.BartConfig(
        vocab_size=VOCAB, d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=48,
        decoder_ffn_dim=48, encoder_attention_heads=4, decoder_attention_heads=4, dropout=0.0,
        attention_dropout=0.0, activation_dropout=0.0, max_position_embeddings=64,
        bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=2,
        forced_eos_token_id=None,
    )  # fmt: skip
    return hf.BartForConditionalGeneration(config)


def _whisper() -> torch.nn.Module:
    config = hf.WhisperConfig(
        vocab_size=VOCAB, num_mel_bins=8, d_model=32, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_ffn_dim=48, max_source_positions=20, max_target_positions=32, dropout=0.0,
        bos_token_id=1, eos_token_id=2, pad_token_id=0, decoder_start_token_id=1,
        suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    return hf.WhisperForConditionalGeneration(config)


def _deberta() -> torch.nn.Module:
    config = hf.DebertaV2Config(
        **TEXT, **DRY, relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"],
        type_vocab_size=0,
    )  # fmt: skip
    return hf.DebertaV2ForMaskedLM(config)


def _distilbert() -> torch.nn.Module:
    config = hf.DistilBertConfig(
        vocab_size=VOCAB, dim=32, hidden_dim=48, n_layers=2, n_heads=4, dropout=0.0,
        attention_dropout=0.0, max_position_embeddings=64,
    )  # fmt: skip
    return hf.DistilBertForMaskedLM(config)


def _albert() -> torch.nn.Module:
    return hf.AlbertForMaskedLM(hf.AlbertConfig(**TEXT, **DRY, embedding_size=16))


def _vit() -> torch.nn.Module:
    config = hf.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        image_size=32, patch_size=8, num_labels=5, **DRY,
    )  # fmt: skip
    return hf.ViTForImageClassification(config)


def _resnet() -> torch.nn.Module:
    config = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], num_labels=5, layer_type="basic"
    )
    return hf.ResNetForImageClassification(config)


def _convnext() -> torch.nn.Module:
    config = hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 2], num_stages=2, num_labels=5)
    return hf.ConvNextForImageClassification(config)


def _swin() -> torch.nn.Module:
    config = hf.SwinConfig(
        image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4,
        drop_path_rate=0.0, num_labels=5, **DRY,
    )  # fmt: skip
    return hf.SwinForImageClassification(config)


def _clip() -> torch.nn.Module:
    text = {**TEXT, "attention_dropout": 0.0}
    vision = dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        image_size=32, patch_size=8,
    )  # fmt: skip
    return hf.CLIPModel(hf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))


def _bert() -> torch.nn.Module:
    return hf.BertForMaskedLM(hf.BertConfig(**TEXT, **DRY))


def _roberta() -> torch.nn.Module:
    return hf.RobertaForMaskedLM(hf.RobertaConfig(**TEXT, **DRY))


FAMILIES = [
    Family("gpt2", _gpt2, causal, generates=True),
    Family("llama", lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED)), causal, True),
    Family("mistral", lambda: hf.MistralForCausalLM(hf.MistralConfig(**GROUPED)), causal, True),
    Family("qwen2", lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**GROUPED)), causal, True),
    Family("qwen3", _qwen3, causal, True),
    Family("gemma", _gemma, causal, True),
    Family("phi", _phi, causal, True),
    Family("opt", _opt, causal, True),
    Family("falcon", _falcon, causal, True),
    Family("bloom", _bloom, causal, True),
    Family("gpt_neox", _gpt_neox, causal, True),
    Family("mixtral", _mixtral, causal, True),
    Family("mamba", _mamba, causal, True),
    Family("t5", _t5, encoder_decoder, True),
    Family("bart", _bart, encoder_decoder, True),
    Family("whisper", _whisper, audio),
    Family("bert", _bert, masked),
    Family("roberta", _roberta, masked),
    Family("distilbert", _distilbert, masked),
    Family("albert", _albert, masked),
    Family("deberta_v2", _deberta, masked),
    Family("vit", _vit, image),
    Family("swin", _swin, image),
    Family("resnet", _resnet, image),
    Family("convnext", _convnext, image),
    Family("clip", _clip, pairs),
]
