"""What nobody can beat on a simulated data set, read from what its maker has written down: a folder in, scores out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mimetic.features import feature
from mimetic.recipes import Recipe
from mimetic.records import MODALITIES, BadData, Json
from mimetic.splits import OFFICIAL

PLACE = Path("truth") / "ceilings.json"
"""Where a simulated data set keeps them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceilings:
    """Pearson of the best predictor there is, by set of features; ``sets`` as the maker wrote them."""

    sets: Mapping[str, Json]

    def of(self, recipe: Recipe) -> Mapping[str, float]:
        """Give the best score against validation's labels, by target and ``mean``; nothing where none is known.

        Of a single feature its own, of several the best feature's of each of their modalities. Where the clips are cut
        anew, those of fresh clips.
        """
        names = {feature(part.feature).name for part in recipe.parts}
        present = sorted(set(recipe.modalities), key=MODALITIES.index)
        name = names.pop() if len(names) == 1 else "+".join(present)
        kinds = self.sets.get(name, {})
        found: Mapping[str, float] = kinds.get("valid" if recipe.split == OFFICIAL else "population", {}).get(
            "noisy", {}
        )
        return found

    def mean(self, recipe: Recipe) -> float:
        """Give the best mean over targets; NaN where none is known."""
        return float(self.of(recipe).get("mean", math.nan))


def read_ceilings(data: Path) -> Ceilings | None:
    """Read what stands beside a data set; ``None`` where nothing does.

    Raises
    ------
    BadData
        for a file that is no table of ceilings.
    """
    path = data / PLACE
    if not path.is_file():
        return None
    try:
        return Ceilings(sets=dict(json.loads(path.read_text("utf-8"))["sets"]))
    except (ValueError, KeyError, TypeError):
        raise BadData(
            f"{path} is no table of ceilings", remedy="Make the data set again, or remove the file."
        ) from None
