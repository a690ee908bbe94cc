"""The face crops of a clip as one picture: what the model looked at, to be shown beside the player.

``FaceStrip`` is an extractor, so that the clip is decoded once: pieces of ``faces`` in, small crops as a Track out.
``picture`` makes a JPEG of them, side by side. Neither is ever written to disk.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from mimetic.features import Feature, feature
from mimetic.features.table import FACES
from mimetic.growing import Growing
from mimetic.models import ExtractorEntry
from mimetic.records import Frames, Track

SIDE = 72
MOST = 240
"""Crops: two minutes; of a longer clip, the beginning is shown."""

ENTRY = ExtractorEntry(
    target="mimetic.web.strip:FaceStrip",
    about="small face crops, to be looked at",
    view="faces",
    modality="vision",
    dim=SIDE * SIDE * 3,
    rate=2.0,
    view_options=FACES,
)


def strip_like(others: tuple[Feature, ...]) -> Feature:
    """Give the strip whose crops are made as those of a run's own face feature, or as by default."""
    options = next((other.view_options for other in others if other.entry.view == "faces"), FACES)
    told = "".join(f"+{name}={value}" for name, value in options.items() if value is not None)
    return feature(f"face-strip{told}", {"face-strip": ENTRY})


class FaceStrip:
    """Crops as they are, smaller."""

    def begin(self) -> FaceStripExtraction:
        """Start on a clip."""
        return FaceStripExtraction()


class FaceStripExtraction:
    """One clip on its way."""

    def __init__(self) -> None:
        self._crops, self._valid = Growing((ENTRY.dim,), np.float32), Growing((), np.bool_)

    def add(self, piece: Frames) -> None:
        """Take the next crops, as long as there is room."""
        room = MOST - len(self._crops)
        for image in piece.images[:room]:
            small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            self._crops.append(np.asarray(small, np.float32).reshape(1, -1))
        self._valid.append(piece.valid[:room])

    def finish(self) -> Track:
        """Give ``(time, 72 * 72 * 3)``: 0 to 255, which float16 holds exactly."""
        return Track(values=self._crops.rows.copy(), rate=ENTRY.rate, valid=self._valid.rows.copy())


def picture(track: Track) -> bytes:
    """Give the crops of a strip side by side, ``72`` pixels high, as a JPEG."""
    crops = track.values.astype(np.uint8).reshape(-1, SIDE, SIDE, 3)
    whole = np.concatenate(list(crops), axis=1)
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
