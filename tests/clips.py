"""Small real clips, made with PyAV: what extraction, prediction and the commands are tested on."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

RATE, SIZE = 12, 96


def write_clip(path: Path, *, seconds: float = 1.0, sound: bool = True, picture: bool = True, seed: int = 0) -> Path:
    """Write an mp4: a bright square that wanders, a tone that the seed decides."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"}) if picture else None
        audio = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        if video is not None:
            video.width = video.height = SIZE
            video.pix_fmt = "yuv420p"
            for image in _images(round(seconds * RATE), seed):
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode())
        if audio is not None:
            time = np.arange(round(seconds * 16_000)) / 16_000
            samples = (0.3 * np.sin(2 * np.pi * (150 + 40 * seed) * time)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def _images(count: int, seed: int) -> np.ndarray:
    images = np.full((max(count, 1), SIZE, SIZE, 3), 40, np.uint8)
    for number, image in enumerate(images):
        x, y = (7 * seed + 3 * number) % (SIZE - 24), (5 * seed + number) % (SIZE - 24)
        image[y : y + 24, x : x + 24] = (220, 180 - 10 * (seed % 10), 120)
    return images


def write_layout(root: Path, *, train: int = 5, valid: int = 3, test: int = 2) -> Path:
    """Write a data set in the challenge's layout; the second clip has no sound, the third no words."""
    names = ("Admiration", "Joy")
    draw = np.random.default_rng(0)
    for part, first, count in (("train", 0, train), ("valid", train, valid), ("test", train + valid, test)):
        lines = ["Filename," + ",".join(names)]
        for number in range(first, first + count):
            folder = root / "test_data" / "raw" if part == "test" else root / "raw"
            write_clip(folder / f"{number:05d}.mp4", sound=number != 1, seed=number)
            lines.append(f"{number:05d}," + ",".join(f"{value:.2f}" for value in draw.random(2)))
            if number != 2:
                (root / "text").mkdir(exist_ok=True)
                (root / "text" / f"{number:05d}.txt").write_text(f"well this is clip number {number}")
        if part != "test":
            (root / f"{part}_split.csv").write_text("\n".join(lines) + "\n")
    return root
