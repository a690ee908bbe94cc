"""What is searched, and how: all that a process needs to work on a trial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mimetic.inner import FOLDS, Inner, cut_inner
from mimetic.recipes import Recipe
from mimetic.records import Dataset
from mimetic.spaces import Space, space_as_json
from mimetic.store import Store, digest
from mimetic.training.material import data_fingerprint


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is searched, and how: everything that a process needs to work on a trial."""

    dataset: Dataset
    store: Path
    recipe: Recipe
    space: Space
    out: Path
    folds: int = FOLDS
    by: str | None = None
    prune: bool = False
    seed: int = 0
    device: str = "cpu"

    @cached_property
    def inner(self) -> Inner:
        """The inner folds."""
        return cut_inner(
            self.dataset, Store(self.store), self.recipe.split, folds=self.folds, by=self.by, seed=self.seed
        )

    @property
    def name(self) -> str:
        """The study's name: the same for commands that search the same, whatever their number of trials."""
        searched = [self.recipe.content, space_as_json(self.space), self.folds, self.by, self.seed]
        return f"{self.recipe.name}-{digest([searched, data_fingerprint(self.dataset)])[:8]}"
