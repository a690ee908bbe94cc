"""Face crops become what can be seen of them without a model: a grey thumbnail, gradients, colours.

In go pieces of ``faces``, out comes a Track of ``DIM`` columns. A crop of any size is averaged to 64 by 64 first. Then:

256
    a 16 by 16 thumbnail of lightness, less its mean and over its deviation: row by row from the top left.
96
    a histogram of oriented gradients (Dalal and Triggs, CVPR 2005) on a 4 by 4 grid: six directions a cell, as the
    square root of a direction's share in all gradients of the crop (Arandjelović and Zisserman, CVPR 2012).
48
    colours in 4 by 2 regions, forehead to chin and left to right: the mean of lightness, of red less green and of
    yellow less blue, then the deviation of each; 1 is the whole range of a channel.

A frame without a face is a zero row that is not valid. Every row follows from its own crop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mimetic.growing import Growing
from mimetic.records import Frames, Track

Floats = NDArray[np.float32]

GRID = 64
THUMBNAIL = 16
CELLS = 4
DIRECTIONS = 6
REGIONS = (4, 2)
DIM = THUMBNAIL**2 + CELLS**2 * DIRECTIONS + 2 * 3 * REGIONS[0] * REGIONS[1]

OPPONENTS = np.array([[0.299, 0.587, 0.114], [0.5, -0.5, 0.0], [0.25, 0.25, -0.5]], dtype=np.float32)
"""RGB to lightness (ITU-R BT.601), red less green, yellow less blue."""

FLAT = 0.01
"""A deviation, and a mean gradient, below which there is no contrast worth stretching: two or three grey levels."""


class Appearance:
    """Thumbnail, gradients and colours of the face crop.

    Parameters
    ----------
    rate
        crops a second of the view.
    """

    def __init__(self, *, rate: float = 5.0) -> None:
        self._rate = rate

    def begin(self) -> AppearanceExtraction:
        """Start on a clip."""
        return AppearanceExtraction(self._rate)


class AppearanceExtraction:
    """One clip on its way: a row a crop."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._values = Growing((DIM,), np.float32)
        self._valid = Growing((), np.bool_)
        self._notes: dict[str, Growing] = {}

    def add(self, piece: Frames) -> None:
        """Take the next crops."""
        values = np.zeros((len(piece.images), DIM), dtype=np.float32)
        if piece.valid.any():
            values[piece.valid] = describe(piece.images[piece.valid])
        self._values.append(values)
        self._valid.append(piece.valid)
        for name, note in piece.notes.items():
            self._notes.setdefault(name, Growing((), np.float32)).append(note)

    def finish(self) -> Track:
        """Give ``(time, DIM)`` float32, with the notes of the crops."""
        return Track(
            values=self._values.rows,
            rate=self._rate,
            valid=self._valid.rows,
            notes={name: notes.rows for name, notes in self._notes.items()},
        )


def describe(crops: NDArray[np.uint8]) -> Floats:
    """Describe ``(time, height, width, 3)`` as ``(time, DIM)``."""
    colours = averaged(crops.transpose(0, 3, 1, 2).astype(np.float32, order="C"), GRID, GRID) / 255
    opponents: Floats = (OPPONENTS @ colours.reshape(len(crops), 3, -1)).reshape(colours.shape)
    lightness = opponents[:, 0]
    parts = (_thumbnail(lightness), _gradients(lightness), _colours(opponents))
    return np.concatenate([part.reshape(len(crops), -1) for part in parts], axis=1)


def averaged(pictures: Floats, rows: int, columns: int) -> Floats:
    """Average ``(..., height, width)`` over the areas of a grid, ``(..., rows, columns)``.

    Products of matrices, one a picture, so that the result for a picture is the same to the bit in any company.
    """
    height, width = pictures.shape[-2:]
    averages: Floats = _areas(rows, height) @ pictures @ _areas(columns, width).T
    return averages


def _areas(cells: int, pixels: int) -> Floats:
    """Give ``(cell, pixel)``: which share each pixel has in the mean over a cell."""
    edges = np.linspace(0, pixels, cells + 1)
    first, last = edges[:-1, None], edges[1:, None]
    pixel = np.arange(pixels)
    covered = np.clip(np.minimum(last, pixel + 1) - np.maximum(first, pixel), 0, None)
    shares: Floats = (covered * cells / pixels).astype(np.float32)
    return shares


def _thumbnail(lightness: Floats) -> Floats:
    small = averaged(lightness, THUMBNAIL, THUMBNAIL)
    small = small - averaged(small, 1, 1)
    thumbnail: Floats = small / np.maximum(np.sqrt(averaged(small**2, 1, 1)), FLAT)
    return thumbnail


def _gradients(lightness: Floats) -> Floats:
    """Give ``(time, direction, cell, cell)``; a gradient counts for the two directions between which it lies."""
    padded = np.pad(lightness, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    turns = np.arctan2(down, across) * np.float32(DIRECTIONS / np.pi)  # directions repeat after half a turn
    sectors = np.arange(DIRECTIONS, dtype=np.float32)[:, None, None]
    apart = np.abs((turns[:, None] - sectors + DIRECTIONS / 2) % DIRECTIONS - DIRECTIONS / 2)
    shares = np.maximum(1 - apart, 0) * np.hypot(across, down)[:, None]
    cells = averaged(shares, CELLS, CELLS)
    whole = averaged(cells.reshape(len(cells), 1, 1, -1), 1, 1) * DIRECTIONS  # the crop's mean gradient
    gradients: Floats = np.sqrt(cells / np.maximum(whole, FLAT)) / CELLS
    return gradients


def _colours(opponents: Floats) -> Floats:
    """Give ``(time, 6, row, column)``: means, then deviations."""
    means = averaged(opponents, *REGIONS)
    deviations = np.sqrt(np.maximum(averaged(opponents**2, *REGIONS) - means**2, 0))
    colours: Floats = np.concatenate([means, deviations], axis=1)
    return colours
