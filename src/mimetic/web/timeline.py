"""How a clip's scores rise and fall, and what they rest on: a reading in, windows and contributions over time out.

A model scores whole clips. What is shown over time is what it says of *windows*: the same tracks, cut to a few seconds,
scored as if they were a clip. A modality's contribution is how much a window's score falls when the modality is left
out of it; a moment's weight is how much the clip's score falls when the moment is cut out. Attention is the encoder's
own. All of it describes the model, and none of it is a truth about the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.batches import Ragged, make_batch
from mimetic.encoders.convolutional import TEMPERATURE
from mimetic.live import EVERY, WINDOW
from mimetic.network import Branch
from mimetic.records import Json, Track
from mimetic.web.scoring import Desk, Reading

MOST = 60
"""Windows: each is scored once whole, once without each modality, and once for the moment that it cuts out."""

SHORTEST = 1.0
"""Seconds of a clip below which it has no windows."""

ATTENDING = {"attention": 1.0, "bilstm": 1.0, "tcn": TEMPERATURE}
"""Encoders that weigh their rows by a layer named ``score``, and what they divide it by before the softmax."""

POINTS = 300
"""Of a curve over time: what a screen can show."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Windows:
    """What the model says of windows.

    ``times`` are their middles in seconds, ``(window,)``; ``width`` in seconds; ``scores`` ``(window, target)``;
    ``contributions`` ``(modality, window, target)``: the score less what it is without the modality, zero where the
    window does not have it; ``moments`` ``(window, target)``: the clip's score less what it is without the window.
    """

    times: Floats
    width: float
    scores: Floats
    contributions: Floats
    moments: Floats


def windows_of(desk: Desk, reading: Reading) -> Windows | None:
    """Score a clip window by window; ``None`` where it is too short, or has no time."""
    tracks = [reading.track(feature.key) for feature in desk.features]
    if reading.seconds < SHORTEST or not any(track is not None and track.rate for track in tracks):
        return None
    width = min(WINDOW, reading.seconds / 2)  # of a clip shorter than two of them, half of it
    step = max(EVERY, reading.seconds / (MOST - 1))
    times = np.arange(0.0, reading.seconds + 1e-9, step)[:MOST]
    spans = [(max(0.0, t - width / 2), min(reading.seconds, t + width / 2)) for t in times.tolist()]
    inside = [[_inside(track, *span) for span in spans] for track in tracks]
    outside = [[_outside(track, *span) for span in spans] for track in tracks]
    whole = _score(desk, inside)
    without = [
        _score(desk, [_none(of) if m == gone else of for m, of in enumerate(inside)]) for gone in range(len(tracks))
    ]
    clip = _score(desk, [[track] for track in tracks])
    return Windows(
        times=times,
        width=width,
        scores=whole,
        contributions=whole - np.stack(without) if len(tracks) > 1 else np.zeros((0, *whole.shape)),
        moments=clip - _score(desk, outside),
    )


def _score(desk: Desk, tracks: Sequence[Sequence[Track | None]]) -> Floats:
    parts = tuple(Ragged(of, dim) for of, dim in zip(tracks, desk.run.dims, strict=True))
    return desk.model(parts)


def _none(tracks: Sequence[Track | None]) -> list[Track | None]:
    return [None] * len(tracks)


def _rows(track: Track, start: float, stop: float) -> NDArray[np.bool_]:
    """Tell which rows of a track begin within a span of time."""
    times = np.arange(len(track.values)) / track.rate
    return (times >= start - 1e-9) & (times < stop - 1e-9)


def _inside(track: Track | None, start: float, stop: float) -> Track | None:
    """Cut a track to a span; one vector for the whole clip has no time, and stays."""
    return track if track is None or not track.rate else _kept(track, _rows(track, start, stop))


def _outside(track: Track | None, start: float, stop: float) -> Track | None:
    """Cut a span out of a track."""
    return track if track is None or not track.rate else _kept(track, ~_rows(track, start, stop))


def _kept(track: Track, rows: NDArray[np.bool_]) -> Track:
    return Track(values=track.values[rows], rate=track.rate, valid=track.valid[rows])


# ------------------------------------------------------------------------------------------- attention


def attention_of(desk: Desk, reading: Reading) -> dict[str, tuple[Floats, Floats]]:
    """Give, by modality, the times of the rows that were seen and the encoder's weight of each; where it has some."""
    found: dict[str, tuple[Floats, Floats]] = {}
    if desk.network is None:
        return found
    for place, (part, name) in enumerate(zip(desk.run.recipe.parts, desk.run.recipe.modalities, strict=True)):
        track = reading.track(desk.features[place].key)
        if part.encoder in ATTENDING and track is not None and track.rate and track.valid.any():
            times = np.flatnonzero(track.valid) / track.rate
            logits = _logits(desk, reading, place)
            found[name] = times[: len(logits)], _softmax(logits / ATTENDING[part.encoder])
    return found


def _logits(desk: Desk, reading: Reading, place: int) -> Floats:
    """Listen to an encoder's ``score`` layer while the clip is scored: ``(row,)``."""
    assert desk.network is not None
    branch = desk.network.branches[place]
    assert isinstance(branch, Branch)
    heard: list[torch.Tensor] = []
    score = branch.encoder.get_submodule("score")
    listening = score.register_forward_hook(lambda _module, _inputs, output: heard.append(output))
    try:
        features = zip(desk.features, desk.run.dims, desk.network.seconds, strict=True)
        parts = [Ragged([reading.track(f.key)], dim).beginning(seconds) for f, dim, seconds in features]
        with torch.inference_mode():
            desk.network(make_batch(parts, np.arange(1), torch.device("cpu")))
    finally:
        listening.remove()
    logits: Floats = heard[0].double().numpy().reshape(-1)
    return logits


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum())


# ---------------------------------------------------------------------------------------------- as JSON


def as_json(desk: Desk, reading: Reading) -> Json:
    """Give all that the timeline of a clip shows; times in seconds."""
    windows, named = windows_of(desk, reading), zip(desk.run.recipe.modalities, desk.features, strict=True)
    return {
        "seconds": reading.seconds,
        "targets": list(desk.run.targets),
        "modalities": list(desk.run.recipe.modalities),
        "timeless": [name for name, f in named if _is_timeless(reading.track(f.key))],
        "mixture": desk.network is None,
        "windows": None if windows is None else _windows_as_json(windows, desk),
        "attention": {m: _curve(*of) for m, of in attention_of(desk, reading).items()},
    }


def _is_timeless(track: Track | None) -> bool:
    return track is not None and not track.rate


def _windows_as_json(windows: Windows, desk: Desk) -> Json:
    contributions = dict(zip(desk.run.recipe.modalities, windows.contributions, strict=False))
    return {
        "width": windows.width,
        "times": _plain(windows.times),
        "scores": _by_target(windows.scores, desk),
        "contributions": {modality: _by_target(of, desk) for modality, of in contributions.items()},
        "moments": _by_target(windows.moments, desk),
    }


def _by_target(values: Floats, desk: Desk) -> dict[str, list[float]]:
    return {target: _plain(values[:, column]) for column, target in enumerate(desk.run.targets)}


def _curve(times: Floats, values: Floats) -> Json:
    """Thin a curve to what a screen can show: of neighbours, the largest."""
    every = -(-len(times) // POINTS)
    starts = np.arange(0, len(times), every)
    return {"times": _plain(times[starts]), "values": _plain(np.maximum.reduceat(values, starts))}


def _plain(values: Floats) -> list[float]:
    return [float(value) for value in np.round(values, 6)]
