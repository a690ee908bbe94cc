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


OUTPUTS = ("none", "sigmoid", "hurdle")
"""What is done to a fusion's output: nothing; squeezed into 0 to 1; or whether there is anything, times how much."""

LATER: Mapping[str, object] = {
    **{"unit": False, "differences": 0, "components": 0, "crop": 0.0, "masked": 0.0, "noise": 0.0},
    **{"penalty": 0.0, "average": 0.0, "z_scored": False, "frequency": False, "raters": 0.0, "hurdle": 0.0},
    **{"output": "none", "auxiliary": 0.0, "prior": False},
}
"""Settings that there were not always, and the value of each that does nothing."""


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


def _share(value: float, name: str) -> None:
    _at_least(0, value, name)
    if value > 1:
        raise UsageError(f"{name} is {value}", remedy="It is a share, 0 to 1.")


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
    warmup: int = 0  # epochs in which a cosine's rate rises to its full height
    patience: int = 10  # epochs without a better validation score before the training ends
    average: float = 0.0  # decay of the moving average of all weights, which is then what is judged and kept
    z_scored: bool = False  # targets and scores over the targets' deviation on the training clips, in the loss
    frequency: bool = False  # a target counts by 1 / how often it is above 0 on the training clips
    raters: float = 0.0  # a clip counts by its number of raters, as its labels betray it, to this power
    hurdle: float = 0.0  # weight of the loss of a hurdle's gate: whether there is anything at all

    def __post_init__(self) -> None:
        for name in ("epochs", "clips"):
            _at_least(1, getattr(self, name), f"fit.{name}")
        for name in ("rate", "decay", "penalty", "max_norm", "plateau", "warmup", "patience", "raters", "hurdle"):
            _at_least(0, getattr(self, name), f"fit.{name}")
        _at_least(0, self.average, "fit.average")
        if self.average >= 1:
            raise UsageError(f"fit.average is {self.average}", remedy="It is a decay, below 1.")
        if self.z_scored and "deviance" in self.loss:
            raise UsageError("fit.loss.deviance is of shares, not of z-scores", remedy="Set fit.z_scored to false.")
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
    output: str = "none"  # what is done to the scores of its own head
    differences: int = 0  # 1 adds how fast each column changes, 2 how fast that does, too
    components: int = 0  # principal directions of the rows, each to deviation 1, by the training clips; 0: as they are
    crop: float = 0.0  # seconds of a clip that are seen in training, drawn anew each time; 0 for all of it
    masked: float = 0.0  # share of a clip's rows, at most, that one stretch takes away in training
    noise: float = 0.0  # deviation of what is added to every value in training, after all that prepares the rows
    instead_of: str = ""  # the feature that the table names, where the store holds another of the same extractor

    def __post_init__(self) -> None:
        feature(self.feature)
        _check_options(self.options, find(ENCODERS, self.encoder, "encoder"), f"encoder {self.encoder!r}")
        _check_options(self.head_options, find(FUSIONS, self.head, "fusion"), f"fusion {self.head!r}")
        for name in ("seconds", "components", "crop", "noise"):
            _at_least(0, getattr(self, name), name)
        _share(self.masked, "masked")
        _one_of(OUTPUTS, self.output, "output")
        if self.differences not in (0, 1, 2):
            raise UsageError(f"differences is {self.differences!r}", remedy="It is 0, 1 or 2.")

    @property
    def gives_prior(self) -> bool:
        """Whether its last three columns are arousal, dominance and valence, as a speech model's own heads say."""
        return bool(feature(self.feature).options.get("heads", False))

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
    output: str = "none"  # what is done to the fusion's output
    auxiliary: float = 0.0  # weight of the loss of each modality's own scores, by a head of its own
    prior: bool = False  # the speech model's arousal, dominance and valence move every modality's vector
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
        _share(self.modality_dropout, "modality_dropout")
        _one_of(OUTPUTS, self.output, "output")
        if self.output == "hurdle" and FUSIONS[self.fusion].takes == "scores":
            remedy = "Give its parts' own heads one: parts.0.output=hurdle."
            raise UsageError(f"{self.name}: a fusion of scores cannot be a hurdle", remedy=remedy)
        _at_least(0, self.auxiliary, "auxiliary")
        if self.prior and not any(part.gives_prior for part in self.parts):
            remedy = "Take one with +heads=true, such as wav2vec2-affect+heads=true."
            raise UsageError(f"{self.name}: no feature gives arousal, dominance and valence", remedy=remedy)

    @property
    def modalities(self) -> tuple[str, ...]:
        """What each part is called: its modality; with its extractor, where several are of one modality."""
        kinds = [part.modality for part in self.parts]
        return tuple(
            kind if kinds.count(kind) == 1 else f"{kind}: {part.instead_of or part.feature}"
            for kind, part in zip(kinds, self.parts, strict=True)
        )

    @property
    def has_own_heads(self) -> bool:
        """Whether each part has a head of its own."""
        return bool(self.before or self.auxiliary or (len(self.parts) > 1 and FUSIONS[self.fusion].takes == "scores"))

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
                del part["fit"]
            if not self.has_own_heads:
                del part["head"], part["head_options"], part["output"]
        if len(self.parts) == 1:
            del content["stages"], content["adapt"], content["modality_dropout"]
        fits = [content["fit"], *(part.get("fit", {}) for part in content["parts"])]
        for choices in (content, *content["parts"], *fits):
            _forget_unused(choices)
        plain: Json = json.loads(json.dumps(content))
        return plain


def chosen(recipe: Recipe) -> list[str]:
    """Name the later settings that a recipe has chosen, whatever of it they are of."""
    places: tuple[object, ...] = (recipe, recipe.fit, *recipe.parts)
    return [
        name for name, idle in LATER.items() if any(hasattr(at, name) and getattr(at, name) != idle for at in places)
    ]


def _forget_unused(choices: Json) -> None:
    """Leave out what came later and is not chosen: runs from before keep their signatures."""
    for name in LATER.keys() & choices.keys():
        if choices[name] == LATER[name]:
            del choices[name]


def alone(part: Part, *, split: str = "2:1", **told: Any) -> Recipe:
    """Give the recipe that trains one part alone: stage one, and a row of its own."""
    told.setdefault("name", f"{part.instead_of or part.feature}.{part.encoder}")
    head: dict[str, Any] = {"fusion": part.head, "options": part.head_options, "output": part.output}
    return Recipe(parts=(part,), fit=part.fit, split=split, **head, **told)


def with_features(recipe: Recipe, taken: Mapping[str, str]) -> Recipe:
    """Put other features in the place of those that the recipe names; it remembers them as ``instead_of``."""
    parts = tuple(
        replace(part, feature=taken[part.feature], instead_of=part.instead_of or part.feature)
        if taken.get(part.feature, part.feature) != part.feature
        else part
        for part in recipe.parts
    )
    return recipe if parts == recipe.parts else replace(recipe, parts=parts)
