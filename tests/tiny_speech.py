"""Speech checkpoints small enough to make in a test: random weights, the real convolutions' lengths, two layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

HIDDEN = 32
SHAPE = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [16] * 7,
    "num_conv_pos_embedding_groups": 4,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "wav2vec2": ("wav2vec2", {}),
    "wav2vec2-stable": ("wav2vec2", {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}),
    "hubert": ("hubert", {}),
    "hubert-stable": ("hubert", {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}),
    "wavlm": ("wavlm", {}),
    "wavlm-stable": ("wavlm", {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}),
    "data2vec-audio": ("data2vec-audio", {}),
}
"""By name: what ``config.json`` calls the family, and how it differs from that family's default."""


def make_speech(folder: Path, family: str = "wav2vec2", *, normalise: bool | None = True, **changes: Any) -> Path:
    """Write a checkpoint; with ``normalise=None`` one that does not say what it wants."""
    from transformers import AutoConfig, AutoModel

    kind, own = FAMILIES[family]
    torch.manual_seed(0)
    network = AutoModel.from_config(AutoConfig.for_model(kind, **{**SHAPE, **own, **changes}))
    _unsettle(network)
    network.save_pretrained(folder)
    if normalise is not None:
        told = {
            "do_normalize": normalise,
            "sampling_rate": 16_000,
            "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


def make_affect(folder: Path, **changes: Any) -> Path:
    """Write a checkpoint of audEERING's kind: the network below ``wav2vec2.``, and a regression head."""
    labels = {"0": "arousal", "1": "dominance", "2": "valence"}
    make_speech(
        folder, "wav2vec2-stable", id2label=labels, architectures=["Wav2Vec2ForSpeechClassification"], **changes
    )
    weights = {f"wav2vec2.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()}
    draw = torch.Generator().manual_seed(1)
    hidden = changes.get("hidden_size", HIDDEN)
    for name, shape in {"dense": (hidden, hidden), "out_proj": (3, hidden)}.items():
        weights[f"classifier.{name}.weight"] = torch.randn(shape, generator=draw) / hidden**0.5
        weights[f"classifier.{name}.bias"] = torch.randn(shape[:1], generator=draw)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def rename(folder: Path, names: dict[str, str], *, pickled: bool = False) -> Path:
    """Write the weights anew with parts of their names replaced (by ``""``: left out), as a ``.bin`` if asked."""
    weights = load_file(folder / "model.safetensors")
    for old, new in names.items():
        weights = {name.replace(old, new): weight for name, weight in weights.items() if new or old not in name}
    (folder / "model.safetensors").unlink()
    if pickled:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def _unsettle(network: torch.nn.Module) -> None:
    """Let every weight matter: fresh biases are zero, fresh norms do nothing, fresh matrices hardly anything."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            noise = torch.randn(weight.shape, generator=draw)
            weight.copy_(noise / weight[0].numel() ** 0.5 if weight.dim() > 1 else weight + 0.1 * noise)
