"""Two data sets of drawn faces: a clean one, and one in which every fault that an audit knows is planted once."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from mimetic.auditing.inspection import Facts
from mimetic.datasets.drawn.face import NOBODY, Looks, Painter
from mimetic.datasets.drawn.film import write_beside, write_film, write_jpeg
from mimetic.datasets.drawn.voice import speak
from mimetic.records import Clip

RATE, SECONDS = 12, 1.0
PARTS = {"train": range(0, 32), "valid": range(32, 50), "test": range(50, 53)}
WORDS = "red river candle seven window garden marble orange thunder silver pocket winter mirror copper"


@dataclass(frozen=True, kw_only=True)
class Film:
    """How one clip is filmed."""

    seed: int
    seconds: float = SECONDS
    rate: int = RATE
    clock: int = 1000
    sound: float | None = SECONDS
    volume: float = 1.0
    people: int = 1

    def write(self) -> bytes:
        draw = np.random.default_rng(self.seed)
        times = np.arange(max(2, round(self.seconds * self.rate))) / self.rate
        if self.clock != 1000:  # no rate can be told from times that jitter
            times[1:] += draw.uniform(0, 0.4 / self.rate, len(times) - 1)
        voice = None if self.sound is None else self.volume * speak(draw.normal(size=6), self.sound, draw)
        sound = None if voice is None else voice.astype(np.float32)
        return write_film(self._frames(len(times)), times, sound, rate=self.rate, clock=self.clock)

    def _frames(self, count: int) -> Iterator[np.ndarray]:
        draw = np.random.default_rng([self.seed, 1])
        looks = [Looks.drawn(draw) if self.people else NOBODY for _ in range(max(1, self.people))]
        painters = [Painter(320, 180, look) for look in looks]
        for number in range(count):
            move = np.array([0.05, 0.03, 0.1, 0.0]) * np.sin(number) + np.array([0, 0, 0, 1])
            frames = [painter.paint(np.full(6, 0.01 * (number % 50)), move) for painter in painters]
            yield np.ascontiguousarray(np.concatenate(frames, axis=1))


def write_clean(root: Path) -> Path:
    """Write a data set in which nothing is wrong."""
    for part, numbers in PARTS.items():
        for number in numbers:
            id_, film = f"{number:05d}", Film(seed=number)
            folder = root / "test_data" / "raw" if part == "test" else root / "raw"
            write_beside(folder / f"{id_}.mp4", film.write())
            write_beside(root / "text" / f"{id_}.txt", script(number).encode())
            if part != "test":
                frame = next(film._frames(1))
                write_beside(root / "face_images" / id_ / "0.jpg", write_jpeg(frame[:160, :160].copy(), 160))
        if part != "test":
            write_labels(root, part, {name: (lambda i, f=f: f(i)) for name, f in CLEAN.items()})
    lines = [f"{number:05d},p{number // 2}" for numbers in PARTS.values() for number in numbers]
    write_beside(root / "clips.csv", "\n".join(["Filename,person", *lines]).encode())
    return root


def script(number: int) -> str:
    """Give words that no other clip shares."""
    draw = np.random.default_rng([number, 7])
    return " ".join(draw.permutation(WORDS.split())[:8]) + f" number{number}"


SHARES = sorted({k / n for n in (5, 6, 7, 8, 9) for k in range(1, n)})
CLEAN: dict[str, Callable[[int], float]] = {
    "Admiration": lambda i: SHARES[5 * i % len(SHARES)],
    "Joy": lambda i: SHARES[(9 * i + 4) % len(SHARES)],
}


def write_labels(root: Path, part: str, targets: Mapping[str, Callable[[int], float | str]]) -> None:
    """Write a part's table: a function of the clip's number for each target."""
    with (root / f"{part}_split.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Filename", *targets])
        writer.writerows([f"{number:05d}", *(label(number) for label in targets.values())] for number in PARTS[part])


FILMS = {
    6: Film(seed=6, sound=None),
    7: Film(seed=7, volume=0.0),
    8: Film(seed=8, clock=500),
    9: Film(seed=9, seconds=0.2, sound=0.2),
    10: Film(seed=10, seconds=60.0, sound=60.0, rate=1),
    11: Film(seed=11, sound=2.5),
    12: Film(seed=12, people=0),
    13: Film(seed=13, people=2),
}

PLANTED: dict[str, set[str]] = {
    "missing file": {"00000"},
    "unreadable": {"00001"},
    "truncated": {"00002"},
    "damaged": {"00003"},
    "junk": {"00004"},
    "no picture": {"00005"},
    "no sound": {"00006"},
    "silent": {"00007"},
    "frame rate": {"00008"},
    "short": {"00009"},
    "long": {"00010"},
    "picture and sound differ": {"00011"},
    "no face": {"00012"},
    "several faces": {"00013"},
    "no face crops": {"00014"},
    "duplicate": {"00015", "00016"},
    "duplicate across parts": {"00017", "00032"},
    "no words": {"00018"},
    "empty words": {"00019"},
    "unreadable words": {"00020"},
    "repeated script": {"00021", "00022"},
    "script across parts": {"00033"},
    "person across parts": {"00034"},
    "label range": {"00025"},
    "label format": {"00026"},
    "label extreme": {"00027"},
    "label missing": {"00028"},
    "unlisted file": {"99998.mp4"},
    "unmatched side file": {"99999.txt", "99999"},
    "label scale": set(),
    "label constant": set(),
    "label rare": set(),
    "label twins": set(),
    "shift": set(),
}
"""The clips in which each fault is planted; of those of a whole table, none."""

NAMED = {
    "label scale": "Scaled",
    "label constant": "Constant",
    "label rare": "Rare",
    "label twins": "Joy and Twin",
    "shift": "Shifted",
}
"""What a finding about a table has to name."""


def write_faulty(root: Path, clean: Path) -> Path:
    """Copy the clean data set, and plant every fault of ``PLANTED``."""
    shutil.copytree(clean, root)
    raw, text, faces = root / "raw", root / "text", root / "face_images"
    for number, film in FILMS.items():
        (raw / f"{number:05d}.mp4").write_bytes(film.write())
    (raw / "00000.mp4").unlink()
    (raw / "00001.mp4").write_bytes(np.random.default_rng(0).bytes(5_000))
    whole = (raw / "00002.mp4").read_bytes()
    (raw / "00002.mp4").write_bytes(whole[: int(0.6 * len(whole))])
    (raw / "00003.mp4").write_bytes(_scratched((raw / "00003.mp4").read_bytes()))
    (faces / "00004" / "Thumbs.db").write_bytes(b"junk")
    _without_picture(raw / "00005.mp4")
    (faces / "00014" / "0.jpg").unlink()
    (raw / "00016.mp4").write_bytes((raw / "00015.mp4").read_bytes())
    (raw / "00032.mp4").write_bytes((raw / "00017.mp4").read_bytes())
    (raw / "99998.mp4").write_bytes((raw / "00015.mp4").read_bytes())
    (text / "00018.txt").unlink()
    (text / "00019.txt").write_text(" \n")
    (text / "00020.txt").write_bytes(bytes(range(32)) * 40)
    (text / "00022.txt").write_text(f"Uh, {script(21)}!")
    (text / "00033.txt").write_text(script(23).upper())
    (text / "99999.txt").write_text("nobody said this")
    write_beside(faces / "99999" / "0.jpg", (faces / "00015" / "0.jpg").read_bytes())
    table = (root / "clips.csv").read_text()
    (root / "clips.csv").write_text(table.replace("00034,p17", "00034,p12"))
    for part in ("train", "valid"):
        write_labels(root, part, CLEAN | _faulty_targets(part))
    return root


def _faulty_targets(part: str) -> dict[str, Callable[[int], float | str]]:
    valid = part == "valid"
    joy = CLEAN["Joy"]
    return {
        "Smooth": lambda i: (0.618 * i + 0.1) % 1,
        "Range": lambda i: 1.7 if i == 25 else SHARES[(7 * i + 2) % len(SHARES)],
        "Format": lambda i: 0.4637 if i == 26 else SHARES[(11 * i + 3) % len(SHARES)],
        "Extreme": lambda i: 999 if i == 27 else 1 + (13 * i) % 7,
        "Missing": lambda i: "" if i == 28 else SHARES[(13 * i + 5) % len(SHARES)],
        "Scaled": lambda i: SHARES[(17 * i + 1) % len(SHARES)] * (100 if valid else 1),
        "Constant": lambda i: 0.0 if valid else SHARES[(19 * i) % len(SHARES)],
        "Rare": lambda i: 0.5 if i in (36, 37, 38) else SHARES[(23 * i) % len(SHARES)] * (not valid),
        "Twin": joy,
        "Shifted": lambda i: SHARES[(29 * i) % (len(SHARES) // 2) + (len(SHARES) // 2 if valid else 0)],
    }


def _scratched(film: bytes) -> bytes:
    """Overwrite some bytes in the middle of the pictures, and leave the index as it is."""
    start = film.index(b"mdat") + int(0.4 * (len(film) - film.index(b"mdat")))
    return film[:start] + np.random.default_rng(3).bytes(400) + film[start + 400 :]


def _without_picture(path: Path) -> None:
    draw = np.random.default_rng(5)
    sound = speak(draw.normal(size=6), SECONDS, draw)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def crashing() -> Callable[[Clip], Facts]:
    """Make what inspects clips, and takes its process down at one of them."""

    def inspect(clip: Clip) -> Facts:
        if clip.id == "b":
            os._exit(3)
        return Facts(clip=clip.id)

    return inspect
