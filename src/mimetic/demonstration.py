"""The whole river on clips it makes itself: data, features, five systems, evidence, a report, a submission.

A step that is done is not done again, so a demonstration that was stopped goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimetic.datasets import DATASETS, open_dataset
from mimetic.evaluation import Evaluation, compare_runs, evaluate
from mimetic.evidence.intervals import Comparison
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.prediction import predict_dataset
from mimetic.recipes import RECIPES, Recipe, stage_one
from mimetic.records import Dataset, Entry, Json, UsageError
from mimetic.report import write_report
from mimetic.runs import CONFIG, Run
from mimetic.store import Store
from mimetic.submission import check_submission, write_submission
from mimetic.training import train

Progress = Callable[[int, int], None]
"""Takes ``(done, total)``."""

CAVEAT = "This model knows only drawn faces and made-up voices: what it says of people means nothing."


@dataclass(frozen=True, kw_only=True, slots=True)
class Demonstration:
    """What a demonstration leaves: scores of each part and of the fusion, and where the files are."""

    singles: tuple[Evaluation, ...]
    fusion: Evaluation
    modalities: tuple[str, ...]
    best_single: str
    difference: Comparison
    report: Path
    submission: Path
    run: Path


def demonstrate(
    folder: Path,
    *,
    size: str = "full",
    seeds: Sequence[int] = (0, 1, 2),
    workers: int | None = None,
    counter: Callable[[str], Progress] = lambda _label: lambda _done, _total: None,
) -> Demonstration:
    """Run everything, into ``folder``: ``demo/`` (the clips), ``runs/``, ``run/``, the report and the submission."""
    if (folder / "run").exists() and not (folder / "run" / CONFIG).is_file():
        raise UsageError(f"{folder / 'run'} is there and is no run", remedy="Choose another folder with --out.")
    make = Entry(target=DATASETS["demo"].make, about="").load()
    make(folder / "demo", size=size, workers=workers, progress=counter("making clips"))
    dataset = open_dataset(folder / "demo")
    recipe = RECIPES["light"]
    store = Store(folder / "demo" / "features")
    wanted = features(part.feature for part in recipe.parts)
    extract(dataset.clips, wanted, store, workers=workers, progress=counter("extracting features"))
    recipes = (*stage_one(recipe), recipe)
    systems = _train_all(dataset, recipes, seeds, store, folder / "runs", counter("training"))
    singles = [evaluate(runs) for runs in systems[:-1]]
    best = max(range(len(singles)), key=lambda i: singles[i].mean_pearson.value)
    report = write_report([run for runs in systems for run in runs], folder / "report.html", note=CAVEAT)
    scores = predict_dataset(systems[-1][0], dataset, store)
    submission = write_submission(scores, dataset, folder / "submission.csv")
    assert not check_submission(submission, dataset)
    return Demonstration(
        singles=tuple(singles),
        fusion=evaluate(systems[-1]),
        modalities=recipe.modalities,
        best_single=singles[best].recipe,
        difference=compare_runs(systems[-1], systems[best]),
        report=report,
        submission=submission,
        run=_copied(systems[-1][0].path, folder / "run"),
    )


def _train_all(
    dataset: Dataset,
    recipes: Sequence[Recipe],
    seeds: Sequence[int],
    store: Store,
    out: Path,
    progress: Progress,
) -> list[list[Run]]:
    """Train every recipe with every seed: one list of runs a recipe."""
    systems: list[list[Run]] = []
    for number, recipe in enumerate(recipes):
        systems.append([])
        for place, seed in enumerate(seeds):
            progress(number * len(seeds) + place, len(recipes) * len(seeds))
            systems[-1].append(train(dataset, recipe, store, out, seed=seed))
    progress(len(recipes) * len(seeds), len(recipes) * len(seeds))
    return systems


def _copied(run: Path, place: Path) -> Path:
    """Copy a run beside its place and rename it."""
    beside = place.with_name(f".{place.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(run, beside)
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    return place


def as_json(demonstration: Demonstration) -> Json:
    """Give the demonstration as ``--json`` prints it."""
    comparison = demonstration.difference
    return {
        "systems": [evaluation.as_json() for evaluation in (*demonstration.singles, demonstration.fusion)],
        "best_single": demonstration.best_single,
        "fusion_minus_best_single": comparison.as_json(),
        "report": str(demonstration.report),
        "submission": str(demonstration.submission),
        "run": str(demonstration.run),
        "note": CAVEAT,
    }
