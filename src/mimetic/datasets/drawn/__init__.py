"""The demo: clips that one can see, hear and read, in the challenge's own layout; all of them made up.

::

    ROOT/raw/NNNNN.mp4, audio/NNNNN.mp3, face_images/NNNNN/<n>.jpg, text/NNNNN.txt    training and validation
    ROOT/test_data/raw/NNNNN.mp4, text/NNNNN.txt                                       test, without labels
    ROOT/train_split.csv, valid_split.csv, test_data/test_split.csv
    ROOT/truth/                                                                        what nobody should look at

A drawn face shows, a made-up voice sounds and words say what somebody is made to feel; the labels are what a few
raters would have seen. Every trouble of the real data is in it. The same seed gives the same clips.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.datasets.drawn.cast import EMOTIONS, LONG, MANY_FRAMES, SIZES, WEIGHTS, Role, Size, cast
from mimetic.datasets.drawn.face import NOBODY, Looks, Painter, expression, movement
from mimetic.datasets.drawn.film import CLOCK, write_beside, write_film, write_jpeg, write_mp3
from mimetic.datasets.drawn.script import write_words
from mimetic.datasets.drawn.voice import speak
from mimetic.parallel import Lost, processors, unordered
from mimetic.records import MimeticError, UsageError, find

FRAME_RATE = 12
FACE_SIDE = 160
FACE_EVERY = 3
"""Of the frames, those whose face crop is kept: the organisers keep nearly all."""

SHORTEST = 0.064
NOTE = "Simulated: drawn faces, made-up voices, written words. Models and figures from it say nothing about people."


def make(
    root: Path,
    *,
    size: str = "full",
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Make the demo data set; clips that are there already are kept, so a stopped job goes on.

    Parameters
    ----------
    size
        ``full`` (420 clips of 3 to 6 s, 640 by 360) or ``small`` (48 of 1 to 2 s, for tests).
    progress
        called with ``(clips done, clips)``.

    Raises
    ------
    UsageError
        if the folder holds anything else, or a demo of another size or seed.
    """
    chosen = find(SIZES, size, "size")
    _claim(root, {"size": size, "seed": seed})
    roles = cast(chosen, seed)
    studio = Studio(root, size, seed)
    waiting = [role for role in roles if not studio.is_done(role)]
    done = len(roles) - len(waiting)
    progress(done, len(roles))
    for _, lost in unordered(_Open(studio), waiting, workers=processors() if workers is None else workers):
        if isinstance(lost, Lost):
            raise MimeticError(f"a clip of {root} could not be made: it {lost.reason}")
        done += 1
        progress(done, len(roles))
    _write_tables(root, roles, seed)


def _claim(root: Path, made: dict[str, object]) -> None:
    """Take the folder, or go on in it if it was taken for the same."""
    mark = root / "truth" / "demo.json"
    if mark.is_file():
        if json.loads(mark.read_text("utf-8")) != made:
            raise UsageError(f"{root} holds a demo of another size or seed", remedy="Choose another folder.")
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not empty", remedy="Choose a folder that does not exist yet.")
    else:
        write_beside(mark, json.dumps(made).encode())


@dataclass(frozen=True, slots=True)
class _Open:
    """Opens the studio in a worker; pickled on the way there."""

    studio: Studio

    def __call__(self) -> Callable[[Role], None]:
        return self.studio.make


@dataclass(frozen=True, slots=True)
class Studio:
    """Where the clips of one data set are made, each from its role and the seed alone."""

    root: Path
    size_name: str
    seed: int

    @property
    def size(self) -> Size:
        """How much is made."""
        return SIZES[self.size_name]

    def film_of(self, role: Role) -> Path:
        """Give the path of a clip's film; it is written last, and so says that the clip is done."""
        folder = self.root / "test_data" / "raw" if role.part == "test" else self.root / "raw"
        return folder / f"{role.id}.mp4"

    def is_done(self, role: Role) -> bool:
        """Tell whether the clip is there."""
        return self.film_of(role).is_file()

    def make(self, role: Role) -> None:
        """Write all of a clip's files."""
        draw = np.random.default_rng([self.seed, role.number])
        self._write_words(role, draw)
        times, rate = self._times(role, draw)
        seconds = float(times[-1]) + 1 / FRAME_RATE if role.trouble != "0.064 s" else SHORTEST
        seconds = float(self.size.long) if role.trouble == LONG else seconds
        sound = self._sound(role, seconds, draw)
        looks = NOBODY if role.trouble == "nobody there" else Looks.drawn(draw)
        painter = Painter(self.size.width, self.size.height, looks)
        faces = expression(role.latents["vision"], times, seconds, draw)
        moves = movement(role.latents["motion"], times, draw)
        if role.part != "test" and sound is not None:
            write_beside(self.root / "audio" / f"{role.id}.mp3", write_mp3(sound))
        film = write_film(
            self._frames(role, painter, zip(faces, moves, strict=True)),
            times,
            sound,
            rate=rate,
            clock=CLOCK // 2 if role.trouble == MANY_FRAMES else CLOCK,
            sideways=role.trouble == "rotated",
        )
        whole = len(film) if role.trouble != "truncated" else int(0.6 * len(film))
        write_beside(self.film_of(role), film[:whole])

    def _times(self, role: Role, draw: np.random.Generator) -> tuple[NDArray[np.float64], int]:
        """Give when each frame appears, in seconds, and the rate that the container claims."""
        if role.trouble == LONG:
            return np.arange(self.size.long, dtype=np.float64), 1
        if role.trouble == "0.064 s":
            return np.array([0.0, SHORTEST / 2]), round(2 / SHORTEST)
        times = np.arange(max(2, round(role.seconds * FRAME_RATE))) / FRAME_RATE
        if role.trouble == "variable frame rate":
            gaps = draw.choice([0.5, 1.0, 2.5], size=len(times), p=[0.4, 0.4, 0.2]) / FRAME_RATE
            times = np.cumsum(gaps) - gaps[0]
        if role.trouble == MANY_FRAMES:
            late = draw.uniform(0, 0.5, len(times)) / FRAME_RATE
            return times + late - late[0], FRAME_RATE
        return times, FRAME_RATE

    def _sound(self, role: Role, seconds: float, draw: np.random.Generator) -> NDArray[np.float32] | None:
        voice = speak(role.latents["audio"], seconds, draw)
        if role.trouble == "no sound track":
            return None
        return np.zeros_like(voice) if role.trouble == "silence" else voice

    def _write_words(self, role: Role, draw: np.random.Generator) -> None:
        words = write_words(role.latents["text"], draw)
        if role.trouble == "no words":
            return
        folder = self.root / "test_data" / "text" if role.part == "test" else self.root / "text"
        write_beside(folder / f"{role.id}.txt", b"" if role.trouble == "empty words" else words.encode())

    def _frames(
        self, role: Role, painter: Painter, moments: Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]
    ) -> Iterator[NDArray[np.uint8]]:
        """Paint the frames, and of some keep the face crop, as the organisers do."""
        folder = self.root / "face_images" / role.id
        kept = role.part != "test" and role.trouble != "nobody there"
        left, top, right, bottom = painter.crop
        for number, (face, move) in enumerate(moments):
            frame = painter.paint(face, move)
            if kept and number % FACE_EVERY == 0:
                crop = np.ascontiguousarray(frame[top:bottom, left:right])
                write_beside(folder / f"{number}.jpg", write_jpeg(crop, FACE_SIDE))
            yield frame
        if kept and role.number % 10 == 0:
            write_beside(folder / "Thumbs.db", b"junk")


# ---------------------------------------------------------------------------------------------- tables


def _write_tables(root: Path, roles: Sequence[Role], seed: int) -> None:
    """Write labels, the test list with the organisers' zeros, and the truth; all last."""
    tests = [role for role in roles if role.part == "test"]
    order = np.random.default_rng(seed).permutation(len(tests))
    zeros = ((tests[i].id, np.zeros(len(EMOTIONS))) for i in order)
    write_beside(root / "test_data" / "test_split.csv", _label_table(zeros))
    write_beside(root / "truth" / "test_split.csv", _label_table((role.id, role.label) for role in tests))
    write_beside(root / "truth" / "clips.csv", _truth_table(roles))
    write_beside(root / "truth" / "README.txt", f"{NOTE}\n".encode())
    for part in ("valid", "train"):
        labels = ((role.id, role.label) for role in roles if role.part == part)
        write_beside(root / f"{part}_split.csv", _label_table(labels))


def _label_table(rows: Iterator[tuple[str, NDArray[np.float64]]]) -> bytes:
    return _table(["Filename", *EMOTIONS], ([id_, *map(float, values)] for id_, values in rows))


def _truth_table(roles: Sequence[Role]) -> bytes:
    columns = [f"{modality} {emotion}" for modality in WEIGHTS for emotion in EMOTIONS]
    rows = (
        [role.id, role.part, role.trouble, role.raters, *(round(float(v), 6) for m in WEIGHTS for v in role.latents[m])]
        for role in roles
    )
    return _table(["clip", "part", "trouble", "raters", *columns], rows)


def _table(header: list[str], rows: Iterator[list[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
