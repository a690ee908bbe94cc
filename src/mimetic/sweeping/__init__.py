"""A search for settings: a recipe and a space in; trials in a journal that processes share, and the best of them, out.

::

    OUT/journal.log             what was tried, and what came of it (Optuna's journal)
       /trials/                 the runs of the trials, so that nothing is trained twice; not needed afterwards
       /best.toml               the chosen settings: a recipe that `mimetic train` takes
       /sweep.json              the table

A trial is scored on inner folds alone: by the clips that train, those that have neither trained it nor chosen its
epoch. A sweep can be stopped at any time, and any number of commands can work on one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from mimetic.devices import choose_device
from mimetic.inner import train_held
from mimetic.parallel import Lost, unordered
from mimetic.recipes.settings import as_toml
from mimetic.records import MimeticError, MissingExtra
from mimetic.scores import pearson
from mimetic.spaces import changed, check_space
from mimetic.stacking import mean_defined
from mimetic.store import write_atomically
from mimetic.sweeping.found import Sweep, look_into
from mimetic.sweeping.plan import Plan as Plan
from mimetic.sweeping.study import ERROR, SCORES, UNCHANGED, WHOLE, claimed, count_finished, open_study, settings_of

if TYPE_CHECKING:
    from optuna import Trial

EXTRA = "sweep"
BEST, TABLE = "best.toml", "sweep.json"


def sweep(
    plan: Plan, *, trials: int, workers: int = 1, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Sweep:
    """Try settings until so many trials have finished, those of other commands included; give what was found.

    Parameters
    ----------
    workers
        processes; one works here.

    Raises
    ------
    MissingExtra
        if Optuna is not installed.
    UsageError
        for a space that the recipe cannot take, or a device that is not there.
    MimeticError
        if no trial has a score, with the reason of the last.
    """
    if find_spec("optuna") is None:
        raise MissingExtra("a sweep", EXTRA)
    check_space(plan.recipe, plan.space)
    plan = replace(plan, device=choose_device(plan.device))
    count = count_finished(open_study(plan))
    progress(count, trials)
    work, left = _Work(plan, trials), range(max(0, trials - count))
    for _, came in unordered(work, left, workers=0 if workers == 1 else workers):
        if isinstance(came, Lost):
            raise MimeticError(f"a trial {came.reason}", remedy="The same command tries it again.")
        count += came
        progress(count, trials)
    return _write(plan)


def _write(plan: Plan) -> Sweep:
    """Write down the best recipe and the table."""
    found = look_into(plan, open_study(plan), str(plan.out / BEST))
    best = changed(plan.recipe, found.trials[0].settings)
    about = f"{plan.recipe.name}, the best of {len(found.trials)} trials"
    best = replace(best, name=f"{plan.recipe.name}.swept", about=about, published={}, parameters={})
    write_atomically(plan.out / BEST, as_toml(best).encode())
    write_atomically(plan.out / TABLE, (json.dumps(found.as_json(), indent=1) + "\n").encode())
    return found


@dataclass(frozen=True)
class _Work:
    """Makes what works on one trial after the other; pickled on the way to its process."""

    plan: Plan
    trials: int

    def __call__(self) -> Callable[[int], bool]:
        return self._work

    def _work(self, _index: int) -> bool:
        """Try once; tell whether there was something left to try."""
        with claimed(self.plan, self.trials) as trial:
            if trial is None:
                return False
            _try(self.plan, trial)
            return True


def _try(plan: Plan, trial: Trial) -> None:
    """Train a trial on each inner fold and write down its score; or why it has none.

    The recipe as it stands is none of the sampler's, whose space may not hold it: it ends as failed, with scores.
    """
    from optuna.trial import TrialState

    study = trial.study
    try:
        scores = list(_scored(plan, trial))
    except MimeticError as error:
        trial.set_user_attr(ERROR, error.message)
        study.tell(trial, state=TrialState.FAIL)
        return
    if len(scores) < len(plan.inner.shelves):
        study.tell(trial, state=TrialState.PRUNED)
        return
    trial.set_user_attr(WHOLE, value=True)
    if trial.user_attrs[UNCHANGED]:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, float(np.mean(scores)))


def _scored(plan: Plan, trial: Trial) -> Iterator[float]:
    """Yield the mean Pearson on one inner fold after the other, until the trial is given up."""
    recipe = changed(plan.recipe, settings_of(trial.params))
    scores: list[float] = []
    for places, shelf in plan.inner.held():
        if scores and not trial.user_attrs[UNCHANGED] and trial.should_prune():
            return
        run = train_held(shelf, recipe, plan.out / "trials", seed=plan.seed, device=plan.device)
        scores.append(mean_defined(pearson(plan.inner.labels[places], run.outcome.part("test").predicted)))
        trial.report(float(np.mean(scores)), len(scores))
        trial.set_user_attr(SCORES, scores)
        yield scores[-1]
