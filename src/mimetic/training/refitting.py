"""A last fit on all labelled clips: a finished run and its data set in, a run out that nothing can score.

What validation decided stays decided: how many epochs each stage takes, and how its rate fell. So the clips that chose
them can be learned from too; what the new run is worth is said by the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from mimetic.devices import choose_device, one_thread
from mimetic.network import count_parameters
from mimetic.recipes import Fit, Recipe, stage_one
from mimetic.records import BadRun, Json
from mimetic.runs import NETWORK, Run, find_run, write_run
from mimetic.splits import ALL
from mimetic.training.loop import Trainer
from mimetic.training.material import Material, Shelf
from mimetic.training.rates import Rates


class Replay(Rates):
    """The rates of a training that is over: as many epochs as were best, each at the rate that it had."""

    def __init__(self, optimiser: torch.optim.Optimizer, fit: Fit, *, steps: int, epochs: Sequence[Json]) -> None:
        super().__init__(optimiser, fit, steps=steps)
        self._epochs, self._done = epochs, 0
        self._falls = fit.schedule == "plateau"
        self._first = self._full[0]

    @property
    def stop(self) -> bool:
        """Whether as many epochs are done."""
        return self._done >= len(self._epochs)

    def step(self) -> None:
        """Set the rates of the step that follows."""
        super().step()
        if self._falls and self._first:
            self._set(self._epochs[self._done]["rate"] / self._first)

    def judge(self, score: float | None) -> bool:
        """Take the epoch as the best so far: nothing can tell."""
        del score
        self._done += 1
        return True


class Refitter(Trainer):
    """Trains a recipe as a finished run was trained, on other clips."""

    def __init__(
        self, recipe: Recipe, material: Material, before: Sequence[Run], of: Run, device: torch.device
    ) -> None:
        self._of = of
        super().__init__(recipe, material, before, of.seed, device)

    def rates(self, optimiser: torch.optim.Optimizer) -> Rates:
        """Give the rates that the finished run had, up to its best epoch."""
        epochs = self._of.history[: self._of.config["best_epoch"]]
        return Replay(optimiser, self.fit, steps=self.steps_an_epoch, epochs=epochs)


def refit(run: Run, shelf: Shelf, out: Path, *, device: str = "auto") -> Run:
    """Train a run's recipe, and its parts, on all labelled clips of its data set; give the new run.

    Raises
    ------
    BadRun
        if the data or the features are not those of the run, or the runs of its parts are not beside it.
    """
    if run.kind != NETWORK or run.refit:
        raise BadRun(
            f"{run.path} is no network that can be refit", remedy="Give one that was validated; of a stack, its runs."
        )
    if shelf.material(run.recipe).sign(run.recipe, run.seed).run != run.signature:
        message = f"{run.path} was not trained on {shelf.dataset.name} with the features in {shelf.store.path}"
        raise BadRun(message, remedy="Give the data set that it was trained on.")
    return _refit(run, shelf, out, torch.device(choose_device(device)))


def _refit(run: Run, shelf: Shelf, out: Path, device: torch.device) -> Run:
    recipe = replace(run.recipe, split=ALL)
    material = shelf.material(recipe)
    signature = material.sign(recipe, run.seed)
    if (finished := find_run(out, signature)) is not None:
        return finished
    before = [_refit(_part(run, part, shelf), shelf, out, device) for part in stage_one(run.recipe)]
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(run.seed)
        trainer = Refitter(recipe, material, before, run, device)
        for _ in trainer.epochs():
            pass
        outcome = trainer.outcome()
    facts = {
        **material.facts(),
        "best_epoch": trainer.best_epoch,
        "parameters": count_parameters(trainer.network, recipe),
        "refit_of": run.signature,
        "validation": "no validation score: trained on all labelled clips",
    }
    return write_run(
        out,
        recipe=recipe,
        signature=signature,
        facts=facts,
        weights=trainer.network.state_dict(),
        history=trainer.history,
        outcome=outcome,
    )


def _part(run: Run, part: Recipe, shelf: Shelf) -> Run:
    """Find the run of a part, where its stage two found it."""
    folder = run.path.absolute().parent.parent
    found = find_run(folder, shelf.material(part).sign(part, run.seed))
    if found is None:
        raise BadRun(f"{folder} has no run of {part.name}, seed {run.seed}", remedy="Refit it where it was trained.")
    return found
