"""The networks that training is measured with: encoders alone on speech, and the poster's fusions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mimetic.recipes import RECIPES, Fit, Part, Recipe

STEP = Fit(clips=64, epochs=1)
"""Steps of 64 clips, as the field's baselines of this task have them."""


def _alone(encoder: str, **options: Any) -> Recipe:
    part = Part(feature="wav2vec2", encoder=encoder, options=options)
    return Recipe(name=encoder, parts=(part,), fusion=part.head, options=part.head_options, fit=STEP)


CASES: Mapping[str, Recipe] = {
    "mean": _alone("mlp"),
    "meanstd": _alone("meanstd"),
    "attention": _alone("attention"),
    "GRU 1x128": _alone("gru"),
    "LSTM 1x128": _alone("lstm"),
    "LSTM 3x64": _alone("lstm", hidden=64, layers=3),
    "BiLSTM 3x128": _alone("bilstm"),
    **{name: RECIPES[name] for name in ("F1", "F2", "F3", "F4")},
}
"""What is measured, by name; a fusion takes its recipe's own steps, of 16 clips."""

TARGETS: Mapping[str, float] = {"GRU 1x128": 4.0, "LSTM 1x128": 8.0, "LSTM 3x64": 10.0, "BiLSTM 3x128": 6.0}
"""How many times less than padding to the maximum ours has to cost."""

RECURRENT = ("GRU 1x128", "LSTM 1x128", "LSTM 3x64", "BiLSTM 3x128")
