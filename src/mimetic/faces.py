"""Frames become crops of the main face.

In go the pieces of a clip's ``frames``, or the folder of crops that came with it; out come pieces of ``Frames`` that
are ``(time, size, size, 3)``, black and not valid where no face was found, with the notes ``confidence`` (0 to 1) and
``area`` (the detector's box as a share of the frame).

Which face is the main one: the largest. But a face that overlaps with the one chosen before is kept as long as it is
at least half as large as the largest, so that two people of about one size do not take turns. Choice and smoothing
begin anew with every clip.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mimetic.detectors import DETECTORS, Detection, Detector, Image8
from mimetic.records import Clip, Frames, NoStream, UsageError, find

LOYALTY = 0.5
"""The main face is left for the largest one when it is smaller than this share of it."""

OVERLAP = 0.2
"""Intersection over union from which on two boxes may be one face."""

GAP = 1.0
"""Seconds without a face, after which whoever comes is a new one."""

SETTLE = 0.15
"""Seconds in which the crop has made 63 % of a move: jitter goes, a nod stays."""

CROP_NAME = re.compile(r"(\d{1,6})\.jpe?g", re.IGNORECASE)
PIECE = 16
"""Given crops in a piece."""


# ------------------------------------------------------------------------------------------- main face


class MainFace:
    """Chooses the main face of one clip, frame after frame."""

    def __init__(self) -> None:
        self._last: Detection | None = None
        self._seen = -math.inf

    def choose(self, faces: Sequence[Detection], time: float) -> Detection | None:
        """Give the main face among those found at ``time`` (seconds); ``None`` if there are none."""
        faces = [face for face in faces if face.area > 0]
        if not faces:
            return None
        main = max(faces, key=lambda face: face.area)
        if self._last is not None and time - self._seen <= GAP:
            last = self._last
            same = max(faces, key=lambda face: face.overlap(last))
            if same.overlap(last) >= OVERLAP and same.area >= LOYALTY * main.area:
                main = same
        self._last, self._seen = main, time
        return main


class Square(NamedTuple):
    """The part of a frame that is cut out: centre and side in pixels, radians that it is turned with the clock."""

    x: float
    y: float
    side: float
    angle: float = 0.0


def square_around(face: Detection, margin: float, *, align: bool = False) -> Square:
    """Give the square around a face, turned with the line through its eyes if ``align``."""
    x, y, width, height = face.box
    angle = 0.0
    if align and face.eyes is not None:
        (x1, y1), (x2, y2) = face.eyes
        angle = math.atan2(y2 - y1, x2 - x1)
    return Square(x + width / 2, y + height / 2, (1 + margin) * max(width, height), angle)


class _Smoothing:
    """A square that follows another one, looking back only; it leaps where that one leaps, or was gone for long."""

    def __init__(self) -> None:
        self._square: Square | None = None
        self._frame: tuple[int, ...] = ()
        self._time = -math.inf

    def follow(self, square: Square, frame: tuple[int, ...], time: float) -> Square:
        """Give the smoothed square; ``frame`` is the frame's shape, ``time`` in seconds."""
        last, elapsed = self._square, time - self._time
        if last is not None and elapsed <= GAP and frame == self._frame and not _leaps(last, square):
            share = -math.expm1(-elapsed / SETTLE)
            square = Square(*(old + share * (new - old) for old, new in zip(last, square, strict=True)))
        self._square, self._frame, self._time = square, frame, time
        return square


def _leaps(old: Square, new: Square) -> bool:
    return math.hypot(new.x - old.x, new.y - old.y) > 0.5 * old.side


def cut(image: Image8, square: Square, size: int) -> Image8:
    """Give a square part of a picture as ``(size, size, 3)``, turned upright; black where it leaves the picture."""
    reach = square.side * (abs(math.cos(square.angle)) + abs(math.sin(square.angle)))  # the upright square around it
    spare = math.ceil(size * (reach / square.side - 1) / 2)
    reach = square.side * (size + 2 * spare) / size
    left, top = square.x - reach / 2, square.y - reach / 2
    x, y = math.floor(left), math.floor(top)
    patch = _patch(image, x, y, math.ceil(left + reach) - x, math.ceil(top + reach) - y)
    box = (left - x, top - y, min(left - x + reach, patch.shape[1]), min(top - y + reach, patch.shape[0]))
    whole = (size + 2 * spare, size + 2 * spare)
    upright = Image.fromarray(patch).resize(whole, Image.Resampling.BILINEAR, box)
    if square.angle:
        upright = upright.rotate(math.degrees(square.angle), Image.Resampling.BILINEAR)
    return np.asarray(upright.crop((spare, spare, spare + size, spare + size)))


def _patch(image: Image8, x: int, y: int, width: int, height: int) -> Image8:
    """Give a part of a picture that may reach beyond it."""
    patch = np.zeros((height, width, 3), dtype=np.uint8)
    (top, bottom), (left, right) = np.clip([y, y + height], 0, len(image)), np.clip([x, x + width], 0, image.shape[1])
    patch[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return patch


# ---------------------------------------------------------------------------------------- given crops


@dataclass(frozen=True, slots=True)
class Given:
    """Crops that came with the data set, ``<frame number>.jpg`` without padding; other files are passed over.

    ``fps`` is how many frames a second their numbers count. What they left out of the frame is not known, and so the
    note ``area`` is not there.
    """

    fps: float = 30.0

    def read(self, folder: Path | None, *, rate: float, size: int) -> Iterator[Frames]:
        """Yield for every instant ``k / rate`` the crop nearest in time, up to the last one.

        An instant without a crop nearby (half a step of either rate), or with one that cannot be read, has no face.

        Raises
        ------
        NoStream
            if there is no folder, or no crop in it.
        """
        crops = _numbered(folder) if folder is not None and folder.is_dir() else {}
        if not crops:
            raise NoStream("no face crops came with it")
        taken = np.array(list(crops)) / self.fps
        instants = np.arange(math.floor(taken[-1] * rate + 1e-6) + 1) / rate
        nearest = np.searchsorted((taken[1:] + taken[:-1]) / 2, instants)
        near = np.abs(taken[nearest] - instants) <= 0.5 / min(rate, self.fps) + 1e-6
        paths = list(crops.values())
        for start in range(0, len(instants), PIECE):
            piece = slice(start, start + PIECE)
            found = [_read(paths[i], size) if ok else None for i, ok in zip(nearest[piece], near[piece], strict=True)]
            yield _given_frames(found, instants[piece], size)


def _numbered(folder: Path) -> dict[int, Path]:
    """Give the crops in a folder by their frame's number, in its order."""
    names = ((CROP_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return dict(sorted((int(match[1]), path) for match, path in names if match))


def _read(path: Path, size: int) -> Image8 | None:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow says of broken files
        return None


def _given_frames(found: Sequence[Image8 | None], times: NDArray[np.float64], size: int) -> Frames:
    valid = np.array([crop is not None for crop in found])
    black = np.zeros((size, size, 3), dtype=np.uint8)
    images = np.stack([black if crop is None else crop for crop in found])
    return Frames(images=images, times=times, valid=valid, notes={"confidence": valid.astype(np.float32)})


# --------------------------------------------------------------------------------------------- the view


class FaceView:
    """The view ``faces``: made once a worker from its options, then used for any number of clips.

    Parameters
    ----------
    detector
        a name from ``DETECTORS``.
    size
        height and width of the crops in pixels.
    align
        turn each crop so that the eyes are level, where the detector tells where they are.
    **options
        the detector's own, as its entry lists them.

    Raises
    ------
    UnknownName, MissingExtra, UsageError
        if the detector is not in the table, cannot be had, or does not have the option.
    """

    def __init__(self, detector: str = "centre", *, size: int = 160, align: bool = False, **options: Any) -> None:
        entry = find(DETECTORS, detector, "detector")
        if unknown := sorted(set(options) - set(entry.options)):
            remedy = f"Its options: {', '.join(entry.options)}."
            raise UsageError(f"detector {detector!r} has no option {unknown[0]!r}", remedy=remedy)
        self.size, self.align = size, align
        self.source: Detector | Given = entry.load()(**{**entry.options, **options})

    @property
    def needs_frames(self) -> bool:
        """Whether the faces are found in the clip's frames; if not, they come from a folder."""
        return not isinstance(self.source, Given)

    def begin(self, clip: Clip) -> FaceStream:
        """Start on a clip."""
        return FaceStream(self, clip)


class FaceStream:
    """The faces of one clip."""

    def __init__(self, view: FaceView, clip: Clip) -> None:
        self._view, self._clip = view, clip
        self._main, self._smoothing = MainFace(), _Smoothing()

    def add(self, frames: Frames) -> Frames:
        """Give the crops of the next frames."""
        view, detector = self._view, self._view.source
        assert not isinstance(detector, Given)
        crops = np.zeros((len(frames.times), view.size, view.size, 3), dtype=np.uint8)
        notes = {name: np.zeros(len(crops), dtype=np.float32) for name in ("confidence", "area")}
        for row, (image, time) in enumerate(zip(frames.images, frames.times.tolist(), strict=True)):
            face = self._main.choose(detector.detect(image), time)
            if face is None:
                continue
            square = square_around(face, detector.margin, align=view.align)
            crops[row] = cut(image, self._smoothing.follow(square, image.shape, time), view.size)
            notes["confidence"][row] = face.confidence
            notes["area"][row] = face.area / (image.shape[0] * image.shape[1])
        return Frames(images=crops, times=frames.times, valid=notes["confidence"] > 0, notes=notes)

    def given(self, rate: float) -> Iterator[Frames]:
        """Yield the crops that came with the clip, ``rate`` of them a second.

        Raises
        ------
        NoStream
            if none came with it.
        """
        assert isinstance(self._view.source, Given)
        return self._view.source.read(self._clip.faces, rate=rate, size=self._view.size)
