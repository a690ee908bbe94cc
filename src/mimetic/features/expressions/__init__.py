"""Pictures become what a classifier of expressions makes of them: what its last layer sees, then its scores.

In go pieces of ``faces`` and an image classifier: a checkpoint's folder, or an ONNX file such as HSEmotion's. Out comes
a row a picture. A frame without a face is a zero row that is not valid.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mimetic.checkpoints import read_config
from mimetic.features.expressions.graph import Graph, open_session, read_graph
from mimetic.images import IMAGENET, PictureModel, PicturePreparation, Preprocessing, read_preprocessing
from mimetic.models import IN_TORCH
from mimetic.records import MissingExtra, UsageError

if TYPE_CHECKING:
    from torch import Tensor

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
        if precision not in IN_TORCH:
            raise UsageError(f"the precision is {precision!r}", remedy=f"There are: {', '.join(IN_TORCH)}.")
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

        from mimetic.features.expressions.classifier import Classifier
        from mimetic.weights import open_config, open_network

        config = open_config(self._folder)
        network, _ = open_network(AutoModelForImageClassification, self._folder, config=config)
        head = _head(network, self._folder)
        _check_columns(self._folder, head.in_features + head.out_features, dim)
        classifier = Classifier(network.to(device), head).eval()
        names, precision = classifier.names, self._precision
        return PictureModel(classifier, self.preprocessing, dim=dim, device=device, precision=precision, names=names)


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
        network = OnnxNetwork(open_session(self._path, self._graph), self._graph)
        black = np.zeros((1, *self.preprocessing.shape(0, 0), 3), np.uint8)
        (rows,) = network(self.preprocessing.tensor(black, "cpu"))
        _check_columns(self._path, rows.shape[1], dim)
        return PictureModel(network, self.preprocessing, dim=dim, device="cpu")


class OnnxNetwork:
    """A session: pictures in, a row each out."""

    def __init__(self, session: Any, graph: Graph) -> None:
        self._session, self._graph = session, graph

    def __call__(self, pixels: Tensor) -> tuple[Tensor]:
        """Give ``(picture, dim)`` of ``(picture, 3, height, width)``.

        One picture at a time: a file may have been exported for one, and so none depends on the others to the bit.
        """
        from torch import from_numpy

        pictures = (pixels.permute(0, 2, 3, 1) if self._graph.channels_last else pixels).numpy()
        rows = [self._session.run(self._graph.outputs, {self._graph.input: picture[None]}) for picture in pictures]
        joined = [np.concatenate([part.reshape(1, -1) for part in row], axis=1) for row in rows]
        return (from_numpy(np.concatenate(joined)),)
