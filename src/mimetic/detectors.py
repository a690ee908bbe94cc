"""A picture becomes boxes around faces: the table of detectors.

In goes a frame, ``(height, width, 3)`` RGB; out come its faces, each with a confidence and, where the detector tells,
the eyes. What a detector says of one frame follows from that frame alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mimetic.records import Entry, MissingExtra, UsageError

DETECTORS: dict[str, Entry] = {
    "centre": Entry(
        target="mimetic.detectors:Centre",
        about="the central square of the frame, whatever is in it",
        options={"margin": 0.0},
    ),
    "mediapipe": Entry(
        target="mimetic.detectors:MediaPipe",
        about="mediapipe's full-range face detection; its model is in the package",
        options={"margin": 0.3},
        extra="face",
    ),
    "yunet": Entry(
        target="mimetic.detectors:YuNet",
        about="OpenCV's YuNet; its model is a file that you bring",
        options={"margin": 0.1, "model": None},
        licence="MIT",
        extra="face",
    ),
    "given": Entry(
        target="mimetic.faces:Given",
        about="the crops that came with the data set: a folder a clip, <frame number>.jpg",
        options={"fps": 30.0},
        licence="the data set's",
    ),
}

Image8 = NDArray[np.uint8]
Point = tuple[float, float]

CONFIDENT = 0.5
CONFIDENT_YUNET = 0.7
"""Confidence from which on it is a face. YuNet gives real ones more than 0.9."""

LONGEST = 640
"""YuNet sees frames at most so wide and high."""

YUNET_HUB, YUNET_FILE = "opencv/face_detection_yunet", "face_detection_yunet_2023mar.onnx"


@dataclass(frozen=True, slots=True)
class Detection:
    """A face: ``box`` is ``(x, y, width, height)`` in pixels, ``eyes`` the one to the left in the picture first."""

    box: tuple[float, float, float, float]
    confidence: float
    eyes: tuple[Point, Point] | None = None

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.box[2] * self.box[3]

    def overlap(self, other: Detection) -> float:
        """Give intersection over union."""
        (x, y, w, h), (x2, y2, w2, h2) = self.box, other.box
        width = min(x + w, x2 + w2) - max(x, x2)
        height = min(y + h, y2 + h2) - max(y, y2)
        both = max(width, 0.0) * max(height, 0.0)
        return both / (self.area + other.area - both)


class Detector(Protocol):
    """Finds faces. ``margin`` is what its boxes leave out: the crop's side is ``1 + margin`` times the box's longer."""

    @property
    def margin(self) -> float:
        """Room around the box, as a share of its longer side."""

    def detect(self, image: Image8) -> list[Detection]:
        """Give the faces in ``(height, width, 3)``; they follow from this picture alone."""


@dataclass(frozen=True, slots=True)
class Centre:
    """The central square: for clips that are faces already, and where nothing better is installed."""

    margin: float = 0.0

    def detect(self, image: Image8) -> list[Detection]:
        """Give the central square, with confidence 1."""
        height, width = image.shape[:2]
        side = min(height, width)
        return [Detection(((width - side) / 2, (height - side) / 2, side, side), 1.0)]


class Solution:
    """One of mediapipe's solutions. What it remarks on stderr until it has found something is kept back.

    ``name`` is ``"module.Class"`` in ``mediapipe.solutions``, ``output`` the field of its answer that counts.
    """

    def __init__(self, name: str, output: str, **options: Any) -> None:
        module, _, kind = name.partition(".")
        try:
            solutions = import_module("mediapipe.python.solutions")
        except ImportError as error:
            raise MissingExtra(f"mediapipe's {module}", "face") from error
        self._output, self._found = output, False
        with quiet():
            self._solution = getattr(getattr(solutions, module), kind)(**options)
            self._solution.process(np.zeros((64, 64, 3), dtype=np.uint8))  # until then it is still starting

    def find(self, image: Image8) -> Sequence[Any]:
        """Give what is found in ``(height, width, 3)``, as mediapipe's own records."""
        with nullcontext() if self._found else quiet():
            answer = self._solution.process(np.ascontiguousarray(image))
        found: Sequence[Any] = getattr(answer, self._output) or ()
        self._found |= len(found) > 0
        return found


@contextmanager
def quiet() -> Iterator[None]:
    """Send to nowhere what compiled libraries write on the process's stderr; Python's own is let out before."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class MediaPipe:
    """mediapipe's full-range detector: for faces up to five metres away. Its boxes reach from brows to chin."""

    def __init__(self, margin: float = 0.3) -> None:
        self.margin = margin
        self._solution = Solution(
            "face_detection.FaceDetection", "detections", model_selection=1, min_detection_confidence=CONFIDENT
        )

    def detect(self, image: Image8) -> list[Detection]:
        """Give the faces, those partly outside the frame too."""
        height, width = image.shape[:2]
        return [_from_mediapipe(found, width, height) for found in self._solution.find(image)]


def _from_mediapipe(found: Any, width: int, height: int) -> Detection:
    where = found.location_data
    box = where.relative_bounding_box
    first, second = ((point.x * width, point.y * height) for point in where.relative_keypoints[:2])
    return Detection(
        (box.xmin * width, box.ymin * height, box.width * width, box.height * height), found.score[0], (first, second)
    )


class YuNet:
    """OpenCV's YuNet (Wu, Peng and Yu, Machine Intelligence Research, 2023), from a model file.

    Parameters
    ----------
    model
        the ``.onnx`` file; without one, the Hugging Face cache is looked into if its package is installed.

    Raises
    ------
    MissingExtra
        without OpenCV.
    UsageError
        without a model file.
    """

    def __init__(self, model: str | None = None, margin: float = 0.1) -> None:
        self.margin = margin
        try:
            self._cv2 = import_module("cv2")
        except ImportError as error:
            raise MissingExtra("the detector yunet", "face") from error
        self._network = self._cv2.FaceDetectorYN.create(str(_yunet_file(model)), "", (0, 0), CONFIDENT_YUNET)

    def detect(self, image: Image8) -> list[Detection]:
        """Give the faces in the frame, scaled down to ``LONGEST`` before if it is larger."""
        height, width = image.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        self._network.setInputSize(size)
        _, rows = self._network.detect(
            self._cv2.resize(image[..., ::-1], size, interpolation=self._cv2.INTER_AREA)  # it wants BGR
        )
        return [] if rows is None else [_from_yunet(row.astype(np.float64), scale) for row in rows]


def _from_yunet(row: NDArray[np.float64], scale: float) -> Detection:
    """Read one row of fifteen: the box, five points (its right eye first: left in the picture), the confidence."""
    x, y, width, height, x1, y1, x2, y2 = (row[:8] / scale).tolist()
    return Detection((x, y, width, height), min(float(row[14]), 1.0), ((x1, y1), (x2, y2)))


def _yunet_file(model: str | None) -> Path:
    path = _cached_yunet() if model is None else Path(model)
    if path is not None and path.is_file():
        return path
    where = f"in the Hugging Face cache as {YUNET_HUB}" if path is None else f"at {path}"
    raise UsageError(
        f"the detector yunet needs its model {YUNET_FILE}, and it is not {where}",
        remedy=f"Download it from https://huggingface.co/{YUNET_HUB} and say model=PATH.",
    )


def _cached_yunet() -> Path | None:
    try:
        hub = import_module("huggingface_hub")
    except ImportError:
        return None
    path = hub.try_to_load_from_cache(YUNET_HUB, YUNET_FILE)
    return Path(path) if isinstance(path, str) else None  # it may also be a mark for "known not to be there"
