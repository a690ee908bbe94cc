"""What an extraction will cost, from a sample of its clips: clips and features in, seconds and bytes a clip out.

The sample goes through as an extraction does, in one process with one thread, after a first clip that loads the models
and is not counted. A feature's seconds are its own and its share of the decoding, which all of them use. Networks that
another backend than torch computes are converted before, as for an extraction; that is done once, and not counted.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from mimetic.computed import read_computed, ready
from mimetic.conveying import convey_here
from mimetic.devices import choose_device
from mimetic.extraction import source_of
from mimetic.features import Feature
from mimetic.licences import check_licences
from mimetic.reading import Taken
from mimetic.records import Clip, Json, UsageError
from mimetic.shards import Means, Task, write
from mimetic.store import Store

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one feature costs a clip.

    ``low`` and ``high`` are the ends of the 95 % interval of the mean seconds. ``computed`` tells by which backend, and
    how far from float32, if by another than torch or in less.
    """

    feature: str
    seconds: float
    low: float
    high: float
    bytes: float
    short: int
    computed: Json = field(default_factory=dict)

    def scaled(self, clips: int, *, cores: int, price: float) -> Json:
        """Say what so many clips cost: processor hours, bytes, hours on so many cores, and money.

        Parameters
        ----------
        price
            of an hour of one core.
        """
        hours = self.seconds * clips / 3600
        ends = (self.low * clips / 3600, self.high * clips / 3600)
        told = {"cpu_hours": hours, "cpu_hours_low": ends[0], "cpu_hours_high": ends[1]}
        return {**told, "bytes": self.bytes * clips, "hours": hours / cores, "money": hours * price}


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a data set's features will cost, and the clips from which that was measured."""

    clips: int
    sample: tuple[str, ...]
    costs: tuple[Cost, ...]

    @property
    def total(self) -> Cost:
        """What all features together cost; the ends as if all erred the same way."""
        return Cost(
            feature="all",
            seconds=sum(cost.seconds for cost in self.costs),
            low=sum(cost.low for cost in self.costs),
            high=sum(cost.high for cost in self.costs),
            bytes=sum(cost.bytes for cost in self.costs),
            short=max(cost.short for cost in self.costs),
        )


def plan(
    clips: Sequence[Clip],
    features: Sequence[Feature],
    *,
    sample: int = 16,
    seed: int = 0,
    device: str = "auto",
    accepted: Collection[str] = (),
    backend: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Plan:
    """Measure what features cost, on a sample of the clips.

    Parameters
    ----------
    backend
        what computes pretrained models on the CPU, as ``extract`` takes it.

    Raises
    ------
    UsageError
        if there are no clips, a feature is imported, a licence has not been accepted, or the backend does not compute
        what is asked for.
    MissingExtra
        if the backend is not installed.
    """
    if not clips:
        raise UsageError("there are no clips to plan for", remedy="Give media files, or folders with some.")
    if imported := [feature.key for feature in features if feature.entry.view == "imported"]:
        raise UsageError(f"{', '.join(imported)} is imported, not extracted", remedy="Leave it out.")
    check_licences(features, accepted)
    draw = np.random.default_rng([seed, 41])
    chosen = [clips[i] for i in np.sort(draw.choice(len(clips), min(sample, len(clips)), replace=False))]
    means = Means(workers=0, device=choose_device(device), backend=backend)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        given = _taken(clips, chosen, features, store, means, progress)
        return _measured(clips, chosen, features, given, store)


def _taken(
    clips: Sequence[Clip],
    chosen: Sequence[Clip],
    features: Sequence[Feature],
    store: Store,
    means: Means,
    progress: Callable[[int, int], None],
) -> list[dict[str, Taken]]:
    """Send the sample through; the first clip goes before it, to load the models, and is forgotten."""
    results: list[list[dict[str, Taken]]] = []
    with ready(features, clips, store, means) as converted:
        shards = [chosen[:1], chosen]
        for result in convey_here(features, shards, device=means.device, folder=store.path, converted=converted):
            if result is not None:
                results.append(result)
            progress(min(len(results) * len(chosen), len(chosen)), len(chosen))
    return results[1]


def _measured(
    clips: Sequence[Clip],
    chosen: Sequence[Clip],
    features: Sequence[Feature],
    given: Sequence[dict[str, Taken]],
    store: Store,
) -> Plan:
    """Put the seconds and the bytes together; the bytes are those of the shard that the sample makes."""
    sources = {f.key: tuple(source_of(clip, f.entry.view, f.view_options) for clip in chosen) for f in features}
    kept: dict[str, frozenset[str]] = {feature.key: frozenset() for feature in features}
    task = Task(index=0, clips=tuple(chosen), features=tuple(features), sources=sources, kept=kept)
    write(task, given, store)
    store.refresh()
    costs = tuple(
        _cost(feature.key, [taken[feature.key] for taken in given], len(clips), store) for feature in features
    )
    return Plan(clips=len(clips), sample=tuple(clip.id for clip in chosen), costs=costs)


def _cost(key: str, taken: Sequence[Taken], clips: int, store: Store) -> Cost:
    seconds = np.array([each.seconds for each in taken])
    margin = _margin(seconds, clips)
    mean = float(seconds.mean())
    return Cost(
        feature=key,
        seconds=mean,
        low=max(0.0, mean - margin),
        high=mean + margin,
        bytes=sum(shard.path.stat().st_size for shard in store[key].shards) / len(taken),
        short=sum(each.track is None for each in taken),
        computed=read_computed(store, key),
    )


def _margin(seconds: np.ndarray[tuple[int], np.dtype[np.float64]], clips: int) -> float:
    """Give half of the mean's interval: Student's, with the correction for a sample that is a part of the whole."""
    count = len(seconds)
    if count == clips:
        return 0.0
    if count == 1:
        return math.inf
    error = float(seconds.std(ddof=1)) / math.sqrt(count) * math.sqrt((clips - count) / (clips - 1))
    return float(stats.t.ppf(0.5 + LEVEL / 2, count - 1)) * error
