"""What a search has found: a journal in; the best trials, their settings, and how far to believe them, out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mimetic.records import Json, MimeticError
from mimetic.sweeping.plan import Plan
from mimetic.sweeping.study import ERROR, SCORES, WHOLE, settings_of

if TYPE_CHECKING:
    from optuna import Study

FEW = 8
"""Scored trials without which nothing is said of which settings matter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """One finished trial: its settings, none of the recipe as it stands, and its mean Pearson on each inner fold."""

    number: int
    settings: Json
    folds: tuple[float, ...]

    @property
    def score(self) -> float:
        """The mean over folds."""
        return float(np.mean(self.folds))

    def as_json(self) -> Json:
        """Give the trial as ``--json`` prints it."""
        return {"trial": self.number, "mean_pearson": self.score, "folds": list(self.folds), "settings": self.settings}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What has been tried so far, the best first; ``counts`` of trials by what became of them."""

    recipe: str
    data: str
    note: str
    by: str | None
    trials: tuple[Tried, ...]
    counts: Mapping[str, int]
    importance: Mapping[str, float]
    best: str

    @property
    def unchanged(self) -> float | None:
        """The score of the recipe as it stands."""
        return next((trial.score for trial in self.trials if not trial.settings), None)

    @property
    def optimism(self) -> float:
        """How much too good the best score is, because it is the best of many."""
        return optimism(self.trials)

    @property
    def caution(self) -> tuple[str, ...]:
        """What has to be said of the best score, and how to learn what it is worth."""
        best, tried = self.trials[0], len(self.trials)
        return (
            f"best of {tried}: {best.score:.3f}, and too good for having been chosen, by about {self.optimism:.3f}",
            f"what it is worth, clips say that took no part: mimetic train DATA {self.best}, then evaluate and compare",
        )

    def as_json(self) -> Json:
        """Give the sweep as ``--json`` prints it."""
        return {
            "recipe": self.recipe,
            "data": self.data,
            "note": self.note,
            "grouped_by": self.by,
            "counts": dict(self.counts),
            "unchanged": self.unchanged,
            "optimism": self.optimism,
            "caution": list(self.caution),
            "importance": dict(self.importance),
            "best": self.best,
            "trials": [trial.as_json() for trial in self.trials],
        }


def optimism(trials: Sequence[Tried]) -> float:
    """Give by how much the best of many scores is too good: what each fold's own best is better there.

    The bias of a minimum over cross-validated scores (Tibshirani and Tibshirani 2009, Ann. Appl. Stat. 3:822). A fold
    is noisier than all together, so it is rather too much than too little.
    """
    scores = np.array([trial.folds for trial in trials])
    if len(scores) < 2:
        return 0.0
    return float(np.mean(scores.max(axis=0) - scores[scores.mean(axis=1).argmax()]))


def look_into(plan: Plan, study: Study, best: str) -> Sweep:
    """Read the journal; ``best`` is the file that the best settings are written to.

    Raises
    ------
    MimeticError
        if no trial has a score.
    """
    trials = study.get_trials(deepcopy=False)
    errors = [trial.user_attrs[ERROR] for trial in trials if ERROR in trial.user_attrs]
    tried = [
        Tried(number=trial.number, settings=settings_of(trial.params), folds=tuple(trial.user_attrs[SCORES]))
        for trial in trials
        if WHOLE in trial.user_attrs
    ]
    if not tried:
        raise MimeticError("no trial has a score", remedy=errors[-1] if errors else "Give more --trials.")
    states = [trial.state.name for trial in trials]
    counts = {"scored": len(tried), "pruned": states.count("PRUNED"), "failed": len(errors)}
    return Sweep(
        recipe=plan.recipe.name,
        data=plan.dataset.name,
        note=plan.dataset.note,
        by=plan.inner.by,
        trials=tuple(sorted(tried, key=lambda one: -one.score)),
        counts={**counts, "in hand": states.count("RUNNING")},
        importance=_importance(study),
        best=best,
    )


def _importance(study: Study) -> dict[str, float]:
    """Give the share of each setting in what makes the better trials better (PED-ANOVA); nothing of too few trials."""
    import optuna

    if sum(trial.state.name == "COMPLETE" for trial in study.get_trials(deepcopy=False)) < FEW:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is experimental
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}
