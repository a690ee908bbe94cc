"""What a search has found, and what a stack is made of, as tables on the terminal."""

from __future__ import annotations

from mimetic.console import figure, print_lines, print_table
from mimetic.records import Json
from mimetic.runs import Run
from mimetic.sweeping.found import Sweep

MOST = 10
"""Trials that are printed; the file has them all."""


def print_sweep(found: Sweep) -> None:
    """Print the best trials, which settings matter, and how far the best is to be believed."""
    rows = [
        (trial.number, figure(trial.score), " ".join(map(figure, trial.folds)), _told_settings(trial.settings))
        for trial in found.trials[:MOST]
    ]
    counts = ", ".join(f"{count} {name}" for name, count in found.counts.items() if count)
    title = f"{found.recipe} on {found.data}, inner folds by {found.by or 'clip'}; trials: {counts}"
    print_table(["trial", "mean Pearson", "each fold", "settings"], rows, title=title)
    shares = (f"{name} {share:.0%}" for name, share in found.importance.items())
    print_lines(f"what matters: {', '.join(shares)}" if found.importance else None)
    print_lines(*found.caution, found.note or None)


def _told_settings(settings: Json) -> str:
    if not settings:
        return "the recipe as it stands"
    return ", ".join(f"{name}={_short(value)}" for name, value in settings.items())


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "+".join(f"{of:g} {name}" for name, of in value.items()) if isinstance(value, dict) else str(value)


def print_stack(run: Run) -> None:
    """Print what each system adds to a stack, by target, and how candidates did on clips that they have not seen."""
    told = run.config["stack"]
    by = told["grouped_by"] or "clip"
    scores = ", ".join(f"{name} {figure(score)}" for name, score in told["scores"].items())
    rows = [(name, *(f"{weight:.2f}" for weight in weights)) for name, weights in told["weights"].items()]
    print_table(["weight of", *run.targets], rows, title=f"{told['chosen']}, from {told['folds']} inner folds by {by}")
    print_lines(f"mean Pearson on them: {scores}", str(run.path), run.note or None)
