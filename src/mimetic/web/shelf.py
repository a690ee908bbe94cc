"""The runs that are shown: folders in, finished runs with their scores out; looked through anew whenever asked.

Scores and comparisons are those of ``mimetic evaluate`` and ``mimetic compare``, computed once and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from mimetic.evaluation import Evaluation, compare_runs, evaluate, systems
from mimetic.evidence.intervals import Comparison
from mimetic.journal import Underway, underway
from mimetic.records import BadRun, Json
from mimetic.runs import CONFIG, Run, runs_of
from mimetic.web.problems import Refusal

SHORT = 12
"""Characters of a signature that name a run here."""


def name_of(run: Run) -> str:
    """Name a run: the beginning of its signature, which says nothing of where it lies."""
    return run.signature[:SHORT]


@dataclass(slots=True, eq=False)
class Shelf:
    """Runs in some folders."""

    places: Sequence[Path]
    _opened: dict[Path, tuple[int, Run]] = field(default_factory=dict)
    _scores: dict[tuple[str, str], Evaluation] = field(default_factory=dict)
    _compared: dict[tuple[str, str, str], Comparison] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def runs(self) -> dict[str, Run]:
        """Give the runs by name, in the order in which their folders were given; one that is broken is passed over."""
        found = [run for place in self.places for path in _below(place) if (run := self._open(path)) is not None]
        return {name_of(run): run for run in found}

    def _open(self, path: Path) -> Run | None:
        """Open a run once, and again after its folder was written anew."""
        try:
            written = (path / CONFIG).stat().st_mtime_ns
            if self._opened.get(path, (None,))[0] != written:
                run = Run(path)
                assert run.history is not None  # read now: a run without is none to show
                self._opened[path] = written, run
            return self._opened[path][1]
        except (OSError, BadRun):
            return None

    def get(self, name: str | None) -> Run:
        """Give a run by name; if none is told, the first of those that look at most modalities.

        Raises
        ------
        Refusal
            404 if there is none of that name.
        """
        runs = self.runs()
        if name is None and runs:
            return max(runs.values(), key=lambda run: len(run.recipe.parts))
        if name is None or name not in runs:
            raise Refusal(404, f"there is no run {name}" if name else "there is no run", remedy="See /api/runs.")
        return runs[name]

    def systems(self) -> list[list[Run]]:
        """Group the runs that differ by seed alone."""
        return systems(list(self.runs().values()))

    def system(self, name: str) -> list[Run]:
        """Give the runs that differ from a run by seed alone, itself among them.

        Raises
        ------
        Refusal
            404 if there is no run of that name.
        """
        run = self.get(name)
        return next(group for group in self.systems() if run.system == group[0].system)

    def evaluation(self, name: str, part: str) -> Evaluation:
        """Score the system of a run, as ``mimetic evaluate`` does.

        Raises
        ------
        Refusal, UnknownName, BadRun
            if there is no such run or part, or the part has no labels.
        """
        group = self.system(name)
        key = (_signed(group), part)
        with self._lock:
            if key not in self._scores:
                self._scores[key] = evaluate(group, part=part)
            return self._scores[key]

    def comparison(self, first: str, second: str, part: str) -> Comparison:
        """Compare the systems of two runs, as ``mimetic compare`` does.

        Raises
        ------
        Refusal, UnknownName, BadRun
            as ``evaluation``; and if the two were not scored on the same clips.
        """
        mine, other = self.system(first), self.system(second)
        key = (_signed(mine), _signed(other), part)
        with self._lock:
            if key not in self._compared:
                self._compared[key] = compare_runs(mine, other, part=part)
            return self._compared[key]

    def training(self) -> list[Underway]:
        """Give the trainings that are going on where the runs lie."""
        around = [place for given in self.places for place in (given, given.parent, given.parent.parent)]
        return underway(list(dict.fromkeys(around)))


def _below(place: Path) -> list[Path]:
    try:
        return [run.path for run in runs_of([place])]
    except BadRun:
        return []


def _signed(group: Sequence[Run]) -> str:
    return "+".join(run.signature for run in group)


def run_as_json(run: Run) -> Json:
    """Give what a run is, as the list of runs tells it."""
    best = run.history[run.config["best_epoch"] - 1] if run.config["best_epoch"] else {}
    return {
        "run": name_of(run),
        "recipe": run.recipe.name,
        "about": run.recipe.about,
        "seed": run.seed,
        "system": run.system[:8],
        "data": run.data,
        "split": run.recipe.split,
        "note": run.note,
        "modalities": list(run.recipe.modalities),
        "targets": list(run.targets),
        "parameters": sum(run.config.get("parameters", {}).values()),
        "best_epoch": run.config["best_epoch"],
        "epochs": len(run.history),
        "mean_pearson": best.get("mean_pearson"),
    }
