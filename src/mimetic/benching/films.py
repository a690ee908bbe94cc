"""Clips of any length, made on the spot: moving blocks that compress like film, and sound that rises and falls.

No two seeds look or sound alike: what is compared on such clips needs something to tell them apart by.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 30
SAMPLE_RATE = 16_000

GRAIN = 12
"""Levels of 256 by which a pixel varies from frame to frame."""

BLOCKS = (8, 40, 160)
"""Pixels of the sides of the blocks, fine ones on larger ones."""


def make_clip(path: Path, seconds: float, *, height: int = 360, width: int = 640, seed: int = 0) -> Path:
    """Write an mp4 (H.264 and AAC) of 30 frames a second, with the grain of a camera in little light."""
    draw = np.random.default_rng(seed)
    wall = _wall(height, 2 * width, draw)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for second in range(int(np.ceil(seconds))):
            for frame in range(min(RATE, round((seconds - second) * RATE))):
                shift = (2 * (second * RATE + frame)) % width
                image = wall[:height, shift : shift + width] + draw.integers(0, GRAIN, (height, width, 1), np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            sound = av.AudioFrame.from_ndarray(_sound(second, min(1.0, seconds - second), seed), "fltp", "mono")
            sound.sample_rate = SAMPLE_RATE
            container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())
    return path


def _wall(height: int, width: int, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Paint what moves past."""
    layers = [
        draw.integers(10, 80, (-(-height // side), -(-width // side), 3)).repeat(side, 0).repeat(side, 1)
        for side in BLOCKS
    ]
    wall: NDArray[np.uint8] = np.sum([layer[:height, :width] for layer in layers], axis=0).astype(np.uint8)
    return wall


def _sound(second: int, length: float, seed: int) -> NDArray[np.float32]:
    time = second + np.arange(round(length * SAMPLE_RATE)) / SAMPLE_RATE
    loud = 0.2 + 0.1 * np.sin(2 * np.pi * 0.7 * time)
    draw = np.random.default_rng([seed, second])
    pitch = draw.uniform(90, 260)
    tone = sum(np.sin(2 * np.pi * pitch * k * time) * draw.uniform(0, 1) / k for k in range(1, 16))
    hiss = draw.normal(size=len(time)) * draw.uniform(0.05, 0.5)
    sound: NDArray[np.float32] = (loud * (tone + hiss) / 2)[None].astype(np.float32)
    return sound
