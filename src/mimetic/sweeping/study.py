"""The journal: a plan in; trials that one process at a time has in hand, and what is written of them, out.

Whoever works on a trial holds a lock that ends with the process. A trial without one was killed, and is put back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mimetic.records import Json
from mimetic.spaces import Range, Space
from mimetic.sweeping.plan import Plan

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

JOURNAL, LOCKS = "journal.log", ".locks"
UNCHANGED, SCORES, WHOLE, ERROR = "unchanged", "folds", "whole", "error"
"""What a trial is noted with: that it is the recipe as it stands, its scores, that it has all, why it has none."""

STARTERS = 5
"""Finished trials without which none is given up."""


@contextmanager
def claimed(plan: Plan, trials: int) -> Iterator[Trial | None]:
    """Give the next trial, held as long as this process lives; ``None`` where enough are finished or in hand."""
    from filelock import FileLock

    locks = plan.out / LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    with ExitStack() as until_done:
        with FileLock(locks / "claim"):
            study = open_study(plan)
            _revive(study, locks)
            in_hand = sum(trial.state.name == "RUNNING" for trial in study.get_trials(deepcopy=False))
            trial = _ask(plan, study) if count_finished(study) + in_hand < trials else None
            if trial is not None:
                until_done.enter_context(_held(locks / f"{study.study_name}.{trial.number}"))
        yield trial


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock, and leave no file behind.

    Raises
    ------
    filelock.Timeout
        if another process holds it.
    """
    from filelock import FileLock

    with FileLock(path, timeout=0):
        yield
        path.unlink(missing_ok=True)


def _revive(study: Study, locks: Path) -> None:
    """Put trials back whose process is no more, with the settings that they had."""
    from filelock import Timeout
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        with suppress(Timeout), _held(locks / f"{study.study_name}.{trial.number}"):
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs={UNCHANGED: trial.user_attrs.get(UNCHANGED, False)})


def _ask(plan: Plan, study: Study) -> Trial:
    """Ask for the next settings; the first trial is the recipe as it stands."""
    waiting = [trial for trial in study.trials if trial.state.name == "WAITING"]
    unchanged = waiting[0].user_attrs[UNCHANGED] if waiting else not study.trials
    trial = study.ask({} if unchanged else _distributions(plan.space))
    trial.set_user_attr(UNCHANGED, unchanged)
    return trial


def _distributions(space: Space) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for name, values in space.items():
        if not isinstance(values, Range):
            found[name] = CategoricalDistribution(values.texts)
        elif values.whole:
            found[name] = IntDistribution(int(values.low), int(values.high), log=values.log)
        else:
            found[name] = FloatDistribution(values.low, values.high, log=values.log)
    return found


def settings_of(params: Mapping[str, Any]) -> Json:
    """Give what a trial sets: choices are kept as JSON text."""
    return {name: json.loads(value) if isinstance(value, str) else value for name, value in params.items()}


def open_study(plan: Plan) -> Study:
    """Open the study in the journal, or begin it. The sampler's seed is of the trial, and not of the process."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plan.out.mkdir(parents=True, exist_ok=True)
    storage = _storage(plan.out / JOURNAL)
    study = optuna.create_study(
        study_name=plan.name, storage=storage, direction="maximize", load_if_exists=True, pruner=_pruner(plan)
    )
    seed = int(np.random.SeedSequence([plan.seed, len(study.trials)]).generate_state(1)[0])
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    return study


def _pruner(plan: Plan) -> BasePruner:
    """Give what gives trials up after a fold: those below the median of the others there, if that is wished."""
    from optuna.pruners import MedianPruner, NopPruner

    return MedianPruner(n_startup_trials=STARTERS) if plan.prune else NopPruner()


def _storage(journal: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(journal)))


def _is_finished(trial: FrozenTrial) -> bool:
    """Tell a trial that has come to an end from one that was killed."""
    if trial.state.name == "FAIL":
        return ERROR in trial.user_attrs or WHOLE in trial.user_attrs
    return trial.state.is_finished()


def count_finished(study: Study) -> int:
    """Count the trials that have come to an end: with a score, given up, or with an error."""
    return sum(map(_is_finished, study.get_trials(deepcopy=False)))
