"""Our recipes that download nothing: one a modality, and all four side by side."""

from __future__ import annotations

from mimetic.recipes.record import Fit, Part, Recipe, alone

_QUICK = Fit(epochs=60, clips=32, rate=1e-3, patience=12)

_PARTS = (
    Part(feature="words-hashed", encoder="mlp", fit=_QUICK),
    Part(feature="logmel", encoder="meanstd", standardise=True, fit=_QUICK),
    Part(feature="face-appearance", encoder="mlp", standardise=True, fit=_QUICK),
    Part(feature="motion-blocks", encoder="meanstd", standardise=True, fit=_QUICK),
)

_SIZES = {"text": 198_784, "audio": 38_208, "vision": 155_552, "motion": 78_352}
"""Parameters of each encoder. Those of heads and fusions are for six targets; a test counts them all."""


def _light(part: Part) -> Recipe:
    size = {part.modality: _SIZES[part.modality], "head": 2_310, "missing tokens": 384}
    return alone(part, about=f"{part.modality} alone; downloads nothing", parameters=size)


LIGHT: tuple[Recipe, ...] = (
    *(_light(part) for part in _PARTS),
    Recipe(
        name="light",
        parts=_PARTS,
        fusion="concat",
        fit=_QUICK,
        modality_dropout=0.3,
        about="text, audio, face and motion side by side; downloads nothing",
        parameters={**_SIZES, "fusion": 595_590, "missing tokens": 1_536},
    ),
)
