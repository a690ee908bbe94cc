"""What can go wrong with clips themselves: decoded pictures and sound in, disturbed ones out.

A disturbance stands between the decoder and all that looks at what it gives (face detectors, extractors), so that
nothing has to be encoded again. Pictures that came with the data set as face crops do not pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mimetic.media import Media
from mimetic.pieces import Item
from mimetic.reading import Through
from mimetic.records import SAMPLE_RATE, Clip, ClipError, Frames, Sound

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

BLUR = 0.02
"""Of the picture's longer side: the deviation of the Gaussian that blurs it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Disturbance:
    """What is done to a clip's pieces; only a system that looks at one of ``views`` can notice."""

    through: Through
    views: frozenset[str]


def on_sound(change: Callable[[Floats, np.random.Generator], Floats]) -> Through:
    """Change all samples, with a draw of the clip's own."""

    def through(clip: Clip, items: Iterator[Item]) -> Iterator[Item]:
        draw = np.random.default_rng([0, crc32(clip.id.encode())])
        for item in items:
            if isinstance(item[1], Sound):
                yield None, Sound(samples=change(item[1].samples, draw))
            else:
                yield item

    return through


def silence(samples: Floats, draw: np.random.Generator) -> Floats:  # noqa: ARG001 - the others draw
    """Take the sound away, but not its track."""
    return np.zeros_like(samples)


def hiss(decibels: float) -> Callable[[Floats, np.random.Generator], Floats]:
    """Add white noise whose deviation is so many decibels from full scale."""
    deviation = 10 ** (decibels / 20)

    def change(samples: Floats, draw: np.random.Generator) -> Floats:
        return np.clip(samples + deviation * draw.normal(size=len(samples)), -1, 1).astype(np.float32)

    return change


def blur(clip: Clip, items: Iterator[Item]) -> Iterator[Item]:  # noqa: ARG001 - a Through
    """Blur every picture."""
    for item in items:
        if isinstance(item[1], Frames) and len(item[1].images):
            rate, frames = item
            soft = ImageFilter.GaussianBlur(BLUR * max(frames.images.shape[1:3]))
            images = [np.asarray(Image.fromarray(image).filter(soft)) for image in frames.images]
            yield rate, replace(frames, images=np.stack(images))
        else:
            yield item


def half_the_frames(clip: Clip, items: Iterator[Item]) -> Iterator[Item]:  # noqa: ARG001 - a Through
    """Show every second picture twice: what a clip of half as many frames a second decodes to."""
    shown: dict[float, tuple[int, Pixels]] = {}
    for item in items:
        if isinstance(item[1], Frames) and len(item[1].images):
            rate, frames = item
            count, last = shown.get(rate, (0, frames.images[0]))
            held = np.arange(len(frames.images)) - (np.arange(len(frames.images)) + count) % 2
            images = np.concatenate([last[None], frames.images])[held + 1]
            shown[rate] = count + len(images), frames.images[-1]
            yield rate, replace(frames, images=images)
        else:
            yield item


def first_half(clip: Clip, items: Iterator[Item]) -> Iterator[Item]:
    """End the clip in the middle of the time that it claims to last; one that claims none stays whole."""
    end, heard = _middle(clip), 0
    for item in items:
        if isinstance(item[1], Sound):
            samples = item[1].samples
            kept = int(np.clip(end * SAMPLE_RATE - heard, 0, len(samples)))
            heard += len(samples)
            yield None, Sound(samples=samples[:kept])
        else:
            yield item[0], _before(item[1], end)


def _before(frames: Frames, end: float) -> Frames:
    kept = frames.times < end
    notes = {name: note[kept] for name, note in frames.notes.items()}
    return Frames(images=frames.images[kept], times=frames.times[kept], valid=frames.valid[kept], notes=notes)


def _middle(clip: Clip) -> float:
    assert clip.path is not None
    try:
        with Media(clip.path) as media:
            return media.duration / 2 if media.duration else float("inf")
    except ClipError:
        return float("inf")


HEARD, SEEN = frozenset({"audio"}), frozenset({"frames", "faces"})

DISTURBANCES: Mapping[str, Disturbance] = {
    "silence": Disturbance(through=on_sound(silence), views=HEARD),
    "white noise at -40 dB": Disturbance(through=on_sound(hiss(-40)), views=HEARD),
    "white noise at -20 dB": Disturbance(through=on_sound(hiss(-20)), views=HEARD),
    "blur": Disturbance(through=blur, views=SEEN),
    "half the frames": Disturbance(through=half_the_frames, views=SEEN),
    "first half": Disturbance(through=first_half, views=HEARD | SEEN),
}
"""What is done to clips, by name."""
