"""What extraction is measured on: made clips, and checkpoints of published sizes with random weights.

What a model costs does not depend on what it has learned. *Heavy* is DINOv2-base on frames and on faces at 5 Hz,
wav2vec2-base and GTE-base; *light* is a ViT-tiny, handcrafted sound and motion, and a MiniLM, where what costs is all
that is around the models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mimetic.benching.checkpoints import make_bert, make_dinov2, make_vit, make_wav2vec2
from mimetic.benching.films import make_clip
from mimetic.features import Feature, features
from mimetic.records import Clip

TEXT = "so it goes on and on and nobody knows why it went so well until it did not and then she laughed at him"

WARM = "warm"
"""The id of the clip that everything is loaded with, and that is not counted."""

SAMPLED = 16
"""Clips of a second each, that ranges are measured on and distances from float32."""

MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """Clips of so many seconds and pixels, and which extractors they go through."""

    name: str
    clips: int
    seconds: float
    height: int
    width: int
    extractors: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32",)

    def films(self, folder: Path) -> list[Clip]:
        """Make the clips, if they are not there, and one to warm up with."""
        return [self._clip(folder, number, self.seconds) for number in range(self.clips + 1)]

    def sample(self, folder: Path) -> list[Clip]:
        """Make short clips, if they are not there."""
        return [self._clip(folder, number, 1.0) for number in range(1, SAMPLED + 1)]

    def _clip(self, folder: Path, number: int, seconds: float) -> Clip:
        path = folder / f"{self.name}-{seconds:g}-{number}.mp4"
        if not path.is_file():
            beside = path.with_suffix(".part.mp4")
            make_clip(beside, seconds, height=self.height, width=self.width, seed=number).replace(path)
        return Clip(id=str(number) if number else WARM, path=path, text=f"{TEXT} {'again ' * number}")

    def features(self, folder: Path, precision: str) -> tuple[Feature, ...]:
        """Give the features, their checkpoints made in a folder; handcrafted ones know no precision."""
        texts = (self._text(name, folder, precision) for name in self.extractors)
        return features(texts)

    def _text(self, name: str, folder: Path, precision: str) -> str:
        if name not in MODELS:
            return name
        extractor, kind, size = MODELS[name]
        place = folder / f"{kind}-{size}"
        if not (place / "model.safetensors").is_file():
            _make(kind, size, place)
        return f"{extractor}+model={place}" + ("" if precision == "fp32" else f"+precision={precision}")


MODELS: Mapping[str, tuple[str, str, str]] = {
    "DINOv2-base of frames": ("dinov2-frame", "dinov2", "base"),
    "DINOv2-base of faces": ("dinov2-face", "dinov2", "base"),
    "wav2vec2-base": ("wav2vec2", "wav2vec2", "base"),
    "GTE-base": ("gte", "bert", "base"),
    "ViT-tiny of frames": ("dinov2-frame", "vit", "tiny"),
    "MiniLM": ("gte", "bert", "minilm"),
    "tiny DINOv2 of frames": ("dinov2-frame", "dinov2", "tiny"),
    "tiny wav2vec2": ("wav2vec2", "wav2vec2", "tiny"),
    "tiny BERT": ("gte", "bert", "tiny"),
}
"""By what people call it: the extractor, the family, the size."""


def _make(kind: str, size: str, place: Path) -> None:
    if kind == "vit":
        make_vit(place)
    elif size == "minilm":
        make_bert(place, changes=MINILM)
    else:
        {"dinov2": make_dinov2, "wav2vec2": make_wav2vec2, "bert": make_bert}[kind](place, size=size)


HEAVY = Workload(
    name="heavy",
    clips=2,
    seconds=4.0,
    height=720,
    width=1280,
    extractors=("DINOv2-base of frames", "DINOv2-base of faces", "wav2vec2-base", "GTE-base"),
    precisions=("fp32", "bf16", "int8"),
)
LIGHT = Workload(
    name="light",
    clips=6,
    seconds=8.0,
    height=720,
    width=1280,
    extractors=("ViT-tiny of frames", "logmel", "motion-blocks", "MiniLM"),
)
TINY = Workload(
    name="tiny",
    clips=2,
    seconds=1.0,
    height=96,
    width=128,
    extractors=("tiny DINOv2 of frames", "tiny wav2vec2", "logmel", "motion-blocks", "tiny BERT"),
)
"""To see that all of it runs."""
