"""A text checkpoint's folder becomes a tokenizer and a network; what is not whole is refused in one line.

Nothing here runs code from the hub, and nothing is made up: without a vocabulary ``transformers`` would take every word
for an unknown one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mimetic.checkpoints import read_config
from mimetic.records import Json, UsageError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEHIND_PADDING = ("camembert", "data2vec-text", "mpnet", "roberta", "xlm-roberta", "xlm-roberta-xl")
"""Model types that count positions from the padding token's number on, and so have fewer than they say."""

REMEDY = "Give a checkpoint of a text encoder that transformers knows without code from the hub."


def open_tokenizer(folder: Path) -> Tokenizer:
    """Open the tokenizer: its own file where there is one, for ``transformers`` would import torch."""
    from tokenizers import Tokenizer

    if (file := folder / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(file))
    found = None
    if any(folder.glob("vocab.*")) or any(folder.glob("*.model")):  # without, transformers makes all words unknown
        from transformers import AutoTokenizer

        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if (tokenizer := getattr(found, "backend_tokenizer", None)) is None:
        raise UsageError(f"{folder} has no tokenizer", remedy="Put the checkpoint's tokenizer.json there.")
    assert isinstance(tokenizer, Tokenizer)
    return tokenizer


def room(folder: Path, config: Json, tokenizer: Tokenizer, chunk: int) -> int:
    """Count the tokens of a chunk: those asked for, at most those that the model has positions for or was made for."""
    rooms = [chunk]
    if (positions := config.get("max_position_embeddings")) is not None:
        behind = 1 + (config.get("pad_token_id") or 0) if config.get("model_type") in BEHIND_PADDING else 0
        rooms.append(positions - behind)
    if (file := folder / "sentence_bert_config.json").is_file():
        rooms.append(json.loads(file.read_text("utf-8")).get("max_seq_length") or chunk)
    around = tokenizer.num_special_tokens_to_add(False)
    if min(rooms) <= around:
        remedy = f"The model puts {around} around a text: make it {around + 1} at least."
        raise UsageError(f"a chunk of {min(rooms)} tokens has no room for text", remedy=remedy)
    return min(rooms)


def open_encoder(kind: Any, folder: Path) -> Any:
    """Read a checkpoint with one of ``transformers``' automatic classes, ready to compute. A pooler is not needed."""
    from mimetic.weights import open_config, open_network

    told = read_config(folder)
    config = _gte(folder, told) if told.get("model_type") == "new" else open_config(folder)
    if config.is_encoder_decoder:
        raise UsageError(f"{folder} cannot be read as a text encoder (it has a decoder)", remedy=REMEDY)
    network, _ = open_network(kind, folder, config=config, optional=("pooler.",))
    return network


def _gte(folder: Path, told: Json) -> Any:
    """Bring GTE v1.5's configuration, made for code on the hub, to the class that ``transformers`` has of the network.

    What the fields mean follows from public descriptions of ``Alibaba-NLP/new-impl``. Its NTK scaling by ``s`` takes
    the base ``s * theta`` and divides all frequencies by ``s ** (2 / head size)`` (Su, https://kexue.fm/archives/9706,
    formula 6), whatever the length: the second is linear scaling.
    """
    from transformers import GteConfig

    scaling = told.get("rope_scaling") or {"type": "ntk", "factor": 1.0}
    plain = {"layer_norm_type": "layer_norm", "position_embedding_type": "rope", "logn_attention_scale": False}
    strange = [name for name, value in plain.items() if told.get(name, value) != value]
    if strange or scaling.get("type") != "ntk" or scaling.get("mixed_b") is not None:
        other = strange[0] if strange else "rope_scaling"
        raise UsageError(f"{folder} is a GTE with another {other} than the published ones", remedy=REMEDY)
    factor, head = float(scaling["factor"]), told["hidden_size"] / told["num_attention_heads"]
    rope = {
        "rope_type": "linear",
        "rope_theta": factor * told.get("rope_theta", 10_000.0),
        "factor": factor ** (2 / head),
    }
    renamed = ("auto_map", "model_type", "rope_scaling", "rope_theta")
    return GteConfig(**{name: value for name, value in told.items() if name not in renamed}, rope_parameters=rope)
