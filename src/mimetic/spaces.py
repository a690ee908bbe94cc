"""What a search varies: a recipe, or the words of ``--vary``, in; settings with their ranges, and changed recipes, out.

``fit.rate=1e-5..1e-2`` is a range, on a log scale where its ends are a factor of ten or more apart; of whole numbers
where both ends are. ``fit.clips=16,64,256`` are choices. ``parts.*.options.hidden`` is the same for every part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mimetic.encoders import ENCODERS
from mimetic.fusions import FUSIONS
from mimetic.recipes import Part, Recipe, with_settings
from mimetic.records import Json, UsageError

WIDE = 10.0
"""How far apart the ends of a range are, as a factor, from which on it is searched on a log scale."""

EVERY = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Numbers between two ends, both included."""

    low: float
    high: float

    @property
    def log(self) -> bool:
        """Whether it is searched on a log scale."""
        return self.low > 0 and self.high / self.low >= WIDE

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that have to be possible for all to be."""
        return self.low, self.high


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Some values, each as JSON text: so tables of settings can be chosen among."""

    texts: tuple[str, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values."""
        return tuple(json.loads(text) for text in self.texts)


Space = Mapping[str, Range | Choices]
"""Dotted names of settings, and what each may be."""


def _choices(*values: Any) -> Choices:
    return Choices(texts=tuple(json.dumps(value) for value in values))


def default_space(recipe: Recipe) -> Space:
    """Give what is worth a search in any recipe: how its last stage is trained, its dropout and its width."""
    rate = recipe.fit.rate
    space: dict[str, Range | Choices] = {
        "fit.rate": Range(low=rate / 10, high=rate * 10),
        "fit.decay": Range(low=1e-4, high=1e-1),
        "fit.clips": _choices(16, 32, 64, 128, 256, 512),
        "fit.average": _choices(0.0, 0.9, 0.99),
        "fit.loss": _choices({"ccc": 0.7, "mse": 0.3}, {"ccc": 1.0}, {"mse": 1.0}, {"pearson": 1.0, "mse": 1.0}),
    }
    if len(recipe.parts) == 1:
        (part,) = recipe.parts
        return space | _sizes(ENCODERS[part.encoder].options, "parts.0.options")
    space |= _sizes(FUSIONS[recipe.fusion].options, "options")
    space["modality_dropout"] = Range(low=0.0, high=0.5)
    return space | ({"adapt": _choices(0.0, 0.05, 0.2, 1.0)} if recipe.before else {})


def _sizes(options: Mapping[str, Any], where: str) -> dict[str, Range | Choices]:
    known: dict[str, Range | Choices] = {"hidden": _choices(32, 64, 128, 256), "dropout": Range(low=0.0, high=0.6)}
    return {f"{where}.{name}": known[name] for name in known if name in options}


def read_space(texts: Sequence[str]) -> Space:
    """Read the words of ``--vary``.

    Raises
    ------
    UsageError
        for words that vary nothing.
    """
    return dict(_varied(text) for text in texts)


def _varied(text: str) -> tuple[str, Range | Choices]:
    name, equals, values = text.partition("=")
    low, dots, high = values.partition("..")
    try:
        if equals and dots:
            ends = Range(low=_number(low), high=_number(high))
            if ends.low < ends.high:
                return name, ends
        elif equals and (several := _listed(values)):
            return name, _choices(*several)
    except ValueError:
        pass
    raise UsageError(f"--vary {text} varies nothing", remedy="Write fit.rate=1e-5..1e-2, or fit.clips=16,64.")


def _number(text: str) -> float:
    number = json.loads(text)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(text)
    return number


def _listed(text: str) -> list[Any]:
    """Read ``a,b``: a JSON list without its brackets, or else names."""
    try:
        values: list[Any] = json.loads(f"[{text}]")
    except ValueError:
        values = [name.strip() for name in text.split(",") if name.strip()]
    return values if len(values) > 1 else []


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Give a recipe with the settings of a trial; ``parts.*`` is each part.

    Raises
    ------
    UsageError
        for a setting that the recipe does not have, or a value that it cannot have.
    """
    return with_settings(recipe, dict(_spelt(recipe.parts, settings)))


def _spelt(parts: Sequence[Part], settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if name.startswith(f"parts.{EVERY}."):
            rest = name.removeprefix(f"parts.{EVERY}.")
            yield from ((f"parts.{place}.{rest}", value) for place in range(len(parts)))
        else:
            yield name, value


def check_space(recipe: Recipe, space: Space) -> None:
    """Refuse a space of which the recipe cannot take every end.

    Raises
    ------
    UsageError
        naming the first.
    """
    for name, values in space.items():
        for value in values.ends:
            changed(recipe, {name: value})


def space_as_json(space: Space) -> Json:
    """Give a space as JSON."""
    return {
        name: [values.low, values.high] if isinstance(values, Range) else {"choices": list(values.ends)}
        for name, values in space.items()
    }
