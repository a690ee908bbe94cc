"""The unit of work of an extraction: some consecutive clips, and which features of them are missing.

In go a ``Task`` and what its clips gave; out comes a shard a feature in the store. A task travels to whatever process,
or machine, does it: the bytes that it writes depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mimetic.features import Feature
from mimetic.reading import Taken
from mimetic.records import Clip
from mimetic.store import Row, Store, write_shard


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """A shard that is to be made.

    Attributes
    ----------
    index
        of the shard within the data set.
    sources
        by feature, what each clip's row is made from.
    kept
        by feature, clips whose rows were not extracted, and stay as they are.
    aside
        clips that are not to be touched again, each with the reason.
    """

    index: int
    clips: tuple[Clip, ...]
    features: tuple[Feature, ...]
    sources: Mapping[str, tuple[str, ...]]
    kept: Mapping[str, frozenset[str]]
    aside: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> list[Clip]:
        """The clips that are not set aside."""
        return [clip for clip in self.clips if clip.id not in self.aside]

    def without(self, aside: Mapping[str, str]) -> Task:
        """Give the task with more clips set aside."""
        return replace(self, aside={**self.aside, **aside})


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What tasks are done with.

    Attributes
    ----------
    workers
        processes that decode and compute; as many as there are processors if not told, 0 for this one.
    device
        where pretrained models compute.
    limit
        processor seconds that a clip's decoding may take.
    backend
        what computes them on the CPU; what the store was computed with, or torch, if not told.
    """

    workers: int | None = None
    device: str = "auto"
    limit: float = 0.0
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A shard that is in the store: its index, and by feature the processor seconds that it took.

    Three each: all of them, those of decoding, those of the model.
    """

    index: int
    seconds: Mapping[str, tuple[float, float, float]]


def write(task: Task, given: Sequence[Mapping[str, Taken]], store: Store) -> Done:
    """Write what the task's clips (those that are not set aside) gave, a shard a feature."""
    results = _with_aside(task, given)
    for feature in task.features:
        rows = [
            Row(clip=clip.id, source=source, track=taken[feature.key].track, reason=taken[feature.key].reason)
            for clip, source, taken in zip(task.clips, task.sources[feature.key], results, strict=True)
            if clip.id not in task.kept[feature.key]
        ]
        write_shard(store.folder(feature.key), task.index, feature.identity, rows, feature.dtype)
    return Done(task.index, {feature.key: _spent(feature.key, results) for feature in task.features})


def _spent(key: str, results: Sequence[Mapping[str, Taken]]) -> tuple[float, float, float]:
    taken = [result[key] for result in results]
    return sum(t.seconds for t in taken), sum(t.decoding for t in taken), sum(t.computing for t in taken)


def _with_aside(task: Task, given: Sequence[Mapping[str, Taken]]) -> list[Mapping[str, Taken]]:
    """Give what every clip of the task gave; of those set aside the reason."""
    rest = iter(given)
    return [
        {feature.key: Taken(None, task.aside[clip.id]) for feature in task.features}
        if clip.id in task.aside
        else next(rest)
        for clip in task.clips
    ]
