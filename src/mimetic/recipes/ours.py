"""Our systems beyond the poster: few weights that have to earn their place, and labels taken as what they are.

Labels are shares of a few raters, so scores are squeezed into 0 to 1 and the loss is the binomial deviance, clips with
more raters counting more. Rows go into the directions in which they vary most; attention finds the rows that say
something; of all columns those that tell nothing are driven out as a whole (``quality``, under a penalty). What is
missing is learned from modalities dropped in training. Weights are averaged over the last steps.

The other one, ``ours.tokens``, is for those whose signal is not linear in the features: attentive statistics, a small
transformer over the modalities, heads of their own, correlation over steps of 512 clips.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mimetic.recipes.record import Fit, Part, Recipe, alone

DEVIANCE = Fit(
    epochs=12,
    clips=512,
    rate=8e-3,
    decay=0.0,
    penalty=6e-4,
    loss={"deviance": 1.0},
    schedule="cosine",
    warmup=1,
    patience=12,
    average=0.97,
    raters=0.5,
)

_SHARP: dict[str, Any] = {"encoder": "focus", "options": {"temperature": 0.15}}
"""The penalty is on the scorer's weights, too: without a low temperature attention would stay blunt."""

PARTS = (
    Part(feature="gte", encoder="mean", unit=True, components=256),
    Part(feature="wav2vec2-affect", unit=True, components=128, **_SHARP),
    Part(feature="dinov2-face", unit=True, components=128, **_SHARP),
)
MOTION = Part(feature="motion-openface", standardise=True, differences=2, components=64, **_SHARP)

_HEAD: dict[str, Any] = {"head": "quality", "head_options": {"dropout": 0.0}, "output": "sigmoid", "fit": DEVIANCE}
_SINGLES = tuple(replace(part, **_HEAD) for part in (*PARTS, MOTION))

FUSION = Recipe(
    name="ours.fusion",
    parts=PARTS,
    fusion="quality",
    options={"dropout": 0.0},
    fit=DEVIANCE,
    stages=1,
    adapt=1.0,
    modality_dropout=0.2,
    output="sigmoid",
    about="deviance of raters' shares, principal directions, columns that earn their place",
)

_WIDE = Fit(
    epochs=40,
    clips=512,
    rate=1e-3,
    loss={"pearson": 1.0, "mse": 1.0},
    schedule="cosine",
    warmup=1,
    patience=12,
    average=0.9,
)
_ATTENTIVE: dict[str, Any] = {"options": {"hidden": 128, "dropout": 0.45}, "masked": 0.2, "output": "sigmoid"}

TOKENS = Recipe(
    name="ours.tokens",
    parts=(
        Part(feature="gte", encoder="mlp", unit=True, standardise=True, **_ATTENTIVE | {"masked": 0.0}),
        Part(feature="wav2vec2-affect", encoder="attentive", unit=True, standardise=True, **_ATTENTIVE),
        Part(feature="dinov2-face", encoder="attentive-quality", unit=True, standardise=True, **_ATTENTIVE),
    ),
    fusion="tokens",
    fit=_WIDE,
    stages=1,
    adapt=1.0,
    modality_dropout=0.2,
    output="sigmoid",
    auxiliary=0.3,
    about="attentive statistics, a transformer over modalities, heads of their own, Pearson over 512 clips",
)


def _single(part: Part, encoder: int, head: int, token: int) -> Recipe:
    """Give a modality alone, with the parameters of its encoder, its head for six targets and its token."""
    counts = {part.modality: encoder, "head": head, "missing tokens": token}
    name = f"ours.{'face' if part.modality == 'vision' else part.modality}"
    return alone(part, name=name, about=f"{part.modality} as in ours.fusion, alone", parameters=counts)


_SIZES = {"text": 0, "audio": 129, "vision": 129}

ROWS: tuple[Recipe, ...] = (
    _single(_SINGLES[0], 0, 2_316, 256),
    _single(_SINGLES[1], 129, 1_420, 128),
    _single(_SINGLES[2], 129, 1_420, 128),
    _single(_SINGLES[3], 65, 972, 64),
    replace(FUSION, parameters={**_SIZES, "fusion": 11_864, "missing tokens": 512}),
    replace(
        FUSION,
        name="ours.fusion+motion",
        parts=(*PARTS, MOTION),
        about="ours.fusion and motion",
        parameters={**_SIZES, "motion": 65, "fusion": 17_534, "missing tokens": 576},
    ),
    replace(
        FUSION,
        name="ours.fusion-4:1",
        split="4:1",
        about="ours.fusion on four fifths of all labelled clips",
        parameters={**_SIZES, "fusion": 11_864, "missing tokens": 512},
    ),
    replace(
        TOKENS,
        parameters={
            **{"text": 100_224, "audio": 400_001, "vision": 300_162},
            **{"fusion": 93_190, "missing tokens": 384, "own heads": 2_322},
        },
    ),
)
