"""Pictures become the states of a pretrained vision transformer: whole frames, or crops of the main face.

In go pieces of ``frames`` or ``faces`` and a checkpoint's folder: ViT (DINO, MSN), DeiT, BEiT, data2vec-vision, DINOv2,
DINOv3, I-JEPA, and the half of CLIP or SigLIP that sees. Out comes a row a picture: the model's last states, pooled. A
frame without a face is a zero row that is not valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mimetic.checkpoints import read_config
from mimetic.images import PictureModel, PicturePreparation, Preprocessing, read_preprocessing
from mimetic.models import IN_TORCH, Inputs
from mimetic.records import Json, UsageError

if TYPE_CHECKING:
    from torch import Tensor

FAMILIES = (
    *("beit", "clip", "clip_vision_model", "data2vec-vision", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit"),
    *("ijepa", "siglip", "siglip_vision_model", "vit", "vit_msn"),
)
"""What ``config.json`` calls the models whose last states are tokens: a few at the front, then one a patch."""

WITHOUT_CLS = ("ijepa", "siglip", "siglip_vision_model")
"""Those that have patches alone."""

POOLERS = {"vit": False, "deit": False, "beit": True, "data2vec-vision": True}
"""Those that can be told whether to have a pooler. It is not used, but has BEiT's last norm."""

POOLINGS = ("cls", "patches", "all")


class Pictures:
    """A vision transformer, its tokens pooled.

    Parameters
    ----------
    folder
        with ``config.json``, the weights, and ``preprocessor_config.json``, which says how pictures are scaled,
        cropped and normalised.
    pooling
        ``cls``: the first token; ``patches``: the mean of those that stand for a part of the picture, without CLS,
        distillation and register tokens; ``all``: the mean of all tokens there are.
    precision
        ``fp32``; or ``bf16`` or ``fp16``, which matrix products are computed in, by autocast.

    States are what ``transformers`` calls ``last_hidden_state``: after the last layer norm. In CLIP, and in a BEiT
    that averages, that norm comes after pooling, in the model's own pooler; here too. So CLIP's ``cls`` and
    BEiT's ``patches`` are what ``transformers`` calls ``pooler_output``, which their own heads see. (A BEiT that lacks
    this norm, since it was never tuned, goes without.)

    Pictures of another size than the model was made for have its positions interpolated, as ``transformers`` does it.

    Raises
    ------
    UsageError
        if the folder holds another kind of model, one that does not say how pictures are prepared, or one without a
        CLS token that is asked for it.
    """

    budget = 32

    def __init__(self, folder: Path, *, pooling: str = "cls", precision: str = "fp32") -> None:
        _check(folder, read_config(folder), pooling, precision)
        self._preprocessing = read_preprocessing(folder)
        self._folder, self._pooling, self._precision = folder, pooling, precision

    def begin(self) -> PicturePreparation:
        """Start on a clip."""
        return PicturePreparation(self._preprocessing)

    def load(self, device: str) -> TokenModel:
        """Read the weights.

        Raises
        ------
        UsageError
            if the checkpoint lacks some.
        """
        from mimetic.features.pictures.tokens import Tokens

        network, norm = _open(self._folder)
        tokens = Tokens(network.to(device), norm, pooling=self._pooling).eval()
        return TokenModel(tokens, self._preprocessing, device=device, precision=self._precision)


def _check(folder: Path, config: Json, pooling: str, precision: str) -> None:
    kind = config.get("model_type")
    if kind not in FAMILIES:
        remedy = f"It has to be one of {', '.join(FAMILIES)}."
        raise UsageError(f"{folder} holds a model of type {kind!r}, not one of pictures", remedy=remedy)
    if pooling not in POOLINGS:
        raise UsageError(f"the pooling is {pooling!r}", remedy=f"There are: {', '.join(POOLINGS)}.")
    if pooling == "cls" and kind in WITHOUT_CLS:
        raise UsageError(f"{folder}: a model of type {kind!r} has no CLS token", remedy="Give +pooling=patches or all.")
    if precision not in IN_TORCH:
        raise UsageError(f"the precision is {precision!r}", remedy=f"There are: {', '.join(IN_TORCH)}.")


def _open(folder: Path) -> tuple[Any, Any]:
    """Read the network that sees, and the norm that comes after pooling, ``None`` where there is no such norm."""
    from transformers import AutoModel

    from mimetic.weights import open_config, open_network

    config = open_config(folder)
    config = getattr(config, "vision_config", config)
    kind = config.model_type
    averages = getattr(config, "use_mean_pooling", False)
    options = {"add_pooling_layer": POOLERS[kind] and averages} if kind in POOLERS else {}
    if kind == "siglip_vision_model":
        config.vision_use_head = False  # attention that pools; not used here
    network, whole = open_network(AutoModel, folder, config=config, optional=("pooler.",), **options)
    if kind == "clip_vision_model":
        return network, network.post_layernorm
    return network, network.pooler.layernorm if options.get("add_pooling_layer") and whole else None


class TokenModel(PictureModel):
    """A vision transformer for the pictures of many clips; its network can go on learning."""

    def __init__(self, tokens: Any, preprocessing: Preprocessing, *, device: str, precision: str) -> None:
        dim = tokens.network.config.hidden_size
        super().__init__(tokens, preprocessing, dim=dim, device=device, precision=precision)
        self._tokens, self.network = tokens, tokens.network

    def states(self, batch: Sequence[Inputs]) -> list[Tensor]:
        """Give the rows of each one's pictures, ``(time, dim)``, with gradients."""
        from torch import split

        pictures = [inputs.arrays["pictures"] for inputs in batch]
        (rows,) = self._tokens(self._preprocessing.tensor(np.concatenate(pictures), self.network.device))
        return list(split(rows, [len(each) for each in pictures]))

    def save(self, folder: Path) -> None:
        """Write the network."""
        self.network.save_pretrained(folder)
