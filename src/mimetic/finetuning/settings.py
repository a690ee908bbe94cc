"""How pretrained encoders are trained on the labels: a recipe, and what of it learns, in one frozen record."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mimetic.features import feature
from mimetic.models import ModelEntry
from mimetic.recipes import Fit, Part, Recipe, with_settings
from mimetic.recipes.record import chosen
from mimetic.records import Json, UsageError, find

PRECISIONS = ("fp32", "bf16")

_SHARES = ("layer_decay", "inner", "layer_drop", "time_mask", "feature_mask")
_NUMBERS = ("rate", "warmup", *_SHARES)
_COUNTS = ("frozen", "rank")

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(_NUMBERS, (int, float)),
    **dict.fromkeys((*_COUNTS, "at_once"), int),
    **dict.fromkeys(("z_scored", "recompute"), bool),
}

HEAD_DROPOUT = 0.1

HEEDED = frozenset({"unit", "differences", "noise", "prior"})
"""The later settings of a recipe that work here, too; a recipe with others is refused, not half obeyed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """A recipe some of whose extractors learn with it.

    Attributes
    ----------
    recipe
        the system: its parts, fusion, loss and split. ``recipe.fit.rate`` is what all but the extractors learn at.
    live
        the features whose extractors learn; the others are taken from the store.
    rate, layer_decay
        of the extractors' last layer; each layer before it learns at this share of the next one's.
    warmup
        epochs, or a part of one, in which a cosine's rates rise to their full height, where the recipe has none.
    frozen
        layers, from the first, that do not learn, nor what comes before them.
    rank
        of LoRA's matrices beside the attention's; 0: the weights themselves learn.
    at_once
        clips that go through the network together. The loss is over all of a step's, whatever this is.
    inner
        share of the training clips that tell when to stop; they are not learned from.
    z_scored
        whether the loss sees each target at mean 0 and deviation 1, and the head begins there.
    recompute
        whether activations are computed again on the way back: less memory, a third more time.
    layer_drop, time_mask, feature_mask
        shares of layers left out (LayerDrop), and of time and of columns masked (SpecAugment; at most so much, in spans
        of the checkpoint's length), in speech models while they learn. (``transformers`` does all of it on its own
        wherever a checkpoint's configuration says so.)
    """

    recipe: Recipe
    live: tuple[str, ...]
    rate: float = 2e-5
    layer_decay: float = 0.9
    warmup: float = 0.5
    frozen: int = 0
    rank: int = 0
    at_once: int = 32
    inner: float = 0.1
    z_scored: bool = True
    recompute: bool = False
    precision: str = "fp32"
    layer_drop: float = 0.0
    time_mask: float = 0.0
    feature_mask: float = 0.0

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            if not isinstance(getattr(self, name), kind):
                raise UsageError(f"{name} is {getattr(self, name)!r}", remedy="See `mimetic finetune --help`.")
        for name in (*_NUMBERS, *_COUNTS):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name} is {getattr(self, name)!r}", remedy="It has to be a number, 0 or more.")
        for name in _SHARES:
            if getattr(self, name) > 1:
                raise UsageError(f"{name} is {getattr(self, name)!r}", remedy="It is a share, 0 to 1.")
        if self.at_once < 1:
            raise UsageError(f"at_once is {self.at_once!r}", remedy="It has to be 1 or more.")
        if self.precision not in PRECISIONS:
            raise UsageError(f"the precision is {self.precision!r}", remedy=f"There are: {', '.join(PRECISIONS)}.")
        known = {part.feature: part for part in self.recipe.parts}
        for name in self.live:
            _check_live(name, known)
        if unheeded := sorted(set(chosen(self.recipe)) - HEEDED):
            remedy = f"Of the later choices it knows {', '.join(sorted(HEEDED))}; give a recipe without the others."
            raise UsageError(f"fine-tuning does not heed {', '.join(unheeded)}", remedy=remedy)
        if not self.live:
            raise UsageError("no extractor is to learn", remedy="Name one with --extractor.")

    @property
    def content(self) -> Json:
        """All that decides what is trained, as plain JSON; how much goes at once does not."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("at_once", "recompute"):
            del told[name]
        return {**told, "live": list(self.live), "recipe": self.recipe.content}


def _check_live(name: str, parts: dict[str, Part]) -> None:
    if name not in parts:
        remedy = f"Its features: {', '.join(parts)}."
        raise UsageError(f"the recipe has no feature {name}, which is to learn", remedy=remedy)
    wanted = feature(name)
    if not isinstance(wanted.entry, ModelEntry) or wanted.entry.classes:
        raise UsageError(f"{name} is no pretrained encoder that can learn", remedy="Name one of transformers' kind.")
    if parts[name].standardise:
        raise UsageError(f"{name} is standardised, and learns", remedy="Set standardise to false for that part.")


def with_choices(recipe: Recipe, live: Sequence[str], choices: Mapping[str, Any]) -> Tuning:
    """Give a tuning from ``--set``: its own fields by their names, the recipe's by their dotted ones.

    Parameters
    ----------
    live
        names of extractors; each stands for the recipe's features of it.

    Raises
    ------
    UsageError
        for a setting that there is not, or an extractor that the recipe does not have.
    """
    own = {field.name for field in dataclasses.fields(Tuning)} - {"recipe", "live"}
    told = with_settings(recipe, {name: value for name, value in choices.items() if name not in own})
    features = [part.feature for part in told.parts]
    for name in live:
        find({feature(each).name: each for each in features}, feature(name).name, "extractor of the recipe")
    names = {feature(name).name for name in live}
    chosen = tuple(each for each in features if feature(each).name in names)
    return Tuning(recipe=told, live=chosen, **{name: value for name, value in choices.items() if name in own})


def alone(name: str, *, encoder: str | None = None, split: str = "2:1", fit: Fit | None = None) -> Recipe:
    """Give the recipe that trains one extractor with a head: pooled under attention where it has frames."""
    wanted = feature(name)
    part = Part(
        feature=wanted.key,
        encoder=encoder or ("attention" if wanted.rate else "mean"),
        head_options={"dropout": HEAD_DROPOUT},
    )
    return Recipe(
        name=f"{wanted.name}.tuned",
        parts=(part,),
        fusion=part.head,
        options=part.head_options,
        fit=fit or DEFAULT_FIT,
        split=split,
    )


DEFAULT_FIT = Fit(
    epochs=5,
    clips=32,
    rate=1e-3,
    decay=1e-2,
    loss={"mse": 1.0, "pearson": 1.0},
    schedule="cosine",
    patience=3,
)
"""What a single encoder is trained with if nothing else is said."""
