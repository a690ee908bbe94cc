"""The river on one page: raw clips in, Scores out.

    clip ──► views ──► tracks ──► vectors ──► scores
            media     features   encoders    fusions

A run knows the features that it needs, so a clip is read as it was in training, rounded to the store's type, and scored
by the run's network. What cannot be read is missing, as a modality dropped in training was; the reason is told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.automatic import as_modalities, load_auto
from mimetic.batches import Ragged, load_tracks
from mimetic.contributions import Contributions, contributions
from mimetic.conveying import convey_here
from mimetic.datasets import open_datasets
from mimetic.datasets.table import open_clips
from mimetic.devices import choose_device
from mimetic.licences import check_licences
from mimetic.mixing import load_stack
from mimetic.network import Network, score_tracks
from mimetic.reading import Taken, Through
from mimetic.records import Clip, Dataset, Json, Scores, Track, UsageError
from mimetic.runs import NETWORK, STACK, Run
from mimetic.spools import Spool
from mimetic.stacking import Margins, conformal
from mimetic.store import Store

Model = Callable[[tuple[Ragged, ...]], NDArray[np.float64]]
"""What a run scores with: a track a feature in, ``(clip, target)`` out."""

AT_ONCE = 32
"""Clips whose inputs may share a pretrained model's batch."""

NOTHING_MEASURED = {"faces": "no face found", "frames": "no movement to measure"}
"""Why a track that is there says nothing, by its view."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reading:
    """Clips as a run's network takes them: a track a feature, ``parts``, and the reasons why one is missing."""

    clips: tuple[Clip, ...]
    parts: tuple[Ragged, ...]
    reasons: Sequence[Sequence[str | None]]


def predict(
    run: Run | Path | str,
    clips: Sequence[Clip | Path | str],
    *,
    device: str = "auto",
    accepted: Collection[str] = (),
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Scores:
    """Score raw clips: every one gets a row, in the order asked for.

    >>> scores = predict("RUN", ["clip.mp4", "silent.mp4"])
    >>> scores.values.shape
    (2, 2)
    >>> scores.modalities[1]["audio"]
    'no sound track'

    Parameters
    ----------
    run
        a finished run, or its folder.
    clips
        media files, or ``Clip`` where there is more to know of one (its words, its faces).
    device
        where pretrained extractors compute: auto, cpu, cuda or mps.
    accepted
        names of extractors whose licence the user has read and accepts; some ask for that.

    Returns
    -------
    Scores
        with what was used of each clip, and why the rest was not; a clip that could not be read at all has an error.

    Raises
    ------
    UsageError
        if a licence has not been accepted.
    MissingWeights
        if a pretrained model's files are not to be had.
    """
    run = run if isinstance(run, Run) else Run(run)
    return scores_of(run, read(run, clips, device=device, accepted=accepted, progress=progress))


def read(
    run: Run,
    clips: Sequence[Clip | Path | str],
    *,
    device: str = "auto",
    accepted: Collection[str] = (),
    through: Through | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Reading:
    """Read raw clips as the run's network takes them; arguments and errors are those of ``predict``.

    ``through`` is what decoded pieces pass on their way to the extractors: what disturbs them, to see what comes of it.
    """
    check_licences(run.features, accepted)
    asked = as_clips(clips)
    taken: list[dict[str, Taken]] = []
    shards = [asked[start : start + AT_ONCE] for start in range(0, len(asked), AT_ONCE)]
    progress(done := 0, len(asked))
    for results in convey_here(run.features, shards, device=choose_device(device), through=through):
        taken += results or []
        done += results is None
        progress(done, len(asked))
    features = zip(run.features, run.dims, strict=True)
    parts = tuple(Ragged([_whole(clip[f.key].track) for clip in taken], dim) for f, dim in features)
    reasons = [[clip[f.key].reason for f in run.features] for clip in taken]
    return Reading(clips=asked, parts=parts, reasons=reasons)


def _whole(track: Track | Spool | None) -> Track | None:
    return track.track() if isinstance(track, Spool) else track


def predict_dataset(run: Run, dataset: Dataset, store: Store) -> Scores:
    """Score every clip of a data set from the features in its store."""
    parts = tuple(load_tracks(store, feature, dataset) for feature in run.features)
    reasons = [[store[feature.key].reason(clip.id) for feature in run.features] for clip in dataset.clips]
    return scores_of(run, Reading(clips=dataset.clips, parts=parts, reasons=reasons))


def explain(run: Run, reading: Reading) -> Contributions:
    """Say what each modality adds to the scores of clips that have been read.

    Raises
    ------
    UsageError
        if the run is no network.
    """
    if run.kind != NETWORK:
        raise UsageError(f"{run.path} is a mixture, of which it cannot be said", remedy="Explain one of its networks.")
    return contributions(run.network(), reading.parts, np.arange(len(reading.clips)), torch.device("cpu"))


def as_json(clips: Sequence[Clip], scores: Scores) -> list[Json]:
    """Give scores as ``predict --json`` prints them, an object a clip: what the clips were, and what came of them."""
    rows = zip(clips, scores.values.tolist(), scores.modalities, scores.errors, strict=True)
    return [
        {
            "clip": clip.id,
            "path": None if clip.path is None else str(clip.path),
            "scores": None if error else dict(zip(scores.targets, values, strict=True)),
            "intervals": None if error else _intervals(scores, place),
            "modalities": dict(modalities),
            "error": error,
        }
        for place, (clip, values, modalities, error) in enumerate(rows)
    ]


def _intervals(scores: Scores, place: int) -> Json | None:
    """Give the intervals of one clip by target; an end that is infinite is null."""
    if scores.intervals is None:
        return None
    return dict(zip(scores.targets, scores.intervals[place].tolist(), strict=True))


def as_clips(clips: Sequence[Clip | Path | str]) -> tuple[Clip, ...]:
    """Give what was asked for as clips: a folder or a CSV stands for its clips, a missing file for itself."""
    found: list[Clip] = []
    for clip in clips:
        path = None if isinstance(clip, Clip) else Path(clip)
        if isinstance(clip, Clip):
            found.append(clip)
        elif path is not None and path.suffix.lower() == ".csv" and path.is_file():
            found += open_clips(path).clips
        elif path is not None and path.is_dir():
            found += open_datasets([path]).clips
        elif path is not None:
            found.append(Clip(id=path.name, path=path))
    return tuple(found)


def scores_of(run: Run, reading: Reading, *, model: Model | None = None) -> Scores:
    """Score clips that have been read; ``model`` is the run's own, where whoever asks holds it ready."""
    clips, parts, reasons = reading.clips, reading.parts, reading.reasons
    values = (model or model_of(run))(parts)
    presence = np.stack([part.lengths > 0 for part in parts], axis=1)
    told = [_told(run, has, why) for has, why in zip(presence, reasons, strict=True)]
    errors = [_error(clip, of) if not any(has) else None for clip, of, has in zip(clips, told, presence, strict=True)]
    return Scores(
        clips=tuple(clip.id for clip in clips),
        targets=run.targets,
        values=values,
        modalities=tuple(told),
        errors=tuple(errors),
        intervals=None if (margins := margins_of(run)) is None else margins.around(values),
    )


def model_of(run: Run) -> Model:
    """Open what a run scores with, a network or a mixture.

    Raises
    ------
    BadRun
        if its files are missing or damaged, or its features are computed otherwise now.
    """
    if run.kind == NETWORK:
        return through(run.network())
    features = run.features
    if run.kind == STACK:
        stack = load_stack(run)
        return lambda parts: stack.predict(features, parts)
    mixture = load_auto(run)
    return lambda parts: mixture.predict(as_modalities(features, parts))


def through(network: Network) -> Model:
    """Give a network as what scores clips."""
    cpu = torch.device("cpu")
    return lambda parts: score_tracks(network, parts, np.arange(len(parts[0].values)), cpu)


def margins_of(run: Run) -> Margins | None:
    """Give how far a run's scores may be off: out of fold if it says so itself, else on its validation clips.

    A network's epoch was chosen on those, so that its intervals are a little narrow. ``None`` where there are none.
    """
    if "margins" in run.config:
        told = run.config["margins"]
        return None if told is None else Margins.from_json(told)
    valid = run.outcome.part("valid")
    if np.isnan(valid.true).all():
        return None
    return conformal(valid.true, valid.predicted, source="residuals of the validation clips, which chose the epoch")


def _told(run: Run, has: Sequence[bool], why: Sequence[str | None]) -> dict[str, str]:
    """Say of each modality that it was used, or why not."""
    return {
        name: "used" if there else reason or NOTHING_MEASURED.get(feature.entry.view, "nothing in it")
        for name, feature, there, reason in zip(run.recipe.modalities, run.features, has, why, strict=True)
    }


def _error(clip: Clip, told: Mapping[str, str]) -> str:
    """Say in one line why nothing of the clip could be used."""
    if clip.path is not None and not clip.path.is_file():
        return "no such file"
    return "; ".join(f"{modality}: {reason}" for modality, reason in told.items())
