"""What a page's sections are written from: scored systems, and what the data set beside them says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mimetic.panels import Absent
from mimetic.recipes import stage_one
from mimetic.records import Dataset
from mimetic.report.ceilings import Ceilings
from mimetic.report.systems import System, headline
from mimetic.runs import Run
from mimetic.sharing import Grouping
from mimetic.store import Store


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Beside:
    """What stands beside the runs: their data set, its features, how its clips belong together, its ceilings.

    ``stills`` allows pictures of the clips that a page names: faces, which somebody has to want there.
    """

    dataset: Dataset
    store: Store | None = None
    groups: Grouping | None = None
    ceilings: Ceilings | None = None
    stills: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Material:
    """All that a section may look at. ``refit`` are runs that nothing can say the score of."""

    systems: Sequence[System]
    refit: Sequence[Run] = ()
    beside: Beside | None = None
    resamples: int = 10_000

    @property
    def head(self) -> System:
        """The system that the page is about."""
        return headline(self.systems)

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of what is predicted."""
        return self.head.runs[0].targets

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.head.scores.data

    @property
    def groups(self) -> Grouping | None:
        """Which clips are drawn together."""
        return self.beside.groups if self.beside else None

    @property
    def ceilings(self) -> Ceilings | None:
        """The best scores that there are, if they are known."""
        return self.beside.ceilings if self.beside else None

    @property
    def alike(self) -> list[System]:
        """The systems that were scored on the same clips as the head, which comes last."""
        return [s for s in self.systems if s.split == self.head.split and s is not self.head] + [self.head]

    @property
    def family(self) -> list[System]:
        """The head's parts, each alone, as far as they are there; and the head."""
        recipes = [recipe.content for recipe in stage_one(self.head.recipe)]
        return [system for system in self.alike if system is self.head or system.recipe.content in recipes]

    @property
    def several_splits(self) -> bool:
        """Whether not all systems were scored on the same clips."""
        return len({system.split for system in self.systems}) > 1

    @property
    def drawn(self) -> str:
        """Say what intervals are drawn over."""
        counts: Mapping[str, int] = self.head.scores.groups
        return " and ".join(f"{count:,} groups by {name}" for name, count in counts.items()) or "clips"


def short_names(found: Sequence[System]) -> list[str]:
    """Name systems in figures: by the modality where it tells one from the others, else by their name."""
    labels = [system.modalities[0] if system.single else system.name for system in found]
    return [label if labels.count(label) == 1 else system.name for label, system in zip(labels, found, strict=True)]


def seeds_of(system: System) -> str:
    """List a system's seeds, and say how far their scores are apart."""
    seeds = ", ".join(map(str, system.scores.seeds))
    return (
        seeds
        if np.isnan(system.scores.seed_spread)
        else f"{seeds}; ± {system.scores.seed_spread:.3f}".replace("0.", ".")
    )


def without_data(what: str) -> Absent:
    """Say that a section needs the data set."""
    return Absent(what=what, how="give the data set: mimetic report RUN... --data DATA")
