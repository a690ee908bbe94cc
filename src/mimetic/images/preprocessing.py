"""A checkpoint's ``preprocessor_config.json`` in, what is done to its pictures out.

What comes out of ``Preprocessing.apply`` is, to the bit, what ``transformers``' image processors make with Pillow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mimetic.checkpoints import read_config
from mimetic.records import Json, UsageError

if TYPE_CHECKING:
    from torch import Tensor

Image8 = NDArray[np.uint8]
Size = tuple[int, int]

_SQUARE, _LARGER = {"height": 224, "width": 224}, {"height": 256, "width": 256}
_HALF = (0.5, 0.5, 0.5)
_IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
_CLIP = {
    "size": {"shortest_edge": 224},
    "resample": Image.Resampling.BICUBIC,
    "do_center_crop": True,
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
    "default_to_square": False,
}
_STANDARD: Mapping[str, Any] = {
    "do_resize": True,
    "size": _SQUARE,
    "default_to_square": True,
    "resample": Image.Resampling.BILINEAR,
    "do_center_crop": False,
    "crop_size": _SQUARE,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": _HALF,
    "image_std": _HALF,
    "do_pad": False,
}

PROCESSORS: Mapping[str, Mapping[str, Any]] = {
    "ViTImageProcessor": {},
    "DeiTImageProcessor": {"size": _LARGER, "resample": Image.Resampling.BICUBIC, "do_center_crop": True},
    "BeitImageProcessor": {"resample": Image.Resampling.BICUBIC},
    "BitImageProcessor": _CLIP,
    "CLIPImageProcessor": _CLIP,
    "SiglipImageProcessor": {"resample": Image.Resampling.BICUBIC, "default_to_square": False},
    "DINOv3ViTImageProcessor": _IMAGENET,
}
"""What each of ``transformers``' processors does where the file is silent, beside what most of them do.

DINOv3's exists there on torchvision only, and scales pictures as floats; here they are rounded to whole numbers, as
for all others.
"""

_USUAL: Mapping[str, str] = {
    "beit": "BeitImageProcessor",
    "clip": "CLIPImageProcessor",
    "data2vec-vision": "BeitImageProcessor",
    "deit": "DeiTImageProcessor",
    "dinov2": "BitImageProcessor",
    "dinov2_with_registers": "BitImageProcessor",
    "dinov3_vit": "DINOv3ViTImageProcessor",
    "siglip": "SiglipImageProcessor",
}
"""The processor of a model that names none, by ``model_type``; the others have ViT's."""

IMAGENET = (_IMAGENET["image_mean"], _IMAGENET["image_std"])
"""Mean and deviation of ImageNet's red, green and blue, of 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """What is done to a picture, in this order.

    Attributes
    ----------
    size
        ``(height, width)`` it is scaled to, or what its shorter edge is scaled to; ``None``: it stays as it is.
    resample
        Pillow's filter.
    crop
        ``(height, width)`` of the part in its middle that is kept; black is added where it is smaller.
    scale, mean, deviation
        ``(value * scale - mean) / deviation``, by channel, is what the model sees.
    """

    size: Size | int | None
    resample: int = Image.Resampling.BILINEAR
    crop: Size | None = None
    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)

    def scaled(self, height: int, width: int) -> Size:
        """Give the height and width that a picture is scaled to."""
        if self.size is None:
            return height, width
        if not isinstance(self.size, int):
            return self.size
        longer = int(self.size * max(height, width) / min(height, width))
        return (longer, self.size) if width <= height else (self.size, longer)

    def shape(self, height: int, width: int) -> Size:
        """Give the height and width that a picture has in the end."""
        return self.crop or self.scaled(height, width)

    def apply(self, image: Image8) -> Image8:
        """Scale and crop ``(height, width, 3)``; values stay as they are."""
        height, width = self.scaled(*image.shape[:2])
        if (height, width) != image.shape[:2]:
            image = np.asarray(Image.fromarray(image).resize((width, height), self.resample))
        return image if self.crop is None else _middle(image, *self.crop)

    def tensor(self, pictures: Image8, device: Any) -> Tensor:
        """Bring ``(picture, height, width, 3)`` to ``(picture, 3, height, width)``, normalised, on a device."""
        import torch

        mean, deviation = (torch.tensor(told, device=device)[:, None, None] for told in (self.mean, self.deviation))
        channels = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2)
        return channels.float().mul_(self.scale).sub_(mean).div_(deviation)


def _middle(image: Image8, height: int, width: int) -> Image8:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    if top >= 0 and left >= 0:
        return image[top : top + height, left : left + width]
    around = ((max(0, -top), height), (max(0, -left), width), (0, 0))
    return np.pad(image, around)[max(0, top) :, max(0, left) :][:height, :width]


def read_preprocessing(folder: Path) -> Preprocessing:
    """Read what a checkpoint's pictures go through.

    Raises
    ------
    UsageError
        if nothing says so, or it is something else than scaling, cropping and normalising.
    """
    told = _read(folder)
    kind = told.get("image_processor_type") or told.get("feature_extractor_type")
    kind = kind or _USUAL.get(read_config(folder).get("model_type", ""), "ViTImageProcessor")
    kind = kind.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    if kind not in PROCESSORS:
        remedy = f"There are: {', '.join(PROCESSORS)}."
        raise UsageError(f"{folder} wants its pictures from a {kind}, which is not known here", remedy=remedy)
    try:
        return _preprocessing({**_STANDARD, **PROCESSORS[kind], **told})
    except (KeyError, TypeError, ValueError) as error:
        remedy = "It can be a height and a width, or a shortest edge; nothing is padded."
        raise UsageError(f"{folder}: how pictures are prepared cannot be followed ({error})", remedy=remedy) from None


def _read(folder: Path) -> Json:
    """Give what the checkpoint says of pictures; the newer file goes before, as ``transformers`` has it."""
    for name in ("processor_config.json", "preprocessor_config.json"):
        if not (file := folder / name).is_file():
            continue
        try:
            told: Json = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read ({error})", remedy="Fetch the checkpoint again.") from None
        if name == "preprocessor_config.json" or "image_processor" in told:
            return dict(told.get("image_processor", told))
    remedy = "It says how pictures are prepared; put the model's own there."
    raise UsageError(f"{folder} has no preprocessor_config.json", remedy=remedy)


def _preprocessing(told: Mapping[str, Any]) -> Preprocessing:
    if told["do_pad"]:
        raise ValueError("it pads")
    normalises = told["do_normalize"]
    return Preprocessing(
        size=_size(told["size"], square=told["default_to_square"]) if told["do_resize"] else None,
        resample=Image.Resampling(told["resample"]),
        crop=_crop(told["crop_size"]) if told["do_center_crop"] else None,
        scale=float(told["rescale_factor"]) if told["do_rescale"] else 1.0,
        mean=_channels(told["image_mean"]) if normalises else (0.0, 0.0, 0.0),
        deviation=_channels(told["image_std"]) if normalises else (1.0, 1.0, 1.0),
    )


def _size(told: Any, *, square: bool) -> Size | int:
    if isinstance(told, int):
        return (told, told) if square else told
    if isinstance(told, list | tuple):
        told = dict(zip(("height", "width"), told, strict=True))
    if set(told) == {"shortest_edge"}:
        return int(told["shortest_edge"])
    if set(told) != {"height", "width"}:
        raise ValueError(f"a size of {', '.join(told)}")
    return int(told["height"]), int(told["width"])


def _crop(told: Any) -> Size:
    size = _size(told, square=True)
    if isinstance(size, int):
        raise ValueError("a crop of a shortest edge")
    return size


def _channels(told: Any) -> tuple[float, ...]:
    red, green, blue = told if isinstance(told, list | tuple) else (told, told, told)
    return float(red), float(green), float(blue)
