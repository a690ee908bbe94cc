"""Checkpoints with random weights, made on the spot: what a model costs does not depend on what it has learned.

``base`` is the published size of each family, ``tiny`` one whose cost is nothing beside what is around it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, BertTokenizer

TINY = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 768}


def make_dinov2(folder: Path, *, size: str = "base") -> Path:
    """Write a vision transformer of DINOv2's build: 224 pixels, patches of 14."""
    small = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3} if size == "tiny" else {}
    _write(folder, "dinov2", {"image_size": 518, "patch_size": 14, **small})
    told = {
        "image_processor_type": "BitImageProcessor",
        "size": {"shortest_edge": 256},
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
        "resample": 3,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def make_vit(folder: Path) -> Path:
    """Write a vision transformer of ViT-tiny's size: 224 pixels, patches of 16, 5.5 million parameters."""
    _write(folder, "vit", {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768})
    told = {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}, "resample": 2}
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def make_wav2vec2(folder: Path, *, size: str = "base") -> Path:
    """Write a speech model of wav2vec2-base's build: 50 rows a second."""
    small = {**TINY, "conv_dim": [32] * 7} if size == "tiny" else {}
    _write(folder, "wav2vec2", small)
    told = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "do_normalize": True,
        "sampling_rate": 16_000,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def make_bert(folder: Path, *, size: str = "base", changes: Mapping[str, int] = {}) -> Path:
    """Write a text encoder of BERT-base's build, which GTE-base's is; it reads letter by letter."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters)])
    _write(folder, "bert", {**(TINY if size == "tiny" else {}), "vocab_size": 30_522, **changes})
    BertTokenizer(vocab={token: number for number, token in enumerate(tokens)}).save_pretrained(folder)
    return folder


def _write(folder: Path, kind: str, changes: Mapping[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = AutoModel.from_config(AutoConfig.for_model(kind, **changes)).eval()  # type: ignore[no-untyped-call]
    logging: Any = import_module("transformers.utils.logging")
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    network.save_pretrained(folder)
    if bars:
        logging.enable_progress_bar()
