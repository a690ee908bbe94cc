"""What to train: a Recipe in one frozen record, from parts that are modalities.

A recipe with one part is a single modality's row; one with several is a fusion, whose parts are first trained alone
(stage one) and then together (stage two), unless it says ``stages=1``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mimetic.encoders import ENCODERS
from mimetic.features import feature
from mimetic.fusions import FUSIONS
from mimetic.records import Entry, Json, UnknownName, UsageError, find
from mimetic.scores import METRICS

POSTER_LOSS = {"ccc": 0.7, "mse": 0.3}

SCHEDULES = ("plateau", "cosine")
"""How the rate falls: halved where validation stands still, or along a half cosine to 0 after the last epoch."""

TOKENS = ("vectors", "inputs")
"""What a missing modality's learned token stands for: the encoder's output, or one row of its input."""


LATER = frozenset({"unit", "penalty"})
"""Settings that there were not always, and that do nothing unless they are chosen."""


def _at_least(least: float, value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < math.inf:
        raise UsageError(f"{name} is {value!r}", remedy=f"It has to be a number, {least:g} or more.")


def _check_options(options: Mapping[str, Any], entry: Entry, name: str) -> None:
    """Refuse options that an entry does not have, or of another type than its defaults."""
    for option, value in options.items():
        if option not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise UsageError(f"{name} has no option {option!r}", remedy=f"Its options: {known}.")
        whole = isinstance(entry.options[option], int)
        _at_least(1 if whole else 0, value, f"{name}'s {option}")
        if whole and not isinstance(value, int):
            raise UsageError(f"{name}'s {option} is {value!r}", remedy="It has to be a whole number.")
        if option.endswith("dropout") and value > 1:
            raise UsageError(f"{name}'s {option} is {value!r}", remedy="It is a share, 0 to 1.")


def _one_of(names: tuple[str, ...], value: object, kind: str) -> None:
    if value not in names:
        raise UnknownName(kind, str(value), names)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """How one stage is trained. Every setting that decides the numbers, and no other."""

    epochs: int = 50
    clips: int = 16  # drawn at random for one step; the loss is over all of them together
    rate: float = 2e-4  # AdamW's
    decay: float = 1e-2
    penalty: float = 0.0  # that each weight's square, biases' excepted, adds to the loss
    max_norm: float = 1.0  # of the gradient
    loss: Mapping[str, float] = field(default_factory=lambda: dict(POSTER_LOSS))
    schedule: str = "plateau"
    plateau: int = 3  # epochs without a better validation score before the rate is halved
    warmup: float = 0  # epochs in which a cosine's rate rises to its full height
    patience: int = 10  # epochs without a better validation score before the training ends

    def __post_init__(self) -> None:
        for name in ("epochs", "clips"):
            _at_least(1, getattr(self, name), f"fit.{name}")
        for name in ("rate", "decay", "penalty", "max_norm", "plateau", "warmup", "patience"):
            _at_least(0, getattr(self, name), f"fit.{name}")
        _one_of(SCHEDULES, self.schedule, "schedule")
        for name, weight in self.loss.items():
            find(METRICS, name, "loss")
            _at_least(0, weight, f"fit.loss.{name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One modality's branch: the feature that goes in, the encoder, and how it is trained alone."""

    feature: str
    encoder: str
    options: Mapping[str, Any] = field(default_factory=dict)  # the encoder's
    unit: bool = False  # each row to length 1, before all else
    standardise: bool = False  # each column to mean 0 and deviation 1, fitted on the training clips
    seconds: float = 0.0  # of the clip's beginning are seen; 0 for all of it
    head: str = "linear"  # what turns its vector into scores when it is alone
    head_options: Mapping[str, Any] = field(default_factory=dict)
    fit: Fit = Fit()
    instead_of: str = ""  # the feature that the table names, where the store holds another of the same extractor

    def __post_init__(self) -> None:
        feature(self.feature)
        _check_options(self.options, find(ENCODERS, self.encoder, "encoder"), f"encoder {self.encoder!r}")
        _check_options(self.head_options, find(FUSIONS, self.head, "fusion"), f"fusion {self.head!r}")
        _at_least(0, self.seconds, "seconds")

    @property
    def modality(self) -> str:
        """The modality that the feature speaks for."""
        return feature(self.feature).entry.modality


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A system, complete: parts, fusion, training, split; and where it comes from."""

    name: str
    parts: tuple[Part, ...]
    fusion: str = "linear"
    options: Mapping[str, Any] = field(default_factory=dict)  # the fusion's
    fit: Fit = Fit()  # of the last stage
    stages: int = 2  # 1: nothing is trained alone before
    adapt: float = 0.05  # the encoders' share of the rate in stage two; 0 freezes them
    modality_dropout: float = 0.0  # of each clip and modality, at least one kept
    tokens: str = "vectors"
    split: str = "2:1"
    about: str = ""
    source: str = "ours"
    published: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_options(self.options, find(FUSIONS, self.fusion, "fusion"), f"fusion {self.fusion!r}")
        _one_of(TOKENS, self.tokens, "token")
        if self.stages not in (1, 2):
            raise UsageError(f"stages is {self.stages!r}", remedy="It is 1 (all at once) or 2 (each part alone first).")
        asked = [ENCODERS[part.encoder].queried for part in self.parts]
        if asked and asked[0]:
            raise UsageError(f"{self.name}: nothing asks its first part", remedy="Put the part that asks before it.")
        if any(asked) and self.stages == 2:
            raise UsageError(f"{self.name}: a part that is asked learns nothing alone", remedy="Set stages to 1.")
        _at_least(0, self.adapt, "adapt")
        _at_least(0, self.modality_dropout, "modality_dropout")
        if self.modality_dropout > 1:
            raise UsageError(f"modality_dropout is {self.modality_dropout}", remedy="It is a share, 0 to 1.")

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modality of each part."""
        return tuple(part.modality for part in self.parts)

    @property
    def before(self) -> tuple[Recipe, ...]:
        """The recipes that its parts are first trained by: stage one."""
        if len(self.parts) == 1 or self.stages == 1:
            return ()
        return tuple(alone(part, split=self.split) for part in self.parts)

    @property
    def content(self) -> Json:
        """All that decides what is trained, as plain JSON: names and published numbers left out."""
        everything = dataclasses.asdict(self)
        told = ("name", "about", "source", "published", "parameters")
        content = {key: value for key, value in everything.items() if key not in told}
        for part in content["parts"]:
            del part["instead_of"]
            if not self.before:
                del part["fit"], part["head"], part["head_options"]
        if len(self.parts) == 1:
            del content["stages"], content["adapt"], content["modality_dropout"]
        for choices in (content["fit"], *content["parts"], *(part.get("fit", {}) for part in content["parts"])):
            _forget_unused(choices)
        plain: Json = json.loads(json.dumps(content))
        return plain


def _forget_unused(choices: Json) -> None:
    """Leave out what came later and is not chosen: runs from before keep their signatures."""
    for name in LATER & choices.keys():
        if not choices[name]:
            del choices[name]


def alone(part: Part, *, split: str = "2:1", **told: Any) -> Recipe:
    """Give the recipe that trains one part alone: stage one, and a row of its own."""
    told.setdefault("name", f"{part.instead_of or part.feature}.{part.encoder}")
    return Recipe(parts=(part,), fusion=part.head, options=part.head_options, fit=part.fit, split=split, **told)


def with_features(recipe: Recipe, taken: Mapping[str, str]) -> Recipe:
    """Put other features in the place of those that the recipe names; it remembers them as ``instead_of``."""
    parts = tuple(
        replace(part, feature=taken[part.feature], instead_of=part.instead_of or part.feature)
        if taken.get(part.feature, part.feature) != part.feature
        else part
        for part in recipe.parts
    )
    return recipe if parts == recipe.parts else replace(recipe, parts=parts)
