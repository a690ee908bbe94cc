"""Frames become movement: how much and which way the picture's blocks move, and the picture as a whole.

In go pieces of ``frames``, out comes a Track of ``NAMES``. Each frame is averaged to 40 by 40 grey points, whatever its
size, and compared with the one before. Displacement is found from gradients (Lucas and Kanade, IJCAI 1981): in each of
5 by 5 blocks a shift, in the whole picture a shift, a zoom and a turn at once. Changes of light are told apart from
movement. Shifts of up to a fortieth of the picture from frame to frame come out right to a few parts in a hundred, of
coarse patterns up to a tenth; longer ones come out too small.

The first frame has nothing to be compared with: a zero row that is not valid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mimetic.growing import Growing
from mimetic.records import Frames, Track

Floats = NDArray[np.float64]

BLOCKS = 5
POINTS = 40
FINE = 4 * POINTS
"""Frames are averaged to so many points a side in 8 bits, then to ``POINTS`` in floating point: no step is seen."""

STIFFNESS = 4e-6
"""Added to the mean square of the gradient, in lightness a point: below 0.002, there is nothing to hold on to."""

FARTHEST = 4.0
"""Points from one frame to the next, half a block: where a longer shift comes out, it is a mistake, and is cut off."""

BEND = 1 / 12
"""Weight of the slopes' change in the squares: it makes shifts right to the fourth order, the compact scheme (Lele,
Journal of Computational Physics 103, 1992), where slopes midway between the frames alone give up to half too much."""

STILL = 1e-4
"""Mean absolute change of lightness from frame to frame below which there is no movement to have a place."""

GLOBAL = ("dx", "dy", "zoom", "turn")
PLACE = ("centre_x", "centre_y", "spread", "extent")
WHOLE = (*GLOBAL, "energy", "residual", "brightening", "contrast", *PLACE)
CHANGING = (*GLOBAL, "energy")
NAMES = (
    *(f"{kind}_{row}{column}" for kind in ("energy", "dx", "dy") for row in range(BLOCKS) for column in range(BLOCKS)),
    *WHOLE,
    *(f"{name}_absolute" for name in GLOBAL),
    *(f"{name}_change" for name in CHANGING),
    *(f"{name}_change_absolute" for name in GLOBAL),
)
"""The columns. All are per second, except for ``contrast`` and the place of the movement.

``energy_*``, ``dx_*``, ``dy_*``
    of the block in that row and column from the top left: the mean absolute change of lightness (0 to 1), the shift to
    the right as a share of the frame's width, and down as a share of its height.
``dx``, ``dy``, ``zoom``, ``turn``
    of the whole picture; by how much of its size it grows, and radians with the clock.
``energy``, ``residual``
    mean absolute change of lightness, as it is and less what those four and ``brightening`` account for.
``brightening``
    the even change of lightness.
``contrast``
    the deviation of lightness in the frame.
``centre_x``, ``centre_y``, ``spread``
    where in the picture lightness changes (0 is the middle, -0.5 and 0.5 are the edges), and the deviation from there.
``extent``
    over how much of the picture the energy is spread: 1/25 in one block, 1 evenly.
``*_absolute``, ``*_change``, ``*_change_absolute``
    size, and change since the row before. From the means of ``dx_absolute`` and ``dx_change_absolute`` over a clip
    follows how far and how often something goes to and fro.
"""

DIM = len(NAMES)

_MEASURED = 3 * BLOCKS**2 + len(WHOLE)  # columns that a pair of frames gives; the others follow from these

_AXIS = (np.arange(POINTS) + 0.5) / POINTS - 0.5
_X, _Y = np.meshgrid(_AXIS, _AXIS)
_BLOCK_MEANS = np.kron(np.eye(BLOCKS), np.full((1, POINTS // BLOCKS), BLOCKS / POINTS))


def _filter(*taps: float) -> Floats:
    """Give the matrix that weighs each point and its neighbours; beyond the edge, the last point goes on."""
    reach = np.arange(len(taps)) - len(taps) // 2
    neighbours = np.clip(np.arange(POINTS)[:, None] + reach, 0, POINTS - 1)
    matrix: Floats = (np.eye(POINTS)[neighbours] * np.array(taps)[:, None]).sum(axis=1)
    return matrix


# A smoother and a slope made for each other: Farid and Simoncelli, IEEE Transactions on Image Processing 13(4), 2004.
_SMOOTH = _filter(0.037659, 0.249153, 0.426375, 0.249153, 0.037659)
_SLOPE = _filter(-0.109604, -0.276691, 0.0, 0.276691, 0.109604)


class MotionBlocks:
    """Movement of the picture's blocks.

    Parameters
    ----------
    rate
        frames a second of the view.
    """

    def __init__(self, *, rate: float = 10.0) -> None:
        self._rate = rate

    def begin(self) -> MotionBlocksExtraction:
        """Start on a clip."""
        return MotionBlocksExtraction(self._rate)


class MotionBlocksExtraction:
    """One clip on its way: its rows so far, and the points of the last frame."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._seen = np.zeros((0, POINTS, POINTS))
        self._rows = Growing((_MEASURED,), np.float64)

    def add(self, piece: Frames) -> None:
        """Take the next frames."""
        height, width = piece.images.shape[1:3]
        seen = np.concatenate([self._seen, *(shrink(image)[None] for image in piece.images)])
        if len(seen) > 1:
            self._rows.append(compare(seen, self._rate, width / height))
        self._seen = seen[-1:]

    def finish(self) -> Track:
        """Give ``(time, DIM)`` float32."""
        measured = self._rows.rows
        first = np.zeros((len(self._seen), DIM))
        values = np.concatenate([first, np.hstack([measured, _derived(measured, self._rate)])])
        return Track(values=values.astype(np.float32), rate=self._rate, valid=np.arange(len(values)) > 0)


def shrink(image: NDArray[np.uint8]) -> Floats:
    """Give ``(POINTS, POINTS)`` of lightness, 0 to 1, from ``(height, width, 3)``."""
    fine = Image.fromarray(image).convert("L").resize((FINE, FINE), Image.Resampling.BOX)
    points: Floats = np.asarray(fine, dtype=np.float64).reshape(POINTS, 4, POINTS, 4).mean(axis=(1, 3)) / 255
    return points


def compare(seen: Floats, rate: float, aspect: float) -> Floats:
    """Compare ``(time, POINTS, POINTS)`` each with the next: ``(time - 1, 87)``; ``aspect`` is width over height."""
    difference = np.diff(seen, axis=0)
    change = _SMOOTH @ difference @ _SMOOTH.T
    slopes, bends = _slopes((seen[1:] + seen[:-1]) / 2), _slopes(difference)
    energy = _block_means(np.abs(change))
    movement, residual = _whole(change, slopes, bends, aspect)
    columns = (
        rate * energy,
        rate * _block_shifts(change, slopes, bends),
        rate * movement[:, :4],
        rate * _mean(np.abs(change)),
        rate * _mean(np.abs(residual)),
        rate * movement[:, 4:],
        np.sqrt(np.maximum(_mean(seen[1:] ** 2) - _mean(seen[1:]) ** 2, 0)),
        _place(change),
        _extent(energy),
    )
    return np.concatenate([column.reshape(len(change), -1) for column in columns], axis=1)


def _block_means(values: Floats) -> Floats:
    """Average ``(..., POINTS, POINTS)`` over blocks. A product a picture: the same to the bit in any company."""
    means: Floats = _BLOCK_MEANS @ values @ _BLOCK_MEANS.T
    return means


def _mean(values: Floats) -> Floats:
    """Average ``(time, POINTS, POINTS)`` over the picture, ``(time, 1)``."""
    means: Floats = _block_means(values).reshape(len(values), 1, -1) @ np.full(BLOCKS**2, 1 / BLOCKS**2)
    return means


def _slopes(pictures: Floats) -> Floats:
    """Give ``(2, time, POINTS, POINTS)``: lightness a point, to the right and down."""
    return np.stack([_SMOOTH @ pictures @ _SLOPE.T, _SLOPE @ pictures @ _SMOOTH.T])


def _block_shifts(change: Floats, slopes: Floats, bends: Floats) -> Floats:
    """Give ``(time, 2, row, column)``: each block's shift in shares of the frame.

    Least squares of ``slopes * shift + change = const``: the constant takes up what is only a change of light. The
    slopes are those midway between the frames, ``bends`` is what they change by.
    """

    def covariance(first: Floats, second: Floats) -> Floats:
        return _block_means(first * second) - _block_means(first) * _block_means(second)

    aa, ad, dd = (
        covariance(slopes[i], slopes[j]) + covariance(bends[i], bends[j]) * BEND + STIFFNESS * (i == j)
        for i, j in ((0, 0), (0, 1), (1, 1))
    )
    ac, dc = covariance(slopes[0], change), covariance(slopes[1], change)
    points = np.stack([ad * dc - dd * ac, ad * ac - aa * dc], axis=1) / (aa * dd - ad * ad)[:, None]
    shifts: Floats = np.clip(points, -FARTHEST, FARTHEST) / POINTS
    return shifts


def _whole(change: Floats, slopes: Floats, bends: Floats, aspect: float) -> tuple[Floats, Floats]:
    """Give ``dx dy zoom turn brightening`` from frame to frame, ``(time, 5)``, and the change that they leave."""
    effects, bent = _effects(slopes, aspect, light=-1.0), _effects(bends, aspect, light=0.0)
    changes = change.reshape(len(change), -1, 1)
    squares = _transposed(effects) @ effects + _transposed(bent) @ bent * BEND
    stiffness = STIFFNESS * POINTS**4 * np.diag([1, 1, 1 / 6, 1 / 6, 0])  # a turn moves points by a sixth, squared
    movement = np.linalg.solve(squares + stiffness, -_transposed(effects) @ changes)
    residual = (changes + effects @ movement).reshape(change.shape)
    farthest = FARTHEST / POINTS * np.array([1, 1, 2, 2, np.inf])
    return np.clip(movement[..., 0], -farthest, farthest), residual


def _effects(slopes: Floats, aspect: float, *, light: float) -> Floats:
    """Give ``(time, point, 5)``: what a unit of each movement does to the lightness of each point, sign reversed."""
    dx, dy = slopes * POINTS
    columns = (dx, dy, dx * _X + dy * _Y, dy * _X * aspect - dx * _Y / aspect, np.full_like(dx, light))
    effects: Floats = np.stack(columns, axis=-1).reshape(len(dx), -1, len(columns))
    return effects


def _transposed(matrices: Floats) -> Floats:
    return matrices.transpose(0, 2, 1)


def _place(change: Floats) -> Floats:
    """Give ``centre_x centre_y spread``, ``(time, 3)``; zeros where nothing moves."""
    moments = np.stack([np.ones_like(_X), _X, _Y, _X**2 + _Y**2], axis=-1).reshape(-1, 4)
    sums = (np.abs(change).reshape(len(change), 1, -1) @ moments)[:, 0]
    x, y, square = (sums[:, 1:] / np.maximum(sums[:, :1], STILL * POINTS**2)).T
    return np.stack([x, y, np.sqrt(np.maximum(square - x * x - y * y, 0))], axis=1)


def _extent(energy: Floats) -> Floats:
    """Give ``(time,)``: the square of the blocks' mean energy over the mean of its square."""
    blocks = energy.reshape(len(energy), -1)
    extent: Floats = blocks.mean(axis=1) ** 2 / np.maximum((blocks**2).mean(axis=1), STILL**2)
    return extent


def _derived(measured: Floats, rate: float) -> Floats:
    """Give the sizes of the global movements, their changes and the sizes of those, from all of a clip's rows."""
    whole = measured[:, 3 * BLOCKS**2 :]
    movement, changing = whole[:, : len(GLOBAL)], whole[:, : len(CHANGING)]
    change = rate * np.diff(changing, axis=0, prepend=changing[:1])
    return np.hstack([np.abs(movement), change, np.abs(change[:, : len(GLOBAL)])])
