"""Pictures become what a classifier of expressions makes of them: what its last layer sees, then its scores.

In go pieces of ``faces`` and an image classifier: a checkpoint's folder, or an ONNX file such as HSEmotion's. Out comes
a row a picture. A frame without a face is a zero row that is not valid.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mimetic.checkpoints import read_config
from mimetic.features.expressions.graph import Graph, open_session, read_graph
from mimetic.images import (
    IMAGENET,
    Described,
    Image8,
    PictureModel,
    PicturePreparation,
    Preprocessing,
    read_preprocessing,
    size_options,
)
from mimetic.models import PRECISIONS
from mimetic.records import MissingExtra, UsageError

SIZE = 224
"""Height and width of the pictures for an ONNX file that leaves them open."""

_HEAD = re.compile(r"(.*\.)?classifier(\.\d+)?\.weight")


class Expressions:
    """A classifier of expressions: the vector that its last linear layer sees, then its scores.

    Parameters
    ----------
    folder
        a checkpoint's folder, or an ``.onnx`` file.
    precision
        ``fp32``; or ``bf16`` or ``fp16``, which matrix products are computed in, by autocast. An ONNX file computes
        in what it was exported in: ``fp32``.
    dim
        the columns, where the model does not tell them.

    Of a **checkpoint** (any image classifier of ``transformers`` whose head is called ``classifier``) the vector is
    what that head sees: in a ViT the CLS token's last state, in a BEiT the mean of the patches, in a DINOv2 both.
    Scores are probabilities: together 1, or each on its own where the checkpoint says that a picture may have several
    labels. They are notes of the track too, by the names of the classes in ``id2label``.

    Of an **ONNX file** scores are its first output as it is (of HSEmotion's models: logits in alphabetic order, Anger
    to Surprise; of those called ``_mtl`` valence and arousal after them). The vector is its second output, else what
    the last linear layer sees; where there is neither, there are scores alone. Pictures are scaled to the input's size
    and normalised by ImageNet's mean and deviation, as HSEmotion's are; not by OpenCV, whose filter leaves pixels out.

    Raises
    ------
    UsageError
        if it is neither, does not say how pictures are prepared, or does not tell its columns.
    MissingExtra
        for an ONNX file without onnxruntime.
    """

    budget = 32

    def __init__(self, folder: Path, *, precision: str = "fp32", dim: int | None = None) -> None:
        if precision not in PRECISIONS:
            raise UsageError(f"the precision is {precision!r}", remedy=f"There are: {', '.join(PRECISIONS)}.")
        self._source = (_OnnxFile if folder.suffix == ".onnx" else _Checkpoint)(folder, precision)
        if (told := dim or self._source.dim) is None:
            raise UsageError(f"{folder} does not tell its columns", remedy="Give them as +dim=NUMBER.")
        self.dim = told

    def begin(self) -> PicturePreparation:
        """Start on a clip."""
        return PicturePreparation(self._source.preprocessing)

    def load(self, device: str) -> PictureModel:
        """Read the weights. An ONNX file computes on the CPU, whatever the device.

        Raises
        ------
        UsageError
            if some are missing, or the model has other columns than were told.
        """
        return self._source.load(device, self.dim)


class _Checkpoint:
    """A folder with a classifier of ``transformers``."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._folder, self._precision = folder, precision
        self.preprocessing = read_preprocessing(folder)
        self.dim = _columns(folder)

    def load(self, device: str, dim: int) -> PictureModel:
        """Read the weights, the head's too."""
        from transformers import AutoModelForImageClassification

        from mimetic.weights import open_config, open_network

        config = open_config(self._folder)
        network, _ = open_network(AutoModelForImageClassification, self._folder, config=config)
        head = _head(network, self._folder)
        _check_columns(self._folder, head.in_features + head.out_features, dim)
        classifier = Classifier(network.to(device), head, self.preprocessing, self._precision)
        return PictureModel(classifier, dim=dim, device=device)


def _columns(folder: Path) -> int | None:
    """Count the columns by the head's weights, or by the configuration where those are in an older kind of file."""
    from safetensors import safe_open

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "np") as opened:
            shapes = [opened.get_slice(name).get_shape() for name in opened.keys() if _HEAD.fullmatch(name)]  # noqa: SIM118
        if shapes:
            return int(sum(shapes[-1]))
    config = read_config(folder)
    hidden = config.get("hidden_size")
    return None if hidden is None else int(hidden) + len(config.get("id2label") or (0, 1))


def _head(network: Any, folder: Path) -> Any:
    """Give the linear layer that makes the scores."""
    from torch import nn

    linear = [
        layer for layer in getattr(network, "classifier", nn.Identity()).modules() if isinstance(layer, nn.Linear)
    ]
    if not linear:
        remedy = "Give another checkpoint: ViT, BEiT, DINOv2, Swin, and others of that kind."
        raise UsageError(f"{folder}: a {type(network).__name__} has no single head to look into", remedy=remedy)
    return linear[-1]


def _check_columns(path: Path, there: int, told: int) -> None:
    if there != told:
        raise UsageError(f"{path} gives {there} columns, not {told}", remedy=f"Leave out +dim, or give +dim={there}.")


class Classifier:
    """A classifier on its device: pictures in; a row each, and scores by their names, out."""

    def __init__(self, network: Any, head: Any, preprocessing: Preprocessing, precision: str) -> None:
        self._network, self._preprocessing, self._precision = network, preprocessing, precision
        self._options = size_options(network)
        self._names = [str(network.config.id2label[i]) for i in range(head.out_features)]
        several = network.config.problem_type == "multi_label_classification" or len(self._names) == 1
        self._score = "sigmoid" if several else "softmax"
        self._seen: Any = None
        head.register_forward_pre_hook(self._keep)

    def _keep(self, _head: Any, arguments: tuple[Any, ...]) -> None:
        self._seen = arguments[0]

    def __call__(self, pictures: Image8) -> Described:
        """Give ``(picture, dim)`` of ``(picture, height, width, 3)`` uint8, and each class's scores."""
        import torch

        from mimetic.weights import computing

        with computing(self._network.device, self._precision):
            pixels = self._preprocessing.tensor(pictures, self._network.device)
            logits = self._network(pixels, **self._options).logits.float()
            scores = logits.sigmoid() if self._score == "sigmoid" else logits.softmax(dim=1)
            values = torch.cat([self._seen.float(), scores], dim=1)
        self._seen = None
        return values.cpu().numpy(), dict(zip(self._names, scores.T.contiguous().cpu().numpy(), strict=True))


class _OnnxFile:
    """A classifier for onnxruntime."""

    def __init__(self, path: Path, precision: str) -> None:
        if find_spec("onnxruntime") is None:
            raise MissingExtra(f"an ONNX file ({path.name})", "speed")
        if precision != "fp32":
            raise UsageError(f"{path} computes in fp32, not in {precision}", remedy="Leave out +precision.")
        self._path, self._graph = path, read_graph(path)
        mean, deviation = IMAGENET
        size = self._graph.height or SIZE, self._graph.width or SIZE
        self.preprocessing = Preprocessing(size=size, mean=mean, deviation=deviation)
        self.dim = self._graph.dim

    def load(self, _device: str, dim: int) -> PictureModel:
        """Open the file, and try it on a black picture."""
        network = OnnxNetwork(open_session(self._path, self._graph), self._graph, self.preprocessing)
        height, width = self.preprocessing.shape(0, 0)
        rows, _ = network(np.zeros((1, height, width, 3), np.uint8))
        _check_columns(self._path, rows.shape[1], dim)
        return PictureModel(network, dim=dim, device="cpu")


class OnnxNetwork:
    """A session: pictures in, a row each out."""

    def __init__(self, session: Any, graph: Graph, preprocessing: Preprocessing) -> None:
        self._session, self._graph, self._preprocessing = session, graph, preprocessing

    def __call__(self, pictures: Image8) -> Described:
        """Give ``(picture, dim)`` of ``(picture, height, width, 3)`` uint8.

        One picture at a time: a file may have been exported for one, and so none depends on the others to the bit.
        """
        pixels = self._preprocessing.tensor(pictures, "cpu").numpy()
        pixels = pixels.transpose(0, 2, 3, 1) if self._graph.channels_last else pixels
        rows = [self._session.run(self._graph.outputs, {self._graph.input: pixel[None]}) for pixel in pixels]
        return np.concatenate([np.concatenate([part.reshape(1, -1) for part in row], axis=1) for row in rows]), {}
