"""The twin's fixed numbers and weights: what an emotion is made of and what each modality shows of it.

Every number was settled before any model was trained on the twin; ``tools/fit_twin.py`` derives the fitted ones and
prints them. The mathematics stands in the package's docstring.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EMOTIONS = ("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy")

# ------------------------------------------------------------------------------------------------- labels

RATERS = (3, 4, 5, 6, 7, 8, 9)
"""A clip has one of these numbers of raters, all as likely, the same for its six emotions."""

BIASES = np.array([-1.3613, -1.6731, -1.7779, -2.8421, -1.5975, -1.8306])
SCALES = np.array([1.0882, 1.0587, 0.9330, 0.9861, 1.1060, 1.1575])
"""Of p = Phi(bias + scale * strength): the real means exactly; deviations and shares of non-zero labels together."""

CORRELATED = {
    ("Excitement", "Joy"): 0.3999,
    ("Determination", "Joy"): -0.3733,
    ("Determination", "Excitement"): -0.3180,
    ("Admiration", "Determination"): -0.2713,
    ("Amusement", "Determination"): -0.2581,
    ("Empathic Pain", "Excitement"): -0.3842,
}
"""Strengths that correlate, so that the labels do by .229 -.143 -.132 -.121 -.106 -.097; all others by 0."""

# ------------------------------------------------------------------------------- who carries which emotion

LOYALTY = {
    "gte": 1.0,
    "bert-large-cls": 0.83,
    "wav2vec2": 0.85,
    "wav2vec2-affect": 1.0,
    "vit-face": 0.74,
    "dinov2-frame": 0.87,
    "dinov2-face": 1.0,
    "motion-openface": 1.0,
}
"""Correlation of what a feature shows with what its modality shows: some features are garbled copies of others."""

BEST = {"text": "gte", "audio": "wav2vec2-affect", "vision": "dinov2-face", "motion": "motion-openface"}
"""Of each modality, the feature that shows all of it."""

MODALITY = {
    "gte": "text",
    "bert-large-cls": "text",
    "wav2vec2": "audio",
    "wav2vec2-affect": "audio",
    "vit-face": "vision",
    "dinov2-frame": "vision",
    "dinov2-face": "vision",
    "motion-openface": "motion",
}

DIMS = {"text": 96, "audio": 64, "vision": 16, "motion": 16}
"""Dimensions of what a modality shows: its statistic, standard normal in each."""

TEXT = np.array([0.4459, 0.3351, 0.3600, 0.6120, 0.2770, 0.2475])
"""Share of each strength's variance that the words show."""

SCRIPT = 0.08
"""Variance of the script's own term, as a share of ``TEXT``: no feature shows it, only the memory of a script does."""

SAID = 0.75
"""Of ``TEXT``, the share that lies in the dimensions which the voice repeats."""

HEARD = 0.7
"""Correlation of each of the voice's dimensions with the words' dimension that it repeats."""

VOICE = np.array([0.452, 0.522, 0.438, 0.468, 0.630, 0.674])
"""What the voice adds of its own, as a multiple of the words' weights in the repeated dimensions."""

FACE = np.array([0.006, 0.124, 0.065, 0.044, 0.107, 0.161])
"""Share of each strength's variance that the face shows."""

SHADOW = 0.69
"""Of a motion dimension's variance, the share that is the face's; the rest is noise."""

PERSON = 0.05
"""Share of each strength's variance that is the person's: all clips of one share it, and no feature shows it."""

MANNER = 0.2
"""Of the voice's and the face's own latents, the share of variance that all clips of a person have in common."""

DECAY = 1.3
"""How fast weights fall from one dimension to the next, j ** -DECAY"""

SEED = 8072


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """How the strengths ``(emotion,)`` hang on the latents; ``correlation`` is theirs, ``(emotion, emotion)``.

    ``text``, ``voice`` and ``face`` are ``(dim, emotion)``; ``script``, ``person`` and ``rest`` are covariances
    ``(emotion, emotion)`` of terms that have no dimensions of their own.
    """

    correlation: Floats
    text: Floats
    voice: Floats
    face: Floats
    script: Floats
    person: Floats
    rest: Floats


@cache
def weights() -> Weights:
    """Give the world's weights."""
    draw = np.random.default_rng(SEED)
    correlation = np.eye(len(EMOTIONS))
    for (one, other), value in CORRELATED.items():
        i, j = EMOTIONS.index(one), EMOTIONS.index(other)
        correlation[i, j] = correlation[j, i] = value
    heard = DIMS["audio"]
    said = _spread(heard, SAID * _scaled(correlation, TEXT), draw)
    unsaid = _spread(DIMS["text"] - heard, (1 - SAID) * _scaled(correlation, TEXT), draw)
    voice = said * VOICE
    face = _spread(DIMS["vision"], _scaled(correlation, FACE), draw)
    script = SCRIPT * _scaled(correlation, TEXT)
    known = _scaled(correlation, TEXT) + script + voice.T @ voice + face.T @ face + PERSON * correlation
    return Weights(
        correlation=correlation,
        text=np.concatenate([said, unsaid]),
        voice=voice,
        face=face,
        script=script,
        person=PERSON * correlation,
        rest=correlation - known,
    )


def _scaled(correlation: Floats, variances: Floats) -> Floats:
    """Give the covariance with these variances."""
    deviations = np.sqrt(variances)
    return np.asarray(correlation * np.outer(deviations, deviations))


def _spread(dims: int, covariance: Floats, draw: np.random.Generator) -> Floats:
    """Draw weights ``(dim, emotion)`` whose scalar products are exactly the covariance: W'W."""
    profile = np.arange(1, dims + 1) ** -DECAY
    directions, _ = np.linalg.qr(profile[:, None] * draw.normal(size=(dims, len(covariance))))
    return np.asarray(directions @ np.linalg.cholesky(covariance).T)
