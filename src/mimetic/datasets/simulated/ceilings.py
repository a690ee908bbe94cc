"""What nobody can beat, and what a linear head can learn: a ``Cast`` in, the table of ceilings out.

Write eta for a strength given features: normal with mean mu and variance v. The best predictor of a label (in the
sense of mean squared error, and so of Pearson correlation) is its mean,

    E[k/n | features] = E[Phi(b + sigma eta)] = Phi((b + sigma mu) / sqrt(1 + sigma^2 v)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.linear_model import RidgeCV

from mimetic.datasets.simulated import world
from mimetic.datasets.simulated.crowd import PARTS, Cast, Crowd, Flags, strangers
from mimetic.datasets.simulated.world import Floats
from mimetic.records import Json
from mimetic.scores import pearson

MEMORY = "script"
"""The name, among features, of a script's own term: what a perfect memory of a script of training adds to words."""

ALPHAS = np.logspace(-1, 5, 13)
"""Ridge penalties that the linear head may choose from."""


# ------------------------------------------------------------------------------------------- posterior


@cache
def posterior(features: tuple[str, ...]) -> tuple[Floats, Floats]:
    """Give the gains ``(dim, emotion)`` and the covariance of the mean ``(emotion, emotion)``.

    The mean of the strengths given the features' statistics, side by side, is ``statistics @ gains``.
    """
    if not features:
        none = len(world.EMOTIONS)
        return np.zeros((0, none)), np.zeros((none, none))
    among = np.block([[_between(one, other) for other in features] for one in features])
    with_strengths = np.concatenate([_towards(feature) for feature in features])
    gains: Floats = np.linalg.solve(among, with_strengths)
    covariance: Floats = np.asarray(with_strengths.T @ gains, np.float64)
    return gains, covariance


def _modality(feature: str) -> str:
    return MEMORY if feature == MEMORY else world.MODALITY[feature]


def _towards(feature: str) -> Floats:
    """Give the covariance of a feature's statistic with the strengths, ``(dim, emotion)``."""
    weights, modality = world.weights(), _modality(feature)
    if modality == MEMORY:
        return np.asarray(weights.script)
    heard = weights.text[: world.DIMS["audio"]]
    bases = {
        "text": weights.text,
        "audio": world.HEARD * heard + np.sqrt(1 - world.HEARD**2) * weights.voice,
        "vision": weights.face,
        "motion": np.sqrt(world.SHADOW) * weights.face,
    }
    return np.asarray(world.LOYALTY[feature] * bases[modality])


def _between(one: str, other: str) -> Floats:
    """Give the covariance of two features' statistics, ``(dim, dim)``."""
    if one == other:
        return world.weights().script if one == MEMORY else np.eye(world.DIMS[_modality(one)])
    rows, columns = (len(_towards(feature)) for feature in (one, other))
    if MEMORY in (one, other):
        return np.zeros((rows, columns))
    pair = {_modality(one), _modality(other)}
    shared = {frozenset({"text", "audio"}): world.HEARD, frozenset({"vision", "motion"}): np.sqrt(world.SHADOW)}
    strength = 1.0 if len(pair) == 1 else shared.get(frozenset(pair), 0.0)
    return np.asarray(world.LOYALTY[one] * world.LOYALTY[other] * strength * np.eye(rows, columns))


def best_predictor(crowd: Crowd, features: Sequence[str], remembered: Flags) -> Floats:
    """Give the best prediction of each clip's labels ``(clip, emotion)`` from the features that it has.

    ``remembered`` tells of each clip whether its script is known from training: then the words tell its own term too.
    """
    predictions = np.zeros((len(crowd.people), len(world.EMOTIONS)))
    has = np.stack([~crowd.lacks(world.MODALITY[feature]) for feature in features], axis=1)
    known = remembered & ~crowd.lacks("text") & any(world.MODALITY[feature] == "text" for feature in features)
    for pattern in product((False, True), repeat=len(features) + 1):
        rows = np.flatnonzero((np.column_stack([has, known]) == pattern).all(axis=1))
        if len(rows):
            held = [feature for feature, there in zip(features, pattern, strict=False) if there]
            predictions[rows] = _predict(crowd, rows, (*held, *([MEMORY] if pattern[-1] else [])))
    return predictions


def _predict(crowd: Crowd, rows: NDArray[np.intp], features: tuple[str, ...]) -> Floats:
    gains, covariance = posterior(features)
    statistics = {**crowd.shown, MEMORY: crowd.own}
    mean = np.zeros((len(rows), len(world.EMOTIONS)))
    if features:
        mean = np.concatenate([statistics[feature][rows] for feature in features], axis=1) @ gains
    left = 1 - np.diag(covariance)
    return np.asarray(ndtr((world.BIASES + world.SCALES * mean) / np.sqrt(1 + world.SCALES**2 * left)))


# ---------------------------------------------------------------------------------------------- the table


def subsets() -> dict[str, tuple[str, ...]]:
    """Name the sets of features that have a ceiling: each feature alone, and the best of each set of modalities."""
    alone = {feature: (feature,) for feature in world.LOYALTY}
    together = {
        "+".join(modalities): tuple(world.BEST[modality] for modality in modalities)
        for size in range(1, len(world.BEST) + 1)
        for modalities in combinations(world.BEST, size)
    }
    return {**alone, **together}


def ceilings(cast: Cast, *, draws: int, seed: int) -> Json:
    """Give the table of ceilings: Pearson's correlation by set of features, kind, and emotion.

    Parameters
    ----------
    draws
        fresh clips that the population's values rest on.

    Returns
    -------
    Json
        ``limit``: what label noise alone leaves, by part. ``sets``: of every set of features, for each part of *this*
        data set ``noisy`` (best predictor against the labels), ``clean`` (against the raters' probability) and
        ``remembering`` (of one that also knows every script of training by heart); ``learnable`` (the best linear head
        on the statistics, fitted on the training part, on test); ``population``: noisy and clean, of fresh clips.
    """
    parts = {part: cast.parts == part for part in PARTS}
    crowd = cast.crowd
    seen = np.isin(crowd.scripts, crowd.scripts[parts["train"]])
    population = _population(draws, seed)
    table: dict[str, Json] = {}
    for name, features in subsets().items():
        best = best_predictor(crowd, features, np.zeros(len(seen), np.bool_))
        remembering = best_predictor(crowd, features, seen)
        table[name] = {
            part: {
                "noisy": _scores(crowd.labels[rows], best[rows]),
                "clean": _scores(crowd.chances[rows], best[rows]),
                "remembering": _scores(crowd.labels[rows], remembering[rows]),
            }
            for part, rows in parts.items()
        }
        learned = _linear(crowd, features, parts["train"])
        table[name]["learnable"] = _scores(crowd.labels[parts["test"]], learned[parts["test"]])
        table[name]["population"] = population[name]
    limit = {part: _scores(crowd.labels[rows], crowd.chances[rows]) for part, rows in parts.items()}
    return {"simulated": True, "emotions": list(world.EMOTIONS), "draws": draws, "limit": limit, "sets": table}


def _linear(crowd: Crowd, features: Sequence[str], train: Flags) -> Floats:
    """Fit a ridge on the statistics of the training clips, zeros where one is missing, and predict all clips."""
    columns = [crowd.shown[f] * ~crowd.lacks(world.MODALITY[f])[:, None] for f in features]
    values = np.concatenate(columns, axis=1)
    return np.asarray(RidgeCV(ALPHAS).fit(values[train], crowd.labels[train]).predict(values))


def _population(draws: int, seed: int) -> Mapping[str, Json]:
    """Score the best predictors on fresh clips, from sums over chunks."""
    sums = {name: {kind: np.zeros((6, len(world.EMOTIONS))) for kind in ("noisy", "clean")} for name in subsets()}
    for crowd in strangers(draws, seed):
        nobody = np.zeros(len(crowd.people), np.bool_)
        for name, features in subsets().items():
            best = best_predictor(crowd, features, nobody)
            for kind, target in (("noisy", crowd.labels), ("clean", crowd.chances)):
                sums[name][kind] += _sums(target, best)
    return {name: {kind: _named(_from_sums(of)) for kind, of in kinds.items()} for name, kinds in sums.items()}


def _sums(x: Floats, y: Floats) -> Floats:
    """Add up 1, x, y, xx, yy, xy over clips: ``(6, emotion)``."""
    return np.asarray(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).sum(axis=1))


def _from_sums(sums: Floats) -> Floats:
    n, x, y, xx, yy, xy = sums
    correlation: Floats = (n * xy - x * y) / np.sqrt((n * xx - x * x) * (n * yy - y * y))
    return correlation


def _scores(target: Floats, predicted: Floats) -> Json:
    return _named(np.asarray(pearson(target, predicted)))


def _named(values: Floats) -> Json:
    told = {emotion: round(float(value), 4) for emotion, value in zip(world.EMOTIONS, values, strict=True)}
    return {**told, "mean": round(float(values.mean()), 4)}
