"""Recipes as settings: the dotted words of ``--set``, TOML and JSON in, a Recipe out, or what is wrong with them."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from mimetic.recipes.record import Fit, Part, Recipe
from mimetic.records import Json, UsageError, find

_OPTIONS = {"encoder": "options", "fusion": "options", "head": "head_options"}
"""Where the options of what a setting names stand beside it."""

_PLAIN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
"""What a setting may be, in a user's words."""


def read_recipe(path: Path, table: Mapping[str, Recipe]) -> Recipe:
    """Read a recipe from TOML: the fields of ``Recipe``; ``base = "light"`` starts from one of the table."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        remedy = "Name a recipe of `mimetic list recipes`, or a TOML file."
        raise UsageError(f"{path} cannot be read ({error.strerror})", remedy=remedy) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no recipe ({error})", remedy="Write its fields as TOML.") from None
    base = content.pop("base", None)
    if base is not None and not isinstance(base, str):
        raise UsageError(f"{path}: base is {base!r}", remedy="It has to be a recipe's name.")
    content.setdefault("name", path.stem)
    if base is None:
        return from_json(content, where=str(path))
    return from_json({**as_json(find(table, base, "recipe")), **content}, where=str(path))


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Change fields by their dotted names: ``fit.epochs``, ``parts.0.encoder``, ``options.hidden``.

    What was published of a recipe, and its count of parameters, are not of a changed one.
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
    if last in _OPTIONS and isinstance(place, dict) and place.get(last) != value:
        place[_OPTIONS[last]] = {}  # they were another one's
    if isinstance(place, list):
        place[_number(step=last, of=place, name=name)] = value
    elif last in place or (path and path[-1] in ("options", "head_options", "loss")):
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


def as_toml(recipe: Recipe) -> str:
    """Give the recipe as TOML, whole, as ``read_recipe`` reads it; one line a field, one a part."""
    content = as_json(recipe)
    parts = content.pop("parts")
    lines = [f"{name} = {_toml(value)}" for name, value in content.items()]
    return "\n".join([*lines, "parts = [", *(f"  {_toml(part)}," for part in parts), "]", ""])


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_toml(of)}" for name, of in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


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
    if hint in _PLAIN and type(value) is not hint:
        raise UsageError(f"{where} is {value!r}", remedy=f"It has to be {_PLAIN[hint]}.")
    return value
