"""Who is in the twin, what they show and what their raters saw: a size and a seed in, arrays over all clips out.

A ``Crowd`` holds no track: a clip's *statistics* (what its features show, see the package's docstring) are all that
its labels have in common with its features, so a million clips cost what a million short rows cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from mimetic.datasets.simulated import world
from mimetic.datasets.simulated.world import Floats

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

PARTS = ("train", "valid", "test")
PEOPLE_PER_CLIP = 557 / 17_246
SEVERAL = 6
"""Clips of a recurring script in the part that it recurs in, on average."""

RECURRING = {"train": {"T": 0.75}, "valid": {"T": 0.30, "V": 0.45}, "test": {"T": 0.55, "V": 0.15}}
"""Share of a part's clips whose script is of a pool: ``T`` recurs in training, ``V`` in validation and not in
training. All other clips have a script that no other part has. So 55 % of test clips have a script seen in training
at 2:1, and 70 % at 4:1, which takes most of the validation part in."""

ALONE = 1.5
"""Clips of a script of no pool, on average."""

MISSING = {
    "text": {"train": 0.014, "valid": 0.014, "test": 0.014},
    "audio": {"train": 0.025, "valid": 0.034, "test": 0.030},
    "vision": {"train": 0.031, "valid": 0.046, "test": 0.040},
}
"""Shares of clips without words, usable sound, a face. Motion is read off the face, and is missing with it."""

SECONDS_MEDIAN, SECONDS_SPREAD = 6.28, 0.3677  # of a log-normal: mean 6.7, 95 % below 11.5
LONGEST, SHORTEST = 1249.92, 0.064
ABOVE_40, TOO_SHORT = 35 / 17_246, 2 / 17_246


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Crowd:
    """All clips, axis ``clip`` first everywhere.

    ``shown`` maps each feature to its statistic ``(clip, dim)``, ``own`` is the scripts' own term and ``chances`` the
    probability that a rater sees an emotion, ``(clip, emotion)``; ``labels`` are ``seen / raters``. ``missing`` maps
    text, audio and vision to flags.
    """

    people: Whole
    scripts: Whole
    raters: Whole
    shown: Mapping[str, Floats]
    own: Floats
    chances: Floats
    labels: Floats
    missing: Mapping[str, Flags]

    def lacks(self, modality: str) -> Flags:
        """Tell of each clip whether it lacks the modality."""
        return self.missing["vision" if modality == "motion" else modality]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cast:
    """A data set's crowd, with each clip's part and length in seconds."""

    crowd: Crowd
    parts: NDArray[np.str_]
    seconds: Floats

    @property
    def ids(self) -> list[str]:
        """Five digits, as the challenge has them."""
        return [f"{number:05d}" for number in range(len(self.parts))]


def gather(clips: Mapping[str, int], seed: int) -> Cast:
    """Draw a data set with so many clips a part."""
    draw = np.random.default_rng([seed, 0])
    parts = np.repeat(PARTS, [clips[part] for part in PARTS])
    people = _people(clips, draw)
    scripts = _scripts(clips, draw)
    missing = {m: _some(parts, rates, draw) for m, rates in MISSING.items()}
    crowd = _crowd(people, scripts, missing, draw)
    return Cast(crowd=crowd, parts=parts, seconds=_seconds(len(parts), draw))


def strangers(clips: int, seed: int, *, chunk: int = 50_000) -> Iterator[Crowd]:
    """Draw fresh clips of the test part's kind, in chunks: people and scripts that nobody has seen.

    What one fixed predictor of statistics scores on a million of them is its true score. People have as many clips
    each as in the data set.
    """
    for number, start in enumerate(range(0, clips, chunk)):
        draw = np.random.default_rng([seed, 1, number])
        size = min(chunk, clips - start)
        people = _shared(size, max(1, round(size * PEOPLE_PER_CLIP)), draw)
        missing = {m: draw.random(size) < rates["test"] for m, rates in MISSING.items()}
        yield _crowd(people, _shared(size, max(1, round(size / ALONE)), draw), missing, draw)


# ------------------------------------------------------------------------------------- people and scripts


def _people(clips: Mapping[str, int], draw: np.random.Generator) -> Whole:
    """Give each clip's person; no person is in two parts."""
    people: list[Whole] = []
    first = 0
    for part in PARTS:
        count = max(1, round(clips[part] * PEOPLE_PER_CLIP))
        people.append(first + _shared(clips[part], count, draw))
        first += count
    return np.concatenate(people)


def _shared(clips: int, groups: int, draw: np.random.Generator) -> Whole:
    """Give each clip one of the groups, which have clips each, and some far more than others."""
    shares = draw.gamma(4.0, size=groups)
    rest = draw.choice(groups, size=max(0, clips - groups), p=shares / shares.sum())
    return draw.permutation(np.concatenate([np.arange(min(groups, clips)), rest]))


def _scripts(clips: Mapping[str, int], draw: np.random.Generator) -> Whole:
    """Give each clip's script."""
    pools = {pool: _pool(clips[part] * RECURRING[part][pool]) for part, pool in (("train", "T"), ("valid", "V"))}
    starts = {"T": 0, "V": pools["T"]}
    first = pools["T"] + pools["V"]
    scripts: list[Whole] = []
    for part in PARTS:
        counts = {pool: round(clips[part] * share) for pool, share in RECURRING[part].items()}
        drawn = [starts[pool] + _shared(count, pools[pool], draw) for pool, count in counts.items()]
        alone = clips[part] - sum(counts.values())
        groups = max(1, round(alone / ALONE))
        drawn.append(first + _shared(alone, groups, draw))
        first += groups
        scripts.append(draw.permutation(np.concatenate(drawn)))
    return np.concatenate(scripts)


def _pool(clips: float) -> int:
    return max(1, round(clips / SEVERAL))


def _some(parts: NDArray[np.str_], rates: Mapping[str, float], draw: np.random.Generator) -> Flags:
    """Mark exactly the stated share of each part's clips, one at least."""
    flags = np.zeros(len(parts), dtype=np.bool_)
    for part, rate in rates.items():
        rows = np.flatnonzero(parts == part)
        flags[draw.choice(rows, size=max(1, round(rate * len(rows))), replace=False)] = True
    return flags


def _seconds(clips: int, draw: np.random.Generator) -> Floats:
    """Draw lengths: the real mean and tail, some clips too short for any speech model, one very long."""
    seconds = np.clip(SECONDS_MEDIAN * np.exp(SECONDS_SPREAD * draw.normal(size=clips)), 0.5, 40.0)
    odd = draw.permutation(clips)
    above, short = max(1, round(clips * ABOVE_40)), max(1, round(clips * TOO_SHORT))
    seconds[odd[:above]] = draw.uniform(40.0, 100.0, above)
    seconds[odd[above : above + short]] = SHORTEST
    seconds[odd[above + short]] = LONGEST
    return np.asarray(np.round(seconds, 3))


# -------------------------------------------------------------------------------------- what they show


def _crowd(people: Whole, scripts: Whole, missing: Mapping[str, Flags], draw: np.random.Generator) -> Crowd:
    """Draw everything that is random once it is known who says what."""
    weights = world.weights()
    clips = len(people)
    words = _by(scripts, world.DIMS["text"], draw)
    voice = _personal(people, world.DIMS["audio"], draw)
    face = _personal(people, world.DIMS["vision"], draw)
    own = _by(scripts, len(world.EMOTIONS), draw) @ _root(weights.script)
    strengths = words @ weights.text + own + voice @ weights.voice + face @ weights.face
    strengths += _by(people, len(world.EMOTIONS), draw) @ _root(weights.person)
    strengths += draw.normal(size=strengths.shape) @ _root(weights.rest)
    chances = ndtr(world.BIASES + world.SCALES * strengths)
    raters = draw.choice(world.RATERS, clips)
    bases = {
        "text": words,
        "audio": _mixed(words[:, : world.DIMS["audio"]], voice, world.HEARD),
        "vision": face,
        "motion": _mixed(face, draw.normal(size=face.shape), np.sqrt(world.SHADOW)),
    }
    return Crowd(
        people=people,
        scripts=scripts,
        raters=raters,
        shown={key: _garbled(bases, key, scripts, draw) for key in world.LOYALTY},
        own=own,
        chances=chances,
        labels=draw.binomial(raters[:, None], chances) / raters[:, None],
        missing=missing,
    )


def _by(groups: Whole, dims: int, draw: np.random.Generator) -> Floats:
    """Draw one standard normal row a group and hand it to each of its clips: ``(clip, dim)``."""
    return np.asarray(draw.normal(size=(int(groups.max()) + 1, dims))[groups])


def _personal(people: Whole, dims: int, draw: np.random.Generator) -> Floats:
    """Draw ``(clip, dim)``, standard normal, in part the person's."""
    return _mixed(_by(people, dims, draw), draw.normal(size=(len(people), dims)), np.sqrt(world.MANNER))


def _mixed(one: Floats, other: Floats, correlation: float) -> Floats:
    """Give what is standard normal again and correlates with the one."""
    return np.asarray(correlation * one + np.sqrt(1 - correlation**2) * other)


def _garbled(bases: Mapping[str, Floats], key: str, scripts: Whole, draw: np.random.Generator) -> Floats:
    """Give a feature's statistic: its modality's, with noise if it is not loyal; of words, the same for one script."""
    modality, loyalty = world.MODALITY[key], world.LOYALTY[key]
    shown = bases[modality]
    if loyalty == 1.0:
        return shown
    noise = _by(scripts, shown.shape[1], draw) if modality == "text" else draw.normal(size=shown.shape)
    return _mixed(shown, noise, loyalty)


def _root(covariance: Floats) -> Floats:
    """Give L' with LL' the covariance: standard normal rows times it have that covariance."""
    return np.asarray(np.linalg.cholesky(covariance).T)
