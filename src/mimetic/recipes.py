"""What to train: a Recipe in one frozen record, and the table of them.

A recipe with one part is a single modality's row; one with several is a fusion, whose parts are first trained alone
(stage one) and then together (stage two). Variants are ``with_settings(recipe, {"fit.epochs": 3})``: the words of
``--set``.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from mimetic.encoders import ENCODERS
from mimetic.features import feature
from mimetic.fusions import FUSIONS
from mimetic.records import Entry, Json, UsageError, find
from mimetic.scores import METRICS

POSTER_LOSS = {"ccc": 0.7, "mse": 0.3}


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
        if option == "dropout" and value > 1:
            raise UsageError(f"{name}'s dropout is {value!r}", remedy="It is a share, 0 to 1.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """How one stage is trained. Every setting that decides the numbers, and no other."""

    epochs: int = 50
    clips: int = 16  # drawn at random for one step; the loss is over all of them together
    rate: float = 2e-4  # AdamW's
    decay: float = 1e-2
    max_norm: float = 1.0  # of the gradient
    loss: Mapping[str, float] = field(default_factory=lambda: dict(POSTER_LOSS))
    plateau: int = 3  # epochs without a better validation score before the rate is halved
    patience: int = 10  # ... before the training ends

    def __post_init__(self) -> None:
        for name in ("epochs", "clips"):
            _at_least(1, getattr(self, name), f"fit.{name}")
        for name in ("rate", "decay", "max_norm", "plateau", "patience"):
            _at_least(0, getattr(self, name), f"fit.{name}")
        for name, weight in self.loss.items():
            find(METRICS, name, "loss")
            _at_least(0, weight, f"fit.loss.{name}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One modality's branch: the feature that goes in, the encoder, and how it is trained alone."""

    feature: str
    encoder: str
    options: Mapping[str, Any] = field(default_factory=dict)
    standardise: bool = False  # each column to mean 0 and deviation 1, fitted on the training clips
    fit: Fit = Fit()

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
    adapt: float = 0.05  # the encoders' share of the rate in stage two; 0 freezes them
    modality_dropout: float = 0.0  # of each clip and modality, at least one kept
    split: str = "2:1"
    about: str = ""
    source: str = "ours"
    published: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.parts:
            _check_options(part.options, find(ENCODERS, part.encoder, "encoder"), f"encoder {part.encoder!r}")
            feature(part.feature)
        _check_options(self.options, find(FUSIONS, self.fusion, "fusion"), f"fusion {self.fusion!r}")
        _at_least(0, self.adapt, "adapt")
        _at_least(0, self.modality_dropout, "modality_dropout")
        if self.modality_dropout > 1:
            raise UsageError(f"modality_dropout is {self.modality_dropout}", remedy="It is a share, 0 to 1.")

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modality of each part."""
        return tuple(part.modality for part in self.parts)

    @property
    def content(self) -> Json:
        """All that decides what is trained, as plain JSON: names and published numbers left out."""
        everything = dataclasses.asdict(self)
        told = ("name", "about", "source", "published", "parameters")
        content = {key: value for key, value in everything.items() if key not in told}
        if len(self.parts) == 1:
            del content["parts"][0]["fit"], content["adapt"], content["modality_dropout"]
        plain: Json = json.loads(json.dumps(content))
        return plain


def alone(part: Part, *, split: str = "2:1", **told: Any) -> Recipe:
    """Give the recipe that trains one part alone: stage one, and a row of its own."""
    told.setdefault("name", f"{part.feature}.{part.encoder}")
    return Recipe(parts=(part,), fusion="linear", fit=part.fit, split=split, **told)


def stage_one(recipe: Recipe) -> tuple[Recipe, ...]:
    """Give the recipes that a fusion's parts are first trained by."""
    return tuple(alone(part, split=recipe.split) for part in recipe.parts)


# ------------------------------------------------------------------------------------------- the table

_QUICK = Fit(epochs=60, clips=32, rate=1e-3, patience=12)

_LIGHT_PARTS = (
    Part(feature="words-hashed", encoder="mlp", fit=_QUICK),
    Part(feature="logmel", encoder="meanstd", standardise=True, fit=_QUICK),
    Part(feature="face-appearance", encoder="mlp", standardise=True, fit=_QUICK),
    Part(feature="motion-blocks", encoder="meanstd", standardise=True, fit=_QUICK),
)

_LIGHT_SIZES = {"text": 198_784, "audio": 38_208, "vision": 155_552, "motion": 78_352}
"""Parameters of each encoder. Those of heads and fusions are for six targets; a test counts them all."""


def _light(part: Part) -> Recipe:
    size = {part.modality: _LIGHT_SIZES[part.modality], "head": 2_310, "missing tokens": 384}
    return alone(part, about=f"{part.modality} alone; downloads nothing", parameters=size)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(_light(part) for part in _LIGHT_PARTS),
        Recipe(
            name="light",
            parts=_LIGHT_PARTS,
            fusion="concat",
            fit=_QUICK,
            modality_dropout=0.3,
            about="text, audio, face and motion side by side; downloads nothing",
            parameters={**_LIGHT_SIZES, "fusion": 595_590, "missing tokens": 1_536},
        ),
    )
}


def get_recipe(name: str) -> Recipe:
    """Give a recipe by its name, or from a TOML file.

    Raises
    ------
    UnknownName
        with the nearest names.
    UsageError
        for a file that is no recipe.
    """
    if name.endswith(".toml"):
        return read_recipe(Path(name))
    return find(RECIPES, name, "recipe")


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from TOML: the fields of ``Recipe``; ``base = "light"`` starts from one of the table."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no recipe ({error})", remedy="Write its fields as TOML.") from None
    base = content.pop("base", None)
    if base is not None and not isinstance(base, str):
        raise UsageError(f"{path}: base is {base!r}", remedy="It has to be a recipe's name.")
    content.setdefault("name", path.stem)
    if base is None:
        return from_json(content, where=str(path))
    return from_json({**as_json(find(RECIPES, base, "recipe")), **content}, where=str(path))


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Change fields by their dotted names: ``fit.epochs``, ``parts.0.encoder``, ``options.hidden``.

    >>> with_settings(RECIPES["light"], {"fit.epochs": 3}).fit.epochs
    3
    """
    content = as_json(recipe)
    for name, value in settings.items():
        _set(content, name, value)
    changed = from_json(content, where="--set")
    return changed if changed == recipe else replace(changed, published={}, parameters={})


def _set(content: Json, name: str, value: Any) -> None:
    place: Any = content
    *path, last = name.split(".")
    for step in path:
        place = _step(place, step, name)
    if last == "encoder" and isinstance(place, dict) and "options" in place:
        place["options"] = {}  # they were another encoder's
    if isinstance(place, list):
        place[_number(step=last, of=place, name=name)] = value
    elif last in place or (path and path[-1] in ("options", "loss")):
        place[last] = value
    else:
        raise UsageError(f"a recipe has no setting {name!r}", remedy=f"Here are: {', '.join(place)}.")


def _step(place: Any, step: str, name: str) -> Any:
    if isinstance(place, list):
        return place[_number(step=step, of=place, name=name)]
    if not isinstance(place, dict) or step not in place:
        known = ", ".join(place) if isinstance(place, dict) else "none"
        raise UsageError(f"a recipe has no setting {name!r}", remedy=f"Here are: {known}.")
    return place[step]


def _number(*, step: str, of: list[Any], name: str) -> int:
    if not step.isdigit() or int(step) >= len(of):
        raise UsageError(f"a recipe has no setting {name!r}", remedy=f"Its parts are numbered 0 to {len(of) - 1}.")
    return int(step)


# ------------------------------------------------------------------------------------------------ JSON


def as_json(recipe: Recipe) -> Json:
    """Give the recipe as plain JSON, whole."""
    content: Json = json.loads(json.dumps(dataclasses.asdict(recipe)))
    return content


def from_json(content: Mapping[str, Any], *, where: str) -> Recipe:
    """Build a recipe from plain JSON; ``where`` names the source in errors."""
    fields = dict(content)
    parts = fields.get("parts", ())
    if not isinstance(parts, list | tuple) or not all(isinstance(part, Mapping) for part in parts):
        raise UsageError(f"{where}: parts is {parts!r}", remedy="It has to be a list, each with feature and encoder.")
    fields["parts"] = tuple(_record(Part, part, f"{where}: parts") for part in parts)
    if not fields["parts"]:
        raise UsageError(f"{where}: a recipe needs parts", remedy="Each has a feature and an encoder.")
    recipe: Recipe = _record(Recipe, fields, where)
    return recipe


def _record(kind: type[Any], content: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    unknown = sorted(set(content) - set(hints))
    if unknown:
        raise UsageError(f"{where}: there is no setting {unknown[0]!r}", remedy=f"There are: {', '.join(hints)}.")
    values = {name: _value(hints[name], value, f"{where}: {name}") for name, value in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise UsageError(f"{where}: {error}", remedy="Give every field that has no default.") from None


def _value(hint: Any, value: Any, where: str) -> Any:
    if hint is Fit and isinstance(value, Mapping):
        return _record(Fit, value, where)
    kind = get_origin(hint) or hint
    if (kind is Mapping and not isinstance(value, Mapping)) or (hint is Fit and not isinstance(value, Fit)):
        raise UsageError(f"{where} is {value!r}", remedy="It has to be a table of settings.")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint in (int, float, str, bool) and type(value) is not hint:
        raise UsageError(f"{where} is {value!r}", remedy=f"It has to be of type {hint.__name__}.")
    return value
