"""Runs become systems: runs of one recipe together, scored, named, compared and put in order.

In: finished runs on one data set. Out: single modalities in the field's order, then fusions, the best of each first;
each with what it is more than the best single modality, than the floor and, if it is a fusion, than the plainest one.
All those comparisons are corrected together (Holm): among thirty systems two would differ by chance.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mimetic.evaluation import Evaluation, compare_runs, evaluate, systems
from mimetic.evidence.intervals import Comparison, holm
from mimetic.recipes import RECIPES, Recipe
from mimetic.records import MODALITIES, BadRun, Dataset, Json
from mimetic.runs import NETWORK, STACK, Outcome, Run
from mimetic.sharing import Grouping

PART = "valid"
"""The clips that the page is about."""

PLAINEST = "F1"
"""The fusion that others have to be better than to be worth their trouble."""

FLOOR = "floor"
"""The line to beat: clip statistics and a ridge, which take seconds."""

LEVEL = 0.05
"""Probability of claiming any difference where there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meeting:
    """A system minus another one, on the same clips; ``corrected`` is its p among all comparisons that were made."""

    first: str
    second: str
    comparison: Comparison
    corrected: float = float("nan")

    @property
    def told(self) -> bool:
        """Whether a difference is left after so many looks."""
        return self.corrected <= LEVEL

    @property
    def verdict(self) -> str:
        """Say which one is better, in words; neither, where the corrected p leaves that open."""
        if not self.told:
            return f"no difference can be told at n = {self.comparison.clips:,}"
        return f"{self.first if self.comparison.difference > 0 else self.second} is better"

    @property
    def short(self) -> str:
        """Say it in a word or two, of the first."""
        if not self.told:
            return "not to be told apart"
        return "better" if self.comparison.difference > 0 else "worse"

    def as_json(self) -> Json:
        """Give the comparison as ``--json`` prints it."""
        told = self.comparison.as_json() | {"corrected": self.corrected, "verdict": self.verdict}
        return {"minus": self.second, **told}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class System:
    """Runs of one recipe that differ by their seed, and their scores.

    ``name`` is its recipe's, or says more where several have that one. ``versus`` compares it with ``best``, the best
    single modality on the same clips, ``beyond`` a fusion with the plainest one, ``over`` compares it with the floor;
    ``None`` where there is none, or it is the system itself.
    """

    name: str
    runs: tuple[Run, ...]
    scores: Evaluation
    best: System | None = None
    versus: Meeting | None = None
    beyond: Meeting | None = None
    over: Meeting | None = None

    @property
    def meetings(self) -> list[Meeting]:
        """All that it was compared with."""
        return [meeting for meeting in (self.versus, self.beyond, self.over) if meeting]

    @property
    def recipe(self) -> Recipe:
        """What all of its runs were made from."""
        return self.runs[0].recipe

    @property
    def modalities(self) -> tuple[str, ...]:
        """Its modalities, as one reads them."""
        return tuple(modality.capitalize() for modality in self.recipe.modalities)

    @property
    def single(self) -> bool:
        """Whether it is one modality alone."""
        return len(self.recipe.parts) == 1

    @property
    def split(self) -> str:
        """The fingerprint of its split: systems that share it were scored on the same clips."""
        return str(self.runs[0].config["split"]["fingerprint"])

    @property
    def parameters(self) -> int:
        """How many numbers it learns."""
        return sum(self.runs[0].config["parameters"].values())

    @property
    def mean(self) -> float:
        """Its mean Pearson, to rank by: an undefined one is worse than any."""
        return float(np.nan_to_num(self.scores.mean_pearson.value, nan=-2.0))

    def as_json(self) -> Json:
        """Give its scores as ``evaluate --json`` prints them, and beside them the published and the comparisons."""
        told = {"name": self.name, **self.scores.as_json(), "published": dict(self.recipe.published)}
        met = {"versus_best": self.versus, "versus_plainest": self.beyond, "versus_floor": self.over}
        return told | {name: meeting and meeting.as_json() for name, meeting in met.items()}

    @property
    def outcome(self) -> Outcome:
        """The validation clips as it scores them: the mean over its seeds."""
        outcomes = [run.outcome.part(PART) for run in self.runs]
        return replace(outcomes[0], predicted=np.mean([outcome.predicted for outcome in outcomes], axis=0))

    @property
    def command(self) -> str:
        """The line that trains it again."""
        if self.runs[0].kind == STACK:
            return "mimetic stack DATA RUN..."
        name, settings = self.recipe.name, _settings(self.recipe)
        known = settings is not None or self.runs[0].kind != NETWORK
        words = ["mimetic", "train", "DATA", name if known else f"{name}.toml"]
        words += [word for setting in settings or () for word in ("--set", setting)]
        return shlex.join([*words, "--seeds", ",".join(str(run.seed) for run in self.runs)])


def score_systems(
    runs: Sequence[Run],
    *,
    groups: Grouping | None = None,
    dataset: Dataset | None = None,
    resamples: int = 10_000,
) -> list[System]:
    """Score every system, and compare it with the best single modality, and a fusion with the plainest.

    Single modalities come first, in the field's order, then fusions; within each those on the clips that most systems
    share, the best first. A run given twice counts once.

    Parameters
    ----------
    groups, dataset
        as ``evaluate`` takes them.

    Raises
    ------
    BadRun
        if there is no run, the runs are not of one data set, or it has no labelled validation clips.
    """
    once = list({run.signature: run for run in runs}.values())
    if len({run.config["data"]["fingerprint"] for run in once}) != 1:
        told = ", ".join(sorted({run.data for run in once})) or "none"
        raise BadRun(f"a report is about one data set, and these runs are of: {told}", remedy="Give the runs of one.")
    found = systems(once)
    scored = [
        System(
            name=name,
            runs=tuple(group),
            scores=evaluate(group, part=PART, groups=groups, dataset=dataset, resamples=resamples),
        )
        for name, group in zip(_told_apart(found), found, strict=True)
    ]
    met = [_met(system, scored, groups, resamples) for system in scored]
    splits = [system.split for system in scored]
    return sorted(_corrected(met), key=lambda system: _order(system, splits))


def headline(found: Sequence[System]) -> System:
    """Choose the system that a page is about: a fusion, on the clips that most systems share, with the best score."""
    splits = [system.split for system in found]
    return max(found, key=lambda system: (not system.single, splits.count(system.split), system.mean))


def _told_apart(groups: Sequence[Sequence[Run]]) -> list[str]:
    """Name systems by their recipes: where several have one, by the split too, or else by their signature."""
    names = [group[0].recipe.name for group in groups]
    longer = [f"{name} at {group[0].recipe.split}" for name, group in zip(names, groups, strict=True)]
    return [
        name if names.count(name) == 1 else long if longer.count(long) == 1 else f"{name}-{group[0].system[:8]}"
        for name, long, group in zip(names, longer, groups, strict=True)
    ]


def _met(system: System, scored: Sequence[System], groups: Grouping | None, resamples: int) -> System:
    alike = [other for other in scored if other.split == system.split]
    best = max((other for other in alike if other.single), key=lambda other: other.mean, default=None)
    plainest = next((other for other in alike if other.recipe.name == PLAINEST and not system.single), None)
    floor = next((other for other in alike if other.recipe.name == FLOOR), None)

    def meeting(other: System | None) -> Meeting | None:
        if other is None or other is system:
            return None
        found = compare_runs(system.runs, other.runs, part=PART, groups=groups, resamples=resamples)
        return Meeting(first=system.name, second=other.name, comparison=found)

    versus = meeting(best)
    return replace(system, best=best if versus else None, versus=versus, beyond=meeting(plainest), over=meeting(floor))


def _corrected(found: Sequence[System]) -> list[System]:
    """Correct the p of all comparisons together."""
    left = iter(holm([meeting.comparison.chance for system in found for meeting in system.meetings]).tolist())

    def corrected(meeting: Meeting | None) -> Meeting | None:
        return meeting and replace(meeting, corrected=next(left))

    return [
        replace(system, versus=corrected(system.versus), beyond=corrected(system.beyond), over=corrected(system.over))
        for system in found
    ]


def _order(system: System, splits: Sequence[str]) -> tuple[bool, list[int], int, float]:
    places = [MODALITIES.index(m) if m in MODALITIES else len(MODALITIES) for m in system.recipe.modalities]
    return not system.single, places if system.single else [], -splits.count(system.split), -system.mean


def _settings(recipe: Recipe) -> list[str] | None:
    """Give the settings that turn the table's recipe of this name into this one, as ``--set`` takes them.

    ``None`` where there is no such recipe, or settings do not reach that far.
    """
    if recipe.name not in RECIPES:
        return None
    changes = list(_changes(RECIPES[recipe.name].content, recipe.content))
    if any(isinstance(value, dict | list) for _, value in changes):
        return None
    return [f"{name}={json.dumps(value)}" for name, value in changes]


def _changes(base: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Walk two contents and yield what differs: a leaf, or the whole of what has lost or gained a place."""
    if isinstance(base, list) and isinstance(now, list) and len(base) == len(now):
        base, now = dict(enumerate(base)), dict(enumerate(now))
    if isinstance(base, dict) and isinstance(now, dict) and base.keys() == now.keys():
        for key in now:
            yield from _changes(base[key], now[key], f"{name}.{key}".lstrip("."))
    elif base != now:
        yield name, now
