"""The table of recipes: every row of the poster in its order, the rivals', ours. A name in, a Recipe out."""

from __future__ import annotations

from pathlib import Path

from mimetic.recipes.light import LIGHT
from mimetic.recipes.ours import ROWS as OURS
from mimetic.recipes.poster import ROWS as POSTER
from mimetic.recipes.record import Fit as Fit
from mimetic.recipes.record import Part as Part
from mimetic.recipes.record import Recipe as Recipe
from mimetic.recipes.record import alone as alone
from mimetic.recipes.record import with_features as with_features
from mimetic.recipes.rivals import ROWS as RIVALS
from mimetic.recipes.settings import as_json as as_json
from mimetic.recipes.settings import from_json as from_json
from mimetic.recipes.settings import read_recipe
from mimetic.recipes.settings import with_settings as with_settings
from mimetic.records import find

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*POSTER, *RIVALS, *OURS, *LIGHT)}


def get_recipe(name: str) -> Recipe:
    """Give a recipe by its name, or from a TOML file.

    Raises
    ------
    UnknownName
        with the nearest names.
    UsageError
        for a file that is no recipe.
    """
    return read_recipe(Path(name), RECIPES) if name.endswith(".toml") else find(RECIPES, name, "recipe")


def stage_one(recipe: Recipe) -> tuple[Recipe, ...]:
    """Give the recipes that a fusion's parts are first trained by, each as it stands in the table if it does."""
    return tuple(_TOLD.get(_spelt(part), part) for part in recipe.before)


def _spelt(recipe: Recipe) -> str:
    return repr(recipe.content)


_TOLD = {_spelt(recipe): recipe for recipe in RECIPES.values() if len(recipe.parts) == 1}
