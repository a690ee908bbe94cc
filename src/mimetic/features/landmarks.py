"""Frames become the pose of the head and the state of the face, and how fast both change.

In go pieces of ``frames``, out comes a Track of ``NAMES``: twenty measures and their changes per second. mediapipe's
face mesh gives 478 points of the main face (the one that ``mimetic.faces`` chooses); a rigid fit of a mean face to
those that no expression moves gives the head's pose; the others, in the head's own axes, give the expression. A frame
without a face is a zero row that is not valid.

The mesh sees an enlarged cut-out of the face, since in whole frames it misses faces that are far away, and takes every
frame for itself: nothing of one clip can reach another, and pieces may be cut anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mimetic.detectors import MediaPipe, Solution
from mimetic.faces import MainFace, cut, square_around
from mimetic.records import Frames, Track

Points = NDArray[np.float64]

MARGIN = 1.0
SIZE = 256
"""The cut-out that the mesh sees: twice as wide as the detector's box, in pixels."""

MEAN_FACE: dict[int, tuple[float, float, float]] = {
    33: (-0.500, -0.127, 0.108),
    133: (-0.199, -0.111, 0.048),
    362: (0.199, -0.111, 0.048),
    263: (0.500, -0.127, 0.108),
    127: (-0.781, -0.065, 0.666),
    356: (0.781, -0.065, 0.666),
    98: (-0.200, 0.356, -0.127),
    327: (0.200, 0.356, -0.127),
    151: (0.0, -0.532, -0.109),
    168: (0.0, -0.173, -0.139),
    6: (0.0, -0.088, -0.192),
    195: (0.0, 0.064, -0.316),
    4: (0.0, 0.239, -0.413),
    2: (0.0, 0.382, -0.221),
}
"""Corners of the eyes, temples, nose and forehead by their number in the mesh: x right, y down, z away from the camera.

The outer corners of the eyes are 1 apart. Measured as the symmetric Procrustes mean of some twenty people in front of
cameras, whose median pitch is 0 by definition; a face leaves it by 0.01 to 0.02 a point.
"""

POSE = ("yaw", "pitch", "roll", "x", "y", "size")
EXPRESSION = (
    "mouth_open",
    "mouth_width",
    "lip_thickness",
    "lip_raise",
    "jaw_drop",
    "corner_right",
    "corner_left",
    "brow_inner_right",
    "brow_inner_left",
    "brow_outer_right",
    "brow_outer_left",
    "brow_gap",
    "eye_right",
    "eye_left",
)
NAMES = (*POSE, *EXPRESSION, *(f"{name}_speed" for name in (*POSE, *EXPRESSION)))
"""The columns.

``yaw``, ``pitch``, ``roll``
    radians: to the right in the picture, downwards, with the clock.
``x``, ``y``
    where the head is, as shares of the frame's width and height.
``size``
    octaves: the base-2 logarithm of the distance of the outer corners of the eyes as a share of the frame's height.
``mouth_open``, ``mouth_width``, ``lip_thickness``, ``lip_raise``, ``jaw_drop``, ``corner_*``, ``brow_*``
    lengths in units of that distance, seen from the head: between the lips, between the mouth's corners, both lips
    together, from the nose to the upper lip and to the chin, of the mouth's corners and the brows upwards from the nose
    and the eyes, between the brows. ``right`` and ``left`` are the person's own, unless the picture is mirrored.
``eye_*``
    opening of an eye as a share of its width.
``*_speed``
    change per second since the row before; 0 where that one had no face.
"""

DIM = len(NAMES)


class MotionLandmarks:
    """Head pose and expression from mediapipe's face mesh.

    Parameters
    ----------
    rate
        frames a second of the view.

    Raises
    ------
    MissingExtra
        without mediapipe.
    """

    def __init__(self, *, rate: float = 10.0) -> None:
        self._rate = rate
        self._detector = MediaPipe(MARGIN)
        self._mesh = Solution(
            "face_mesh.FaceMesh", "multi_face_landmarks", static_image_mode=True, refine_landmarks=True
        )

    def begin(self) -> MotionLandmarksExtraction:
        """Start on a clip."""
        return MotionLandmarksExtraction(partial(self._points, MainFace()), self._rate)

    def _points(self, main: MainFace, image: NDArray[np.uint8], time: float) -> Points | None:
        """Give ``(478, 3)`` in pixels of the frame (z too, from the head's middle); ``None`` where no face is found."""
        face = main.choose(self._detector.detect(image), time)
        if face is None:
            return None
        square = square_around(face, self._detector.margin)
        for mesh in self._mesh.find(cut(image, square, SIZE)):
            points = np.array([(point.x, point.y, point.z) for point in mesh.landmark])
            return points * square.side + (square.x - square.side / 2, square.y - square.side / 2, 0.0)
        return None


class MotionLandmarksExtraction:
    """One clip on its way: its measures so far, one row a frame."""

    def __init__(self, points: Callable[[NDArray[np.uint8], float], Points | None], rate: float) -> None:
        self._points = points
        self._rate = rate
        self._rows: list[Points | None] = []

    def add(self, piece: Frames) -> None:
        """Take the next frames."""
        for image, time in zip(piece.images, piece.times.tolist(), strict=True):
            points = self._points(image, time)
            self._rows.append(None if points is None else measure(points, image.shape[1], image.shape[0]))

    def finish(self) -> Track:
        """Give ``(time, DIM)`` float32."""
        valid = np.array([row is not None for row in self._rows], dtype=np.bool_)
        empty = np.zeros(DIM // 2)
        values = np.array([empty if row is None else row for row in self._rows]).reshape(-1, DIM // 2)
        speeds = np.zeros_like(values)
        speeds[1:] = np.diff(values, axis=0) * self._rate * (valid[1:] & valid[:-1])[:, None]
        return Track(values=np.hstack([values, speeds]).astype(np.float32), rate=self._rate, valid=valid)


# -------------------------------------------------------------------------------------------- geometry


class Pose(NamedTuple):
    """How the mean face lies in the picture: ``scale * rotation @ point + position``, in pixels."""

    scale: float
    rotation: Points
    position: Points


def fit_pose(points: Points) -> Pose:
    """Fit the mean face to the points of a mesh by least squares.

    The closed form of Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    IEEE PAMI 13(4), 1991, equations 39 to 42; reflections are excluded.
    """
    model, found = np.array(list(MEAN_FACE.values())), points[list(MEAN_FACE)]
    model_mean, found_mean = model.mean(axis=0), found.mean(axis=0)
    model, found = model - model_mean, found - found_mean
    left, spread, right = np.linalg.svd(found.T @ model)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left * signs @ right
    scale = float(spread @ signs / (model**2).sum())
    return Pose(scale, rotation, found_mean - scale * rotation @ model_mean)


def angles(rotation: Points) -> tuple[float, float, float]:
    """Give yaw, pitch and roll of a head that is first rolled, then nodded, then turned."""
    yaw = math.atan2(-rotation[0, 2], rotation[2, 2])
    pitch = math.asin(float(np.clip(-rotation[1, 2], -1.0, 1.0)))
    roll = math.atan2(rotation[1, 0], rotation[1, 1])
    return yaw, pitch, roll


def measure(points: Points, width: int, height: int) -> Points:
    """Give pose and expression, ``(20,)``, from a mesh in pixels of a frame that is so wide and high."""
    pose = fit_pose(points)
    x, y, _ = pose.position
    size = math.log2(max(pose.scale, 1e-3) / height)
    face = (points - pose.position) @ pose.rotation / pose.scale
    return np.array([*angles(pose.rotation), x / width, y / height, size, *_expression(face)])


def _expression(face: Points) -> tuple[float, ...]:
    """Give the measures named ``EXPRESSION`` from points in the head's axes, by their numbers in the mesh."""

    def length(first: int, second: int) -> float:
        return float(np.linalg.norm(face[first] - face[second]))

    def rise(first: int, second: int) -> float:
        return float(face[second, 1] - face[first, 1])  # y points down

    return (
        length(13, 14),
        length(61, 291),
        length(0, 13) + length(14, 17),
        length(2, 0),
        length(2, 152),
        rise(61, 2),
        rise(291, 2),
        (rise(107, 133) + rise(55, 133)) / 2,
        (rise(336, 362) + rise(285, 362)) / 2,
        (rise(70, 33) + rise(63, 33)) / 2,
        (rise(300, 263) + rise(293, 263)) / 2,
        length(55, 285),
        (length(159, 145) + length(158, 153)) / 2 / length(33, 133),
        (length(386, 374) + length(385, 380)) / 2 / length(362, 263),
    )
