"""A simulated twin of the challenge's data set: no clip, only features and labels, and the best score that can be had.

::

    ROOT/train_split.csv, valid_split.csv, test_data/test_split.csv       as the challenge has them; no test labels
    ROOT/clips.csv                                                        person, script and number of raters of a clip
    ROOT/features/                                                        a store, signed as simulated
    ROOT/truth/                                                           test labels, probabilities, ceilings.json

**What is drawn.** Each emotion's strength in a clip is a standard normal sum: what the words say (96 dimensions), what
the voice adds to them (64, which repeat the words' in part), what the face shows (16), a term of the script's own that
no feature shows, one of the person's, and a rest. A clip has 3 to 9 raters; each sees the emotion with probability
``Phi(bias + scale * strength)``, and the label is the share who did, ``k / n``. Biases, scales and correlations are
fitted to the real means, deviations, shares of zeros and correlations; strengths a modality to the poster's heat map.

**What is shown.** A feature shows its modality's latents, the *statistic*, in some of its frames; which ones is in the
features; the rest is a person's look, slow waves and noise (``tracks``). Some features are garbled copies of others;
motion is little more than a shadow of the face. Scripts recur as they do in the real data (55 % of test clips have one
of training at 2:1, 70 % at 4:1) and so do people, who are never in two parts. Modalities are missing as often as there.

**What follows.** Given features, strengths are normal with a mean and a variance that can be written down, so that the
best prediction, and what it scores, are known (``ceilings``). All of it was settled before any model was trained on it.

``full`` has the real sizes and rates (24 GB, for speed), ``lite`` the same clips and labels at a tenth of the rates
(for tables), ``small`` is for tests. The mean over the frames that show something is the same at every rate.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mimetic.datasets.simulated import world
from mimetic.datasets.simulated.crowd import PARTS, Cast, gather
from mimetic.datasets.simulated.tracks import LAYOUTS, directions, render
from mimetic.features import feature
from mimetic.parallel import Lost, processors, unordered
from mimetic.records import Json, MimeticError, Track, UsageError, find
from mimetic.store import Row, Store, shard_path, write_atomically, write_shard

NOTE = (
    "Simulated: features and labels drawn from a model of the data set. Figures from it say how near a system comes to"
    " a known ceiling, and nothing about people."
)
SHARD = 256
"""Clips in a shard."""

ROWS = 4096
"""Rows of a track that are made at a time."""

REASONS = {"text": "no transcript", "audio": "no sound track", "vision": "no face found", "motion": "no face found"}
"""Why a clip has no track of a modality."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How many clips, at which share of the real rates; lengths are cut at ``longest`` seconds."""

    clips: dict[str, int]
    rate: float
    longest: float = float("inf")
    draws: int = 1_000_000


SIZES = {
    "full": Size(clips={"train": 8_072, "valid": 4_588, "test": 4_586}, rate=1.0),
    "lite": Size(clips={"train": 8_072, "valid": 4_588, "test": 4_586}, rate=0.1),
    "small": Size(clips={"train": 120, "valid": 60, "test": 60}, rate=0.1, longest=60.0, draws=50_000),
}


P = ParamSpec("P")
R = TypeVar("R")


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Compute with one thread: a product over two rounds differently, and what is drawn would depend on who draws."""
    alone: Callable[P, R] = threadpool_limits.wrap(limits=1, user_api="blas")(function)
    return alone


@one_thread
def make(
    root: Path,
    *,
    size: str = "lite",
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Make the twin; shards that are there already are kept, so a stopped job goes on.

    Parameters
    ----------
    size
        ``full``, ``lite`` or ``small``.
    progress
        called with ``(shards done, shards)``.

    Raises
    ------
    UsageError
        if the folder holds anything else, or a twin of another size or seed.
    """
    chosen = find(SIZES, size, "size")
    _claim(root, {"size": size, "seed": seed, "world": world.SEED})
    studio = Studio(root, size, seed)
    jobs = [(key, index) for key in LAYOUTS for index in range(studio.shards)]
    progress(done := 0, len(jobs))
    for _, lost in unordered(_Open(studio), jobs, workers=processors() if workers is None else workers):
        if isinstance(lost, Lost):
            raise MimeticError(f"a shard of {root} could not be made: it {lost.reason}")
        progress(done := done + 1, len(jobs))
    _write_tables(root, studio.cast, chosen, seed)


def _claim(root: Path, made: Json) -> None:
    """Take the folder, or go on in it if it was taken for the same."""
    mark = root / "truth" / "simulated.json"
    if mark.is_file():
        if json.loads(mark.read_text("utf-8")) != made:
            raise UsageError(f"{root} holds a twin of another size or seed", remedy="Choose another folder.")
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"{root} is not empty", remedy="Choose a folder that does not exist yet.")
    else:
        write_atomically(mark, json.dumps(made).encode())


# --------------------------------------------------------------------------------------------- features


@dataclass(frozen=True, slots=True)
class _Open:
    """Opens the studio in a worker; pickled on the way there."""

    studio: Studio

    def __call__(self) -> Callable[[tuple[str, int]], None]:
        return lambda job: self.studio.write(*job)


@dataclass(frozen=True)
class Studio:
    """Where tracks are made: each from the crowd, the seed and its clip's number alone."""

    root: Path
    size_name: str
    seed: int

    def __getstate__(self) -> tuple[Path, str, int]:
        """Leave the crowd out: every worker draws the same."""
        return self.root, self.size_name, self.seed

    def __setstate__(self, state: tuple[Path, str, int]) -> None:
        for name, value in zip(("root", "size_name", "seed"), state, strict=True):
            object.__setattr__(self, name, value)

    @property
    def size(self) -> Size:
        """How much is made."""
        return SIZES[self.size_name]

    @cached_property
    def cast(self) -> Cast:
        """Everybody."""
        return gather(self.size.clips, self.seed)

    @property
    def shards(self) -> int:
        """How many shards a feature has."""
        return -(-sum(self.size.clips.values()) // SHARD)

    @one_thread
    def write(self, key: str, index: int) -> None:
        """Write one feature of some clips, unless it is there."""
        rate = LAYOUTS[key].rate * self.size.rate
        identity = {**feature(key).identity, "rate": rate, "made": "simulated"}
        numbers = range(index * SHARD, min((index + 1) * SHARD, len(self.cast.parts)))
        source = f"simulated {self.size_name} {self.seed}"
        sources = [(self.cast.ids[number], source) for number in numbers]
        folder = Store(self.root / "features").folder(key)
        if not shard_path(folder, index, identity, sources).is_file():
            rows = [self._row(key, number, rate, source) for number in numbers]
            write_shard(folder, index, identity, rows, feature(key).dtype)

    def _row(self, key: str, number: int, rate: float, source: str) -> Row:
        modality = world.MODALITY[key]
        if self.cast.crowd.lacks(modality)[number]:
            return Row(clip=self.cast.ids[number], source=source, track=None, reason=REASONS[modality])
        return Row(clip=self.cast.ids[number], source=source, track=self.track(key, number, rate), reason=None)

    @one_thread
    def track(self, key: str, number: int, rate: float) -> Track:
        """Make a clip's track."""
        crowd, which = self.cast.crowd, list(LAYOUTS).index(key)
        groups = crowd.scripts if world.MODALITY[key] == "text" else crowd.people
        own = np.random.default_rng([self.seed, 1, which, int(groups[number])])
        draw = np.random.default_rng([self.seed, 2, which, number])
        count = max(1, int(min(self.cast.seconds[number], self.size.longest) * rate)) if rate else 1
        nuisance = own.standard_normal(LAYOUTS[key].nuisance).astype(np.float32)
        statistic = crowd.shown[key][number].astype(np.float32)
        coordinates, seen = render(key, statistic, nuisance, count, rate, draw)
        values = np.empty((count, LAYOUTS[key].dim), feature(key).dtype)
        for start in range(0, count, ROWS):
            values[start : start + ROWS] = coordinates[start : start + ROWS] @ directions(key)
        values[~seen] = 0
        return Track(values=values, rate=rate, valid=seen)


# ----------------------------------------------------------------------------------------------- tables


def _write_tables(root: Path, cast: Cast, size: Size, seed: int) -> None:
    """Write what is known of the clips, the truth, and last what makes the folder a data set."""
    from mimetic.datasets.simulated.ceilings import ceilings

    labels, chances = cast.crowd.labels, cast.crowd.chances
    tests = np.flatnonzero(cast.parts == "test")
    crowd = cast.crowd
    facts = ([f"p{p:04d}", f"s{s:05d}", n] for p, s, n in zip(crowd.people, crowd.scripts, crowd.raters, strict=True))
    known = ([id_, *of] for id_, of in zip(cast.ids, facts, strict=True))
    write_atomically(root / "clips.csv", _table(["Filename", "person", "script", "raters"], known))
    truth = json.dumps(ceilings(cast, draws=size.draws, seed=seed), indent=1) + "\n"
    write_atomically(root / "truth" / "ceilings.json", truth.encode())
    write_atomically(root / "truth" / "probabilities.csv", _labels(cast.ids, chances, np.arange(len(cast.ids))))
    write_atomically(root / "truth" / "test_split.csv", _labels(cast.ids, labels, tests))
    write_atomically(root / "truth" / "README.txt", f"{NOTE}\n".encode())
    zeros = np.zeros_like(labels)
    write_atomically(root / "test_data" / "test_split.csv", _labels(cast.ids, zeros, tests))
    for part in ("valid", "train"):
        assert part in PARTS
        write_atomically(root / f"{part}_split.csv", _labels(cast.ids, labels, np.flatnonzero(cast.parts == part)))


def _labels(ids: Sequence[str], values: NDArray[np.float64], rows: NDArray[np.intp]) -> bytes:
    return _table(["Filename", *world.EMOTIONS], ([ids[row], *map(float, values[row])] for row in rows))


def _table(header: list[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
