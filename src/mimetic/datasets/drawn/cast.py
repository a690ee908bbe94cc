"""Who is in the demo and what they feel: latents, labels, nuisance and troubles of every clip, from one seed.

Each modality has six latents a clip, one an emotion, a fifth of their variance shared: so each knows something that
the others do not. An emotion's strength is their weighted sum, text above audio above vision above motion; its label is
the share of some raters who saw it, ``k / n``, with the real data's share of zeros and mean (fitted as ``BIASES`` and
``SCALES``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]

EMOTIONS = ("Admiration", "Amusement", "Determination", "Empathic Pain", "Excitement", "Joy")
WEIGHTS = {"text": 0.60, "audio": 0.50, "vision": 0.42, "motion": 0.34}
SHARED = 0.2
RATERS = (5, 6, 7, 8, 9)

BIASES = (-1.5282, -1.8102, -1.8912, -2.8423, -1.7723, -2.0115)
SCALES = (1.3239, 1.2176, 1.0565, 0.9862, 1.3177, 1.3509)
"""Of p = Phi(bias + scale * strength): the means .1785 .1253 .0968 .0215 .1420 .1157 of the real training labels, and
their shares of non-zero values .447 .364 .325 .101 .382 .325."""

MANY_FRAMES = "claims 1,000 frames a second"
TROUBLES = (
    "no sound track",
    "silence",
    "nobody there",
    "empty words",
    "no words",
    "0.064 s",
    MANY_FRAMES,
    "variable frame rate",
    "rotated",
    "truncated",
)
LONG = "very long"

SIZES: Mapping[str, Size]


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """How much is made: clips a part, seconds of a clip, pixels, seconds of the very long one."""

    parts: Mapping[str, int]
    seconds: tuple[float, float]
    width: int
    height: int
    long: int
    each: Mapping[str, int]  # clips that have each trouble


SIZES = {
    "full": Size(
        parts={"train": 240, "valid": 120, "test": 60},
        seconds=(3.0, 6.0),
        width=640,
        height=360,
        long=1200,
        each={"train": 3, "valid": 2, "test": 1},
    ),
    "small": Size(
        parts={"train": 24, "valid": 12, "test": 12},
        seconds=(1.0, 2.0),
        width=320,
        height=180,
        long=60,
        each={"train": 1, "valid": 0, "test": 1},
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Role:
    """One clip before it is filmed."""

    number: int
    part: str
    seconds: float
    latents: Mapping[str, Floats]  # modality -> (emotion,)
    label: Floats  # (emotion,)
    raters: int
    trouble: str

    @property
    def id(self) -> str:
        """Five digits, as the challenge has them."""
        return f"{self.number:05d}"


def cast(size: Size, seed: int) -> list[Role]:
    """Draw every clip of a data set."""
    draw = np.random.default_rng(seed)
    total = sum(size.parts.values())
    latents = draw_latents(total, draw)
    raters = draw.choice(RATERS, total)
    labels = draw_labels(latents, raters, draw)
    seconds = draw.uniform(*size.seconds, total)
    parts = [part for part, count in size.parts.items() for _ in range(count)]
    troubles = _troubles(size, parts, draw)
    return [
        Role(
            number=number,
            part=part,
            seconds=float(seconds[number]),
            latents={modality: values[number] for modality, values in latents.items()},
            label=labels[number],
            raters=int(raters[number]),
            trouble=troubles.get(number, ""),
        )
        for number, part in enumerate(parts)
    ]


def draw_latents(clips: int, draw: np.random.Generator) -> dict[str, Floats]:
    """Draw ``modality -> (clip, emotion)``, standard normal, the modalities correlated by ``SHARED``."""
    shared = draw.normal(size=(clips, len(EMOTIONS)))
    return {
        modality: np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * draw.normal(size=shared.shape)
        for modality in WEIGHTS
    }


def strength(latents: Mapping[str, Floats]) -> Floats:
    """Give the emotions' strength: the weighted sum, of variance 1."""
    weights = np.array(list(WEIGHTS.values()))
    variance = (1 - SHARED) * (weights**2).sum() + SHARED * weights.sum() ** 2
    total = sum(weight * latents[modality] for modality, weight in WEIGHTS.items())
    return np.asarray(total / np.sqrt(variance))


def draw_labels(latents: Mapping[str, Floats], raters: NDArray[np.int64], draw: np.random.Generator) -> Floats:
    """Draw ``(clip, emotion)``: of each clip's raters, the share who saw the emotion."""
    seen = norm.cdf(np.array(BIASES) + np.array(SCALES) * strength(latents))
    return np.asarray(draw.binomial(raters[:, None], seen) / raters[:, None])


def _troubles(size: Size, parts: list[str], draw: np.random.Generator) -> dict[int, str]:
    """Choose which clip has which trouble, at most one each."""
    troubles: dict[int, str] = {}
    for part in size.parts:
        free = iter(draw.permutation([number for number, of in enumerate(parts) if of == part]).tolist())
        troubles |= {next(free): trouble for trouble in TROUBLES for _ in range(size.each[part])}
        if part == "train":
            troubles[next(free)] = LONG
    return troubles
