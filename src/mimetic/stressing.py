"""What a system's score loses when things go wrong: runs, their data set and its features in, paired losses out.

On features every clip of the part is put through each stress of ``evidence.stress``; raw, a sample of the clips is
decoded again with each disturbance of ``evidence.disturbances``, and passes its extractors once more. Every loss is
paired with the same clips undisturbed, read in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged, load_tracks
from mimetic.evaluation import Floats, stacked, without_score
from mimetic.evidence.disturbances import DISTURBANCES
from mimetic.evidence.intervals import Comparison, Interval, compare, holm, interval
from mimetic.evidence.stress import Stress, deviation, disturbed, stresses
from mimetic.network import EVALUATED_AT_ONCE, Network, score_tracks
from mimetic.prediction import read
from mimetic.reading import Through
from mimetic.records import BadData, Clip, Dataset, Json
from mimetic.runs import Run
from mimetic.sharing import Grouping
from mimetic.splits import texts_of
from mimetic.store import Store

RAW_CLIPS = 100
"""Clips that are decoded again for every disturbance, if nobody says how many."""

RESAMPLES = 2_000
LEVEL = 0.05
"""Probability of claiming any change where there is none."""

UNDISTURBED = "undisturbed"
CPU = torch.device("cpu")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """What one stress does: the score under it, and that minus the undisturbed one; ``corrected`` by Holm."""

    name: str
    mean_pearson: Interval
    change: Comparison
    corrected: float

    @property
    def verdict(self) -> str:
        """Say whether it matters, as far as can be told after so many looks."""
        if math.isnan(self.change.difference):
            return "undefined"
        if not self.corrected <= LEVEL:
            return "no change can be told"
        return "worse" if self.change.difference < 0 else "better"

    def as_json(self) -> Json:
        """Give the loss as ``--json`` prints it."""
        told = self.change.as_json()
        names = ("difference", "low", "high", "chance")
        change = {name: told[name] for name in names} | {"corrected": self.corrected, "verdict": self.verdict}
        return {"name": self.name, "mean_pearson": self.mean_pearson.as_json(), **change}


@dataclass(frozen=True, kw_only=True, slots=True)
class Stressed:
    """A system, undisturbed and under each stress; ``level`` is ``features`` or ``clips``.

    ``undefined`` are targets that have no score on these clips, disturbed or not, and why.
    """

    recipe: str
    data: str
    part: str
    level: str
    clips: int
    seeds: tuple[int, ...]
    undisturbed: Interval
    losses: tuple[Loss, ...]
    undefined: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def as_json(self) -> Json:
        """Give all of it as ``--json`` prints it."""
        names = ("recipe", "data", "part", "level", "clips", "note")
        return {
            **{name: getattr(self, name) for name in names},
            "seeds": list(self.seeds),
            "undisturbed": self.undisturbed.as_json(),
            "undefined": dict(self.undefined),
            "stresses": [loss.as_json() for loss in self.losses],
        }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Chosen:
    """The clips that are looked at, their labels and groups."""

    clips: tuple[Clip, ...]
    true: Floats
    groups: NDArray[np.intp] | None


def stress_features(
    runs: Sequence[Run],
    dataset: Dataset,
    store: Store,
    *,
    part: str = "valid",
    groups: Grouping | None = None,
    clips: int | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress = lambda _done, _total: None,
) -> Stressed:
    """Put one system's features through all that can go wrong with them.

    Parameters
    ----------
    clips
        look at a sample of so many, drawn by ``seed``; at all of the part if not told.

    Raises
    ------
    StoreError
        if a clip has no row for a feature.
    BadRun, BadData
        as ``evaluate``.
    """
    chosen = _choose(runs, dataset, part, groups, clips, seed)
    members = replace(dataset, clips=chosen.clips, labels=chosen.true, columns={})
    features, networks = runs[0].features, [run.network() for run in runs]
    parts = tuple(load_tracks(store, feature, members) for feature in features)
    plan = stresses(runs[0].recipe.modalities, [part.rate for part in parts])
    deviations = [deviation(part) for part in parts]
    ids = [clip.id for clip in chosen.clips]
    before = _scores(networks, [parts])
    found: dict[str, Floats] = {}
    for number, one in enumerate(plan):
        progress(number, len(plan))
        found[one.name] = _scores(networks, _pieces(one, parts, ids, deviations, seed))
    progress(len(plan), len(plan))
    return _told(runs, part, "features", chosen, before, found, resamples)


def _pieces(
    one: Stress, parts: Sequence[Ragged], ids: Sequence[str], deviations: Sequence[Floats], seed: int
) -> Iterator[tuple[Ragged, ...]]:
    """Yield the disturbed tracks of a few clips at a time."""
    for start in range(0, len(ids), EVALUATED_AT_ONCE):
        yield disturbed(one, parts, range(start, min(len(ids), start + EVALUATED_AT_ONCE)), ids, deviations, seed)


def _scores(networks: Sequence[Network], pieces: Iterable[tuple[Ragged, ...]]) -> Floats:
    """Score clips that come in pieces, ``(seed, clip, target)``."""
    scored = [
        np.stack([score_tracks(network, parts, np.arange(len(parts[0].values)), CPU) for network in networks])
        for parts in pieces
    ]
    return np.concatenate(scored, axis=1)


def stress_raw(
    runs: Sequence[Run],
    dataset: Dataset,
    *,
    part: str = "valid",
    groups: Grouping | None = None,
    clips: int | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    device: str = "auto",
    accepted: Collection[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> Stressed:
    """Put the clips themselves through what can go wrong with them: each is decoded once for every disturbance.

    Arguments and errors are those of ``stress_features`` and ``predict``; clips without a media file are left out.

    Raises
    ------
    BadData
        if no clip of the part has one.
    """
    chosen = _choose(runs, _filmed(dataset), part, groups, clips, seed)
    plan = _plan(runs[0], chosen.clips, seed)
    networks = [run.network() for run in runs]
    scores: dict[str, Floats] = {}
    for number, (name, asked, through) in enumerate(plan):
        tell = _part_of(progress, number, len(plan))
        reading = read(runs[0], asked, device=device, accepted=accepted, through=through, progress=tell)
        scores[name] = _scores(networks, [reading.parts])
    return _told(runs, part, "clips", chosen, scores.pop(UNDISTURBED), scores, resamples)


def _plan(run: Run, clips: Sequence[Clip], seed: int) -> list[tuple[str, Sequence[Clip], Through | None]]:
    """Name what the clips are put through, as far as the run looks at it; first of all nothing."""
    views = {feature.entry.view for feature in run.features}
    plan: list[tuple[str, Sequence[Clip], Through | None]] = [(UNDISTURBED, clips, None)]
    plan += [(name, clips, one.through) for name, one in DISTURBANCES.items() if views & one.views]
    return [*plan, ("words of another clip", _exchanged(clips, seed), None)] if "words" in views else plan


def _exchanged(clips: Sequence[Clip], seed: int) -> list[Clip]:
    """Give every clip that has words those of another one."""
    texts = texts_of(clips)
    speaking = [row for row, text in enumerate(texts) if text is not None]
    order = np.random.default_rng(seed).permutation(speaking).tolist()
    partner = dict(zip(order, [*order[1:], *order[:1]], strict=True))
    return [replace(clip, text=texts[partner[row]]) if row in partner else clip for row, clip in enumerate(clips)]


def _part_of(progress: Progress, number: int, of: int) -> Progress:
    """Give the progress of one of several equal parts."""
    return lambda done, total: progress(number * total + done, of * total)


# ----------------------------------------------------------------------------------- clips and losses


def _filmed(dataset: Dataset) -> Dataset:
    """Give the clips that have a media file.

    Raises
    ------
    BadData
        if there is none.
    """
    rows = [row for row, clip in enumerate(dataset.clips) if clip.path is not None and clip.path.is_file()]
    if not rows:
        raise BadData(f"{dataset.name} has no media files", remedy="Without --raw, its features are enough.")
    return replace(dataset, clips=tuple(dataset.clips[row] for row in rows), labels=dataset.labels[rows], columns={})


def _choose(
    runs: Sequence[Run], dataset: Dataset, part: str, groups: Grouping | None, clips: int | None, seed: int
) -> _Chosen:
    """Take the clips of a part that the data set has, or a sample of them, with what the run knows of them."""
    outcome, _ = stacked(runs, part)
    by_id = {clip.id: clip for clip in dataset.clips}
    rows = np.array([row for row, clip in enumerate(outcome.clips) if clip in by_id], dtype=np.intp)
    if not len(rows):
        remedy = "Give the data set that the run was trained on."
        raise BadData(f"{dataset.name} has none of the run's {part} clips", remedy=remedy)
    if clips is not None and clips < len(rows):
        rows = np.sort(np.random.default_rng(seed).choice(rows, clips, replace=False))
    ids = [outcome.clips[row] for row in rows]
    return _Chosen(
        clips=tuple(by_id[clip] for clip in ids),
        true=outcome.true[rows],
        groups=None if groups is None else groups.of_clips(ids),
    )


def _told(
    runs: Sequence[Run],
    part: str,
    level: str,
    chosen: _Chosen,
    before: Floats,
    found: Mapping[str, Floats],
    resamples: int,
) -> Stressed:
    true, groups = chosen.true, chosen.groups
    undisturbed = interval(true, before, groups=groups, resamples=resamples)
    changes = [compare(true, scores, before, groups=groups, resamples=resamples) for scores in found.values()]
    corrected = holm([change.chance for change in changes]).tolist()
    losses = [
        Loss(
            name=name,
            mean_pearson=interval(true, scores, groups=groups, resamples=resamples),
            change=change,
            corrected=chance,
        )
        for (name, scores), change, chance in zip(found.items(), changes, corrected, strict=True)
    ]
    return Stressed(
        recipe=runs[0].recipe.name,
        data=runs[0].data,
        part=part,
        level=level,
        clips=len(chosen.clips),
        seeds=tuple(run.seed for run in runs),
        undisturbed=undisturbed,
        losses=tuple(losses),
        undefined=without_score(runs[0].targets, true, undisturbed),
        note=runs[0].note,
    )
