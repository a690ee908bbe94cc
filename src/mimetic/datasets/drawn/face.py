"""The faces of the demo: latents in, pictures out; a head that nods, sways and shows what it feels.

The six latents of vision lift the corners of the mouth, open it, raise and slant the brows, open the eyes and redden
the cheeks, the more in the middle of an expression; those of motion set how far the head nods and shakes, how fast, how
far it tilts, comes near, and trembles. Looks (skin, hair, shape, clothes, wall) differ from person to person and mean
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Floats = NDArray[np.float64]
Colour = tuple[int, int, int]

SKINS: tuple[Colour, ...] = ((255, 219, 190), (240, 194, 160), (214, 160, 120), (168, 112, 78), (116, 74, 52))
HAIRS: tuple[Colour, ...] = ((38, 30, 28), (84, 54, 34), (150, 96, 50), (206, 170, 104), (120, 120, 124))
WALLS: tuple[Colour, ...] = ((214, 222, 228), (226, 218, 204), (200, 212, 200), (222, 206, 210), (190, 198, 214))
SHIRTS: tuple[Colour, ...] = ((52, 84, 122), (140, 62, 58), (64, 104, 84), (90, 82, 110), (196, 160, 74))
WHITE: Colour = (250, 248, 244)
INK: Colour = (40, 30, 30)
MOUTH: Colour = (110, 40, 44)

OVERSAMPLE = 2
_TURN = np.linspace(0, 2 * np.pi, 37)[:-1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """What a person brings: it is the same in every frame, and says nothing of what is felt."""

    skin: Colour
    hair: Colour
    wall: Colour
    shirt: Colour
    iris: Colour
    long_hair: int  # how far the hair falls, 0 to 2
    width: float

    @classmethod
    def drawn(cls, draw: np.random.Generator) -> Looks:
        """Draw somebody."""
        return cls(
            skin=SKINS[draw.integers(len(SKINS))],
            hair=HAIRS[draw.integers(len(HAIRS))],
            wall=WALLS[draw.integers(len(WALLS))],
            shirt=SHIRTS[draw.integers(len(SHIRTS))],
            iris=((70, 100, 130), (86, 66, 44), (70, 104, 70))[draw.integers(3)],
            long_hair=int(draw.integers(3)),
            width=float(draw.uniform(0.92, 1.06)),
        )


def expression(latent: Floats, times: Floats, seconds: float, draw: np.random.Generator) -> Floats:
    """Give ``(time, 6)``: how far each part of the face has moved, rising and falling around the clip's level."""
    middle, width = draw.uniform(0.3, 0.7) * seconds, draw.uniform(0.25, 0.4) * seconds
    share = 0.55 + 0.45 * np.exp(-(((times - middle) / width) ** 2))
    flutter = 0.12 * np.sin(2 * np.pi * (0.7 * times[:, None] + draw.random(6)))
    return np.asarray(share[:, None] * np.clip(latent, -2.5, 2.5) + flutter)


def movement(latent: Floats, times: Floats, draw: np.random.Generator) -> Floats:
    """Give ``(time, 4)``: the head's way right and down (in head heights), its tilt (radians) and its size."""
    nod, shake, tempo, tilt, near, tremble = np.clip(latent, -2.5, 2.5)
    phase = 2 * np.pi * draw.random(5)
    turn = 2 * np.pi * times * 0.9 * 2 ** (0.5 * tempo)
    down = 0.035 * 2 ** (0.75 * nod) * np.sin(turn + phase[0])
    right = 0.035 * 2 ** (0.75 * shake) * np.sin(0.8 * turn + phase[1])
    right = right + 0.006 * 2 ** (0.9 * tremble) * np.sin(2 * np.pi * 4.3 * times + phase[2])
    lean = 0.07 * 2 ** (0.75 * tilt) * np.sin(2 * np.pi * 0.6 * times + phase[3])
    size = 1 + 0.025 * 2 ** (0.75 * near) * np.sin(2 * np.pi * 0.5 * times + phase[4])
    return np.column_stack([right, down, lean, size])


class Painter:
    """Paints frames of one person, ``(height, width, 3)`` uint8."""

    def __init__(self, width: int, height: int, looks: Looks) -> None:
        self._looks = looks
        self._scale = 0.68 * height
        self._middle = np.array([0.5 * width, 0.5 * height])
        self._room = self._paint_room(width, height)
        side = int(1.4 * self._scale) // 2 * 2
        self._corner = np.array([width // 2 - side // 2, height // 2 - side // 2]).clip(0)
        self._side = min(side, height)
        self._canvas = self._large_patch()

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """The square that holds the head: left, top, right, bottom."""
        left, top = (int(value) for value in self._corner)
        return left, top, left + self._side, top + self._side

    def _paint_room(self, width: int, height: int) -> NDArray[np.uint8]:
        shade = np.linspace(1.04, 0.9, height)[:, None, None] * np.linspace(0.97, 1.03, width)[None, :, None]
        room = Image.fromarray(np.clip(shade * np.array(self._looks.wall), 0, 255).astype(np.uint8))
        pen, scale = ImageDraw.Draw(room), self._scale
        x, y = self._middle
        if self._looks != NOBODY:
            pen.ellipse((x - 0.75 * scale, y + 0.5 * scale, x + 0.75 * scale, y + 1.6 * scale), fill=self._looks.shirt)
        return np.asarray(room)

    def _large_patch(self) -> Image.Image:
        """Give the room behind the head, larger than it will be: what the head is painted on."""
        left, top, right, bottom = self.crop
        patch = Image.fromarray(np.ascontiguousarray(self._room[top:bottom, left:right]))
        return patch.resize((OVERSAMPLE * patch.width, OVERSAMPLE * patch.height), Image.Resampling.NEAREST)

    def paint(self, face: Floats, move: Floats) -> NDArray[np.uint8]:
        """Paint one frame from an ``expression`` (6) and a ``movement`` (4)."""
        frame = self._room.copy()
        if self._looks == NOBODY:
            return frame
        left, top, right, bottom = self.crop
        patch = self._canvas.copy()
        _Head(ImageDraw.Draw(patch), self._looks, self._place(move)).draw(face)
        frame[top:bottom, left:right] = np.asarray(patch.reduce(OVERSAMPLE))
        return frame

    def _place(self, move: Floats) -> Floats:
        """Give the ``(2, 3)`` map from head coordinates (its height is 1, its middle 0) to the patch's pixels."""
        right, down, lean, size = move
        unit = OVERSAMPLE * self._scale * size
        cos, sin = unit * np.cos(lean), unit * np.sin(lean)
        at = OVERSAMPLE * (self._middle - self._corner + self._scale * np.array([right, down]))
        return np.array([[cos, -sin, at[0]], [sin, cos, at[1]]])


class _Head:
    """A head in its own coordinates: x to the right, y down, the face from -0.5 to 0.5."""

    def __init__(self, pen: ImageDraw.ImageDraw, looks: Looks, place: Floats) -> None:
        self._pen, self._looks, self._place = pen, looks, place

    def draw(self, face: Floats) -> None:
        smile, open_, brows, slant, eyes, blush = face
        self._hair_behind()
        self._skin()
        self._cheeks(blush)
        for side in (-1, 1):
            self._eye(side, eyes)
            self._brow(side, brows, slant)
        self._nose()
        self._mouth(smile, open_)
        self._hair_before()

    def _shape(self, points: Floats, colour: Colour) -> None:
        placed = points @ self._place[:, :2].T + self._place[:, 2]
        self._pen.polygon([tuple(point) for point in placed.tolist()], fill=colour)

    def _oval(self, x: float, y: float, wide: float, high: float, colour: Colour, *, power: float = 1.0) -> None:
        round_ = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
        round_ = np.sign(round_) * np.abs(round_) ** power
        self._shape(round_ * (wide, high) + (x, y), colour)

    def _band(self, middle: Floats, thick: Floats, colour: Colour) -> None:
        """Fill between a line and the line ``thick`` below it."""
        below = middle[::-1] + np.column_stack([np.zeros(len(middle)), thick[::-1]])
        self._shape(np.concatenate([middle, below]), colour)

    def _hair_behind(self) -> None:
        width = self._looks.width
        self._oval(0, -0.06, 0.44 * width, 0.5, self._looks.hair)
        if self._looks.long_hair:
            low = 0.12 + 0.13 * self._looks.long_hair
            self._oval(0, low, 0.43 * width, 0.36, self._looks.hair, power=0.7)

    def _skin(self) -> None:
        width, skin = self._looks.width, self._looks.skin
        neck = _shade(skin, 0.82)
        self._shape(np.array([[-0.12, 0.3], [0.12, 0.3], [0.14, 0.58], [-0.14, 0.58]]), neck)
        self._oval(0, 0.58, 0.14, 0.055, neck)
        for side in (-1, 1):
            self._oval(side * 0.37 * width, 0.02, 0.06, 0.1, _shade(skin, 0.9))
        self._oval(0, 0.02, 0.37 * width, 0.48, _shade(skin, 0.93), power=0.94)
        self._oval(0, 0.01, 0.345 * width, 0.455, skin, power=0.94)
        self._oval(-0.05, -0.14, 0.2 * width, 0.2, _shade(skin, 1.04))

    def _cheeks(self, blush: float) -> None:
        red = np.clip(0.26 + 0.13 * blush, 0.0, 0.7)
        colour = _mixed(self._looks.skin, (226, 84, 84), red)
        for side in (-1, 1):
            self._oval(side * 0.2 * self._looks.width, 0.14, 0.085, 0.06, colour)

    def _eye(self, side: int, eyes: float) -> None:
        x, high = side * 0.15 * self._looks.width, float(np.clip(0.05 * 2 ** (0.5 * eyes), 0.01, 0.11))
        self._oval(x, -0.07, 0.078, high + 0.012, _shade(self._looks.skin, 0.8))
        self._oval(x, -0.07, 0.07, high, WHITE)
        self._oval(x, -0.07, 0.034, min(0.036, high), self._looks.iris)
        self._oval(x, -0.07, 0.017, min(0.018, high), INK)
        self._oval(x + 0.012, -0.082, 0.008, min(0.008, high), WHITE)

    def _brow(self, side: int, brows: float, slant: float) -> None:
        along = np.linspace(-0.085, 0.085, 9)
        arch = 0.022 * (1 - (along / 0.085) ** 2)
        tilt = -0.27 * slant * side * along  # the inner ends go up where the slant is negative
        lift = max(0.08 * brows, 0.035 * brows)  # there is more room above than down to the eye
        y = -0.205 - lift - arch + tilt
        x = side * 0.15 * self._looks.width + along
        self._band(np.column_stack([x, y]), 0.032 * np.ones(9), _shade(self._looks.hair, 0.9))

    def _nose(self) -> None:
        skin = self._looks.skin
        self._shape(
            np.array([[-0.012, -0.08], [0.03, -0.02], [0.055, 0.09], [0.0, 0.115], [-0.05, 0.095]]), _shade(skin, 0.94)
        )
        for side in (-1, 1):
            self._oval(side * 0.028, 0.1, 0.012, 0.008, _shade(skin, 0.66))

    def _mouth(self, smile: float, open_: float) -> None:
        along = np.linspace(-1, 1, 15)
        wide = 0.125 + 0.012 * smile
        curve = -(0.006 + 0.038 * smile) * (along**2 - 0.5)
        gap = float(np.clip(0.032 * 2 ** (1.0 * open_), 0.003, 0.15)) * np.sqrt(np.maximum(1 - along**2, 0))
        line = np.column_stack([wide * along, 0.255 + curve - 0.35 * gap])
        lips = _mixed(self._looks.skin, (178, 62, 70), 0.62)
        taper = np.sqrt(np.maximum(1 - along**2, 0))
        self._band(line - [0, 0.018] * taper[:, None], gap + 0.042 * taper, lips)
        self._band(line, gap, MOUTH)
        self._band(line, np.minimum(gap, 0.02 * taper) * (gap > 0.012), WHITE)

    def _hair_before(self) -> None:
        width = self._looks.width
        along = np.linspace(-0.4, 0.4, 15)
        top = np.column_stack([along * width, -0.06 - 0.49 * np.sqrt(1 - (along / 0.42) ** 2)])
        fringe = 0.12 + 0.1 * (along / 0.4) ** 2 * (1 + 0.2 * np.sin(9 * along))
        self._band(top, fringe, self._looks.hair)


def _shade(colour: Colour, by: float) -> Colour:
    return _mixed(colour, (0, 0, 0), 1 - by) if by < 1 else _mixed(colour, (255, 255, 255), by - 1)


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(first, second, strict=True))
    return round(red), round(green), round(blue)


NOBODY = Looks(skin=SKINS[0], hair=HAIRS[0], wall=WALLS[1], shirt=SHIRTS[0], iris=INK, long_hair=0, width=1.0)
"""An empty room."""
