"""Vision checkpoints small enough to make in a test: random weights, two layers, and ONNX files written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

HIDDEN, IMAGE, PATCH = 32, 32, 8
SHAPE = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": IMAGE,
    "patch_size": PATCH,
}
_HALF = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
_IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
_SQUARE = {"height": IMAGE, "width": IMAGE}
VIT = {"image_processor_type": "ViTImageProcessor", "size": _SQUARE, "resample": 2, **_HALF}
DINO = {  # as in facebook/dino-vits8: an older file, which leaves much out
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ViTFeatureExtractor",
    "resample": 2,
    "size": IMAGE,
    **_IMAGENET,
}
BIT = {  # as in facebook/dinov2-base
    "crop_size": _SQUARE,
    "do_center_crop": True,
    "do_convert_rgb": True,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_processor_type": "BitImageProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"shortest_edge": 36},
    **_IMAGENET,
}
CLIP = {
    "crop_size": IMAGE,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "size": IMAGE,
}
SIGLIP = {"image_processor_type": "SiglipImageProcessor", "size": _SQUARE, "resample": 3, **_HALF}
DEIT = {
    "image_processor_type": "DeiTImageProcessor",
    "size": {"height": 36, "width": 36},
    "crop_size": _SQUARE,
    **_HALF,
}
BEIT = {
    "feature_extractor_type": "BeitFeatureExtractor",
    "size": IMAGE,
    "do_center_crop": False,
    "resample": 2,
    **_HALF,
}
DINOV3 = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": _SQUARE, "resample": 2, **_IMAGENET}

FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "vit": ("vit", VIT, {}),
    "dino": ("vit", DINO, {}),
    "dinov2": ("dinov2", BIT, {"image_size": 48}),
    "dinov2-registers": ("dinov2_with_registers", BIT, {"image_size": 48, "num_register_tokens": 3}),
    "dinov3": ("dinov3_vit", DINOV3, {"num_register_tokens": 2}),
    "deit": ("deit", DEIT, {}),
    "beit": ("beit", BEIT, {"use_mean_pooling": False, "use_absolute_position_embeddings": True}),
    "beit-averages": ("beit", BEIT, {"use_relative_position_bias": True}),
    "data2vec": ("data2vec-vision", BEIT, {"use_mean_pooling": False, "use_shared_relative_position_bias": True}),
    "clip-vision": ("clip_vision_model", CLIP, {}),
    "clip": ("clip", CLIP, {}),
    "siglip": ("siglip", SIGLIP, {}),
    "siglip-vision": ("siglip_vision_model", SIGLIP, {}),
    "msn": ("vit_msn", VIT, {}),
    "ijepa": ("ijepa", VIT, {}),
}
"""By name: what ``config.json`` calls the family, its preprocessing, and how it differs from that family's default."""

CLASSIFIERS = {
    **FAMILIES,
    "deit": ("deit", DEIT, {"architectures": ["DeiTForImageClassification"]}),
    "swin": ("swin", VIT, {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "window_size": 2, "patch_size": 4}),
}

LABELS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def make_vision(folder: Path, family: str = "vit", *, preprocessing: Any = (), **changes: Any) -> Path:
    """Write a checkpoint; ``preprocessing`` changes what its pictures go through, ``None`` leaves the file out."""
    from transformers import AutoConfig, AutoModel

    kind, processor, own = FAMILIES[family]
    shape = {**SHAPE, **own, **changes}
    if kind in ("clip", "siglip"):
        words = {**SHAPE, "vocab_size": 50, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2}
        shape = {"vision_config": shape, "text_config": words}
    torch.manual_seed(0)
    _write(folder, AutoModel.from_config(AutoConfig.for_model(kind, **shape)))
    if preprocessing is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps({**processor, **dict(preprocessing)}))
    return folder


def make_classifier(folder: Path, family: str = "vit", **changes: Any) -> Path:
    """Write a classifier of seven expressions."""
    from transformers import AutoConfig, AutoModelForImageClassification

    kind, processor, own = CLASSIFIERS[family]
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    torch.manual_seed(0)
    shape = SHAPE if family in FAMILIES else {"image_size": IMAGE}
    config = AutoConfig.for_model(kind, **{**shape, **own, **labels, **changes})
    _write(folder, AutoModelForImageClassification.from_config(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def _write(folder: Path, network: Any) -> None:
    """Save it once every weight matters: fresh biases are zero, fresh norms do nothing, fresh matrices hardly more."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in network.parameters():
            noise = torch.randn(weight.shape, generator=draw)
            weight.copy_(noise / weight[0].numel() ** 0.5 if weight.dim() > 1 else weight + 0.1 * noise)
    network.save_pretrained(folder)


def without(folder: Path, part: str) -> Path:
    """Take the weights away whose names have this part."""
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if part not in k}, folder / "model.safetensors", {"format": "pt"})
    return folder


# ------------------------------------------------------------------------------------------------- ONNX

CHANNELS, SCORES = 12, 8
Shape = Sequence[int | str]


def onnx_weights() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    shapes = {"kernel": (CHANNELS, 3, 3, 3), "head": (SCORES, CHANNELS), "bias": (SCORES,)}
    return {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def make_onnx(
    path: Path,
    *,
    picture: Shape = ("batch", 3, IMAGE, IMAGE),
    head: str = "Gemm",
    scores: Shape = ("batch", SCORES),
    **more: Any,
) -> Path:
    """Write a classifier: a convolution, the mean over places, and a head.

    ``head`` is ``Gemm``, ``MatMul`` (an addition after it) or ``none`` (the means are the scores). ``second`` is one
    more output: ``doubled``, twice what the head sees, or ``means``, the same as a picture of one pixel.
    """
    weights = onnx_weights()
    nodes = [_node("Relu", ["convolved"], "positive"), _node("GlobalAveragePool", ["positive"], "means")]
    nodes.append(_node("Flatten", ["means"], "states" if head != "none" else "scores"))
    if picture[1] == 3:
        nodes.insert(0, _node("Conv", ["picture", "kernel"], "convolved"))
    else:
        turned = _node("Transpose", ["picture"], "turned", _attribute("perm", [0, 3, 1, 2]))
        nodes[:0] = [turned, _node("Conv", ["turned", "kernel"], "convolved")]
    if head == "Gemm":
        nodes.append(_node("Gemm", ["states", "head", "bias"], "scores", _attribute("transB", 1)))
    elif head == "MatMul":
        weights["head"] = np.ascontiguousarray(weights["head"].T)
        nodes += [_node("MatMul", ["states", "head"], "product"), _node("Add", ["product", "bias"], "scores")]
    else:
        del weights["head"], weights["bias"]
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, b"tiny")
    graph += b"".join(_bytes(5, _tensor(name, weight)) for name, weight in weights.items())
    graph += _bytes(11, _value("picture", picture, more.get("kind", 1))) + _bytes(12, _value("scores", scores))
    if second := more.get("second"):
        shape = ("batch", CHANNELS) if second == "doubled" else ("batch", CHANNELS, 1, 1)
        graph += _bytes(1, _node("Add", ["states", "states"], "doubled")) + _bytes(12, _value(second, shape))
    path.write_bytes(_integer(1, 8) + _bytes(8, _bytes(1, b"") + _integer(2, 13)) + _bytes(7, graph))
    return path


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + _varint(value // 128)


def _integer(field: int, value: int) -> bytes:
    return _varint(field * 8) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field * 8 + 2) + _varint(len(value)) + value


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs) + _bytes(2, output.encode())
    return names + _bytes(4, kind.encode()) + b"".join(_bytes(5, attribute) for attribute in attributes)


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _integer(3, value) + _integer(20, 2)
    return _bytes(1, name.encode()) + b"".join(_integer(8, number) for number in value) + _integer(20, 7)


def _tensor(name: str, values: np.ndarray) -> bytes:
    dims = b"".join(_integer(1, size) for size in values.shape)
    return dims + _integer(2, 1) + _bytes(8, name.encode()) + _bytes(9, values.tobytes())


def _value(name: str, shape: Shape, kind: int = 1) -> bytes:
    dims = [_integer(1, size) if isinstance(size, int) else _bytes(2, size.encode()) for size in shape]
    tensor = _integer(1, kind) + _bytes(2, b"".join(_bytes(1, dim) for dim in dims))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
