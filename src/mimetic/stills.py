"""One small picture of a clip: a media file in, the bytes of a JPEG out."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mimetic.media import Media
from mimetic.records import ClipError, Frames

LOOK_AT = 1.0
"""Pictures a second that are looked at; the second one is taken, or the only one."""


def still(path: Path | None, *, side: int = 128) -> bytes:
    """Make a JPEG of a clip's beginning, its longer side of so many pixels.

    Raises
    ------
    ClipError
        if there is no picture to be had.
    """
    if path is None:
        raise ClipError("no media file")
    with Media(path) as media:
        small = Image.fromarray(_early(media))
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _early(media: Media) -> NDArray[np.uint8]:
    """Give the picture after a second, or the first one of a clip that has no other."""
    _, piece = next(media.decode(rates=[LOOK_AT]), (None, None))
    if not isinstance(piece, Frames):
        raise ClipError(media.reasons.get("frames", "no picture"))
    image: NDArray[np.uint8] = piece.images[:2][-1]
    return image
