"""The data set that is shown: its clips with labels and scores, what is wrong with it, and a thumbnail of each.

In go a data set and the run whose scores stand beside the labels; out come rows for a table, as a query asks for them.
Clips are known by their ids alone: no path comes from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing import audit
from mimetic.auditing.findings import Audit
from mimetic.media import open_container
from mimetic.records import Clip, ClipError, Dataset, Json
from mimetic.runs import Run
from mimetic.stills import still
from mimetic.web.limits import THUMBNAILS
from mimetic.web.problems import Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A clip in the table; ``error`` is the mean absolute difference of scores and labels, over the targets."""

    id: str
    part: str | None
    seconds: float | None
    missing: tuple[str, ...]
    true: dict[str, float] | None
    predicted: dict[str, float] | None
    error: float | None

    def as_json(self) -> Json:
        """Give the row as the interface tells it."""
        return {
            "clip": self.id,
            "part": self.part,
            "seconds": self.seconds,
            "missing": list(self.missing),
            "true": self.true,
            "predicted": self.predicted,
            "error": self.error,
        }


class Library:
    """A data set, open to be looked at."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._places = {clip.id: place for place, clip in enumerate(dataset.clips)}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="library")
        self._seconds: dict[str, float | None] = {}
        self._thread.submit(self._measure)
        self.thumbnail: Callable[[str], bytes] = lru_cache(THUMBNAILS)(self._thumbnail)

    def close(self) -> None:
        """Stop what is going on in the background."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def clip(self, name: str) -> Clip:
        """Give a clip by its id.

        Raises
        ------
        Refusal
            404 if the data set does not have it.
        """
        if name not in self._places:
            raise Refusal(404, "the data set has no such clip", remedy="See /api/clips.")
        return self.dataset.clips[self._places[name]]

    def _measure(self) -> None:
        """Read the length of every clip from its header; those not read yet have none in the table."""
        for clip in self.dataset.clips:
            self._seconds[clip.id] = _claimed_seconds(clip)

    @property
    def measured(self) -> int:
        """How many clips have been looked at for their length."""
        return len(self._seconds)

    @cached_property
    def _audited(self) -> Future[Audit]:
        return self._thread.submit(audit, self.dataset, quick=True, workers=0)

    def findings(self) -> Audit | None:
        """Give what a quick audit found; ``None`` while it is under way. The first who asks sets it off."""
        return self._audited.result() if self._audited.done() else None

    def rows(self, run: Run | None) -> list[Row]:
        """Give a row for every clip, in the data set's order."""
        scored = Scored.of(run, self.dataset) if run is not None else None
        return [self._row(place, clip, scored) for place, clip in enumerate(self.dataset.clips)]

    def row(self, name: str, run: Run | None) -> Row:
        """Give the row of one clip.

        Raises
        ------
        Refusal
            404 if the data set does not have it.
        """
        clip = self.clip(name)
        return self._row(self._places[name], clip, Scored.of(run, self.dataset) if run is not None else None)

    def _row(self, place: int, clip: Clip, scored: Scored | None) -> Row:
        labels = self.dataset.labels[place]
        predicted = None if scored is None else scored.predicted[place]
        return Row(
            id=clip.id,
            part=clip.part,
            seconds=self._seconds.get(clip.id),
            missing=() if scored is None else scored.missing(place),
            true=_known(self.dataset.targets, labels),
            predicted=None if predicted is None else _known(self.dataset.targets, predicted),
            error=None if predicted is None else _error(labels, predicted),
        )

    def _thumbnail(self, name: str) -> bytes:
        """Make a small JPEG of a clip's beginning.

        Raises
        ------
        ClipError
            if there is no picture to be had.
        """
        return still(self.clip(name).path)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What a run says of a data set's clips: ``predicted`` is ``(clip, target)``, in the data set's order."""

    predicted: NDArray[np.float64]
    presence: NDArray[np.bool_]
    modalities: tuple[str, ...]

    @classmethod
    def of(cls, run: Run, dataset: Dataset) -> Scored | None:
        """Find the scores of a data set in a run; ``None`` if the run is of other clips, or other labels."""
        outcome = run.outcome
        same = outcome.clips == tuple(clip.id for clip in dataset.clips) and run.targets == dataset.targets
        if not same or not np.array_equal(outcome.true, dataset.labels, equal_nan=True):
            return None
        return cls(outcome.predicted, outcome.presence, run.recipe.modalities)

    def missing(self, place: int) -> tuple[str, ...]:
        """Name the modalities that a clip lacks."""
        there = self.presence[place]
        return tuple(name for name, has in zip(self.modalities, there, strict=True) if not has)


def _claimed_seconds(clip: Clip) -> float | None:
    try:
        if clip.path is None:
            return None
        with open_container(clip.path) as container:
            return None if container.duration is None else container.duration / 1e6
    except ClipError:
        return None


def _known(targets: Sequence[str], values: NDArray[np.float64]) -> dict[str, float] | None:
    known = {name: float(value) for name, value in zip(targets, values, strict=True) if np.isfinite(value)}
    return known or None


def _error(true: NDArray[np.float64], predicted: NDArray[np.float64]) -> float | None:
    apart = np.abs(true - predicted)
    return float(np.nanmean(apart)) if np.isfinite(apart).any() else None
