"""Tiny text checkpoints with random weights: two layers, 32 columns, a vocabulary of letters."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

HIDDEN, HEADS, LAYERS, INNER = 32, 2, 2, 48
SIZES = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": 80,
}
DISTILBERT = {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER, "max_position_embeddings": 80}
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
"""With RoBERTa's numbers: there, what is padding decides the positions of all other tokens."""

LETTERS = string.ascii_lowercase
PIECES = [*LETTERS, *(f"##{letter}" for letter in LETTERS), "so", "it", "goes", "on", "and"]


def make_tokenizer() -> Tokenizer:
    """Words of a small vocabulary, others letter by letter; padding and truncation on, as some checkpoints ship it."""
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL, *PIECES])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=1, pad_token="<pad>")
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    names = {"cls_token": "<s>", "pad_token": "<pad>", "sep_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=make_tokenizer(), **names).save_pretrained(folder)


def config(kind: str, **changes: Any) -> PreTrainedConfig:
    sizes = DISTILBERT if kind == "distilbert" else SIZES
    numbers = {"vocab_size": len(SPECIAL) + len(PIECES), "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    made: PreTrainedConfig = CONFIG_MAPPING[kind](**{**sizes, **numbers, **changes})
    return made


def save(model: PreTrainedModel, folder: Path) -> Path:
    """Draw weights that are large enough for any mistake to show, and write everything."""
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            is_scale = weights.ndim == 1 and name.endswith("weight")  # of a norm
            weights.copy_(is_scale + 0.3 * torch.randn(weights.shape, generator=draw))
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def make_text(folder: Path, kind: str = "bert", **changes: Any) -> Path:
    """Write an encoder of a kind that ``transformers`` knows."""
    return save(AutoModel.from_config(config(kind, **changes)), folder)


def make_classifier(folder: Path, kind: str = "roberta", *, labels: int = 5, **changes: Any) -> Path:
    """Write a classifier of texts that may have several labels."""
    told = {"num_labels": labels, "problem_type": "multi_label_classification", **changes}
    return save(AutoModelForSequenceClassification.from_config(config(kind, **told)), folder)


def make_new(folder: Path, **changes: Any) -> Path:
    """Write a checkpoint as GTE v1.5's are: for code on the hub, queries, keys and values packed, up and gate too."""
    shapes = {"embeddings.word_embeddings.weight": (len(SPECIAL) + len(PIECES), HIDDEN)}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{number}" for number in range(LAYERS)):
        shapes[f"{layer}.attention.qkv_proj.weight"] = (3 * HIDDEN, HIDDEN)
        shapes[f"{layer}.attention.qkv_proj.bias"] = (3 * HIDDEN,)
        shapes[f"{layer}.attention.o_proj.weight"] = (HIDDEN, HIDDEN)
        shapes[f"{layer}.attention.o_proj.bias"] = (HIDDEN,)
        shapes[f"{layer}.mlp.up_gate_proj.weight"] = (2 * INNER, HIDDEN)
        shapes[f"{layer}.mlp.down_proj.weight"] = (HIDDEN, INNER)
        shapes[f"{layer}.mlp.down_proj.bias"] = (HIDDEN,)
        norms += [f"{layer}.attn_ln", f"{layer}.mlp_ln"]
    shapes |= {f"{norm}.{part}": (HIDDEN,) for norm in norms for part in ("weight", "bias")}
    told = {
        **SIZES,
        "model_type": "new",
        "architectures": ["NewModel"],
        "auto_map": {
            "AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
            "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel",
        },
        "vocab_size": shapes["embeddings.word_embeddings.weight"][0],
        "type_vocab_size": 0,
        "pad_token_id": 1,
        "hidden_act": "gelu",
        "layer_norm_type": "layer_norm",
        "layer_norm_eps": 1e-12,
        "logn_attention_scale": False,
        "pack_qkv": True,
        "position_embedding_type": "rope",
        "rope_theta": 500.0,
        "rope_scaling": {"factor": 2.0, "type": "ntk"},
        "torch_dtype": "float32",
        **changes,
    }
    if told["type_vocab_size"]:
        shapes["embeddings.token_type_embeddings.weight"] = (told["type_vocab_size"], HIDDEN)
    draw = torch.Generator().manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {f"new.{name}": ("ln.w" in name) + 0.3 * torch.randn(shape, generator=draw) for name, shape in shapes.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "config.json").write_text(json.dumps(told))
    save_tokenizer(folder)
    return folder
