"""Each choice of a recipe, switched alone: a recipe and a choice's name in, the recipe with it switched out.

A choice that the recipe has is taken from it, one that it lacks is given to it; everything else stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mimetic.encoders import ENCODERS
from mimetic.features import feature
from mimetic.fusions import FUSIONS
from mimetic.recipes import Fit, Part, Recipe
from mimetic.records import UsageError, find
from mimetic.scores import METRICS

Change = Callable[[Recipe], Recipe]


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One thing to switch: what it is, and how a recipe looks with it switched."""

    about: str
    change: Change


# ------------------------------------------------------------------------------------------- the choices


def _fits(about: str, **given: Any) -> Choice:
    """Switch settings of training, in every stage: back to what does nothing where the last stage has them."""

    def change(recipe: Recipe) -> Recipe:
        settings = _switched(recipe.fit, Fit(), given)
        parts = tuple(replace(part, fit=replace(part.fit, **settings)) for part in recipe.parts)
        return replace(recipe, fit=replace(recipe.fit, **settings), parts=parts)

    return Choice(about=about, change=change)


def _parts(about: str, *, moving: bool = False, **given: Any) -> Choice:
    """Switch settings of every part; of those that move (several rows a clip) alone, if that is said."""

    def change(recipe: Recipe) -> Recipe:
        chosen = [part for part in recipe.parts if not moving or _moves(part)]
        if not chosen:
            raise UsageError("no part has more than one row a clip", remedy="Give a recipe with another feature.")
        settings = _switched(chosen[0], Part(feature=chosen[0].feature, encoder=chosen[0].encoder), given)
        parts = tuple(replace(part, **settings) if part in chosen else part for part in recipe.parts)
        return replace(recipe, parts=parts)

    return Choice(about=about, change=change)


def _whole(about: str, **given: Any) -> Choice:
    """Switch settings of the recipe itself."""

    def change(recipe: Recipe) -> Recipe:
        settings = _switched(recipe, Recipe(name="", parts=recipe.parts), given)
        return replace(recipe, **settings)

    return Choice(about=about, change=change)


def _switched(now: object, without: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings switched: as they are without it where the first of them is not, else as given."""
    first = next(iter(given))
    is_on = getattr(now, first) != getattr(without, first)
    return {name: getattr(without, name) if is_on else value for name, value in given.items()}


def _moves(part: Part) -> bool:
    return feature(part.feature).rate > 0


def _fusion(name: str) -> Choice:
    def change(recipe: Recipe) -> Recipe:
        return recipe if recipe.fusion == name else replace(recipe, fusion=name, options={})

    return Choice(about=FUSIONS[name].about, change=change)


def _encoder(name: str) -> Choice:
    def change(recipe: Recipe) -> Recipe:
        parts = tuple(
            replace(part, encoder=name, options={}) if _moves(part) and part.encoder != name else part
            for part in recipe.parts
        )
        return recipe if parts == recipe.parts else replace(recipe, parts=parts)

    return Choice(about=ENCODERS[name].about, change=change)


def _loss(name: str) -> Choice:
    return Choice(about=f"{name} is all that training minimises", change=_fits("", loss={name: 1.0}).change)


CHOICES: Mapping[str, Choice] = {
    **{f"fusion={name}": _fusion(name) for name in FUSIONS},
    **{f"encoder={name}": _encoder(name) for name in ENCODERS},
    **{f"loss={name}": _loss(name) for name in METRICS},
    "large-batch": _fits("correlations and errors over steps of 512 clips", clips=512),
    "average": _fits("a moving average of the weights is judged and kept", average=0.99),
    "z-scored": _fits("targets over their deviation, in the loss", z_scored=True),
    "frequency": _fits("rare targets count more", frequency=True),
    "raters": _fits("clips with more raters count more", raters=0.5),
    "cosine": _fits("the rate falls along half a cosine", schedule="cosine", warmup=1),
    "penalty": _fits("the weights' squares are in the loss", penalty=1e-3),
    "sigmoid": _whole("scores squeezed into 0 to 1", output="sigmoid"),
    "hurdle": Choice(
        about="whether there is anything at all, times how much",
        change=lambda recipe: replace(
            recipe,
            output="none" if recipe.output == "hurdle" else "hurdle",
            fit=replace(recipe.fit, hurdle=0.0 if recipe.output == "hurdle" else 0.3),
        ),
    ),
    "auxiliary": _whole("each modality's own scores are in the loss", auxiliary=0.3),
    "modality-dropout": _whole("modalities are dropped in training", modality_dropout=0.2),
    "token-inputs": _whole("a missing modality's token stands for a row of its input", tokens="inputs"),
    "prior": _whole("the speech model's arousal, dominance and valence for all", prior=True),
    "one-stage": _whole("nothing is trained alone before", stages=1, adapt=1.0),
    "frozen": _whole("encoders stay as stage one leaves them", adapt=0.0),
    "unit": _parts("each row to length 1", unit=True),
    "standardise": _parts("each column to mean 0 and deviation 1", standardise=True),
    "components": _parts("the 64 directions in which rows vary most", components=64),
    "differences": _parts("how fast each column changes, and how fast that does", moving=True, differences=2),
    "crop": _parts("two seconds of each clip, drawn anew each time", moving=True, crop=2.0),
    "masked": _parts("a stretch of up to .3 of the rows is taken away", moving=True, masked=0.3),
    "noise": _parts("noise of deviation .3 on every value", noise=0.3),
}
"""Every choice that can be switched."""


def switched(recipe: Recipe, name: str) -> Recipe:
    """Give a recipe with one choice switched.

    Raises
    ------
    UnknownName
        for a choice that there is not.
    UsageError
        with the reason, where it does not apply: it would change nothing, or make no recipe.
    """
    changed = find(CHOICES, name, "choice").change(recipe)
    if changed.content == recipe.content:
        raise UsageError(f"{name} changes nothing of {recipe.name}", remedy="Choose others.")
    return replace(changed, name=f"{recipe.name} {name}", published={}, parameters={})


def _leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Give each setting of a recipe's JSON by its dotted name; the parts' without their number."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from _leaves(value, f"{name}.{key}" if name else key)
    elif isinstance(content, list):
        for value in content:
            yield from _leaves(value, name)
    else:
        yield name, content


def told_change(before: Recipe, after: Recipe) -> str:
    """Say what two recipes differ in, setting by setting: ``fit.average 0.0 -> 0.99``."""
    old, new = (list(_leaves(recipe.content)) for recipe in (before, after))
    lost = {name: value for name, value in old if (name, value) not in new}
    won = {name: value for name, value in new if (name, value) not in old}
    names = list(dict.fromkeys([*lost, *won]))
    return ", ".join(f"{name} {lost.get(name, 'unset')} -> {won.get(name, 'unset')}" for name in names)
