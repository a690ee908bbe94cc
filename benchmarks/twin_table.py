"""The poster's table, and its rivals', on the simulated twin: every recipe beside the best score that there is.

Everything that is already there is kept, the twin, the runs and what they cost: stopped, it goes on where it was. Two
of them may work in one folder, on other seeds each.

    python benchmarks/twin_table.py DIR --out results                   # the lite twin, five seeds: some four hours
    python benchmarks/twin_table.py DIR --out results --size full --seeds 0 --only F1,F2,F3,F4,wav2vec2.lstm
"""

from __future__ import annotations

import csv
import json
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from mimetic.datasets import open_dataset
from mimetic.datasets.simulated import make
from mimetic.evidence.intervals import Comparison, compare, interval
from mimetic.features import feature
from mimetic.recipes import POSTER, RIVALS, Recipe
from mimetic.records import Dataset, Json
from mimetic.runs import Run
from mimetic.scores import mean_pearson
from mimetic.store import Store
from mimetic.training import train_on
from mimetic.training.choosing import on_features
from mimetic.training.material import Shelf

Floats = NDArray[np.float64]

TAKEN = {
    "gte-v1.5": "gte",
    "gte-mlm": "gte",
    "text-affect": "gte",
    "hubert": "wav2vec2-affect",
    "wavlm": "wav2vec2-affect",
    "face-affect": "dinov2-face",
    "vit-in21k-face": "dinov2-face",
}
"""What the rivals' extractors are on the twin, which has the poster's only."""

HEAVY = ("semantic-matters",)
"""Thirty million parameters: hours a seed on two cores. Trained when it is named."""

PAGE = """# Every recipe on the simulated twin

**Simulated.** Features and labels are drawn from a model of the challenge's data set: the figures say how near a system
comes to the best score that there is, and nothing about people. Those under *published* are of the real data and by
others: they stand beside ours, and cannot be compared with them.

The {size} twin, mean Pearson of six emotions; mean ± standard deviation over {seeds} seeds; then the test score of the
seeds' mean predictions, with its 95 % interval over people. *Ceiling*: the best predictor that there is from these
features, on the same test labels. *Linear*: the best linear head on what the features show. CPU minutes are for what
the rows above had not trained yet. The rivals' extractors are not on the twin:
{stand_ins}.

Made by `{command}`.

| recipe | split | validation | test | mean predictions | ceiling | share | linear | published | its test | CPU min |
|---|---|---|---|---|---|---|---|---|---|---|
{rows}

Compared on the test part, mean predictions of all seeds, people resampled whole:

| | difference | 95 % interval | |
|---|---|---|---|
{compared}
"""

FUSIONS = ("F1", "F2", "F3", "F4", "F5")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One recipe's runs, a seed each: predictions of the test part ``(seed, clip, target)``, and its scores."""

    recipe: Recipe
    seeds: tuple[int, ...]
    predicted: Floats
    valid: Floats
    test: Floats
    ceiling: Mapping[str, float]
    minutes: float | None


class Truth:
    """What is known of the twin's test part, and of what anybody could score on it."""

    def __init__(self, root: Path, dataset: Dataset) -> None:
        with (root / "truth" / "test_split.csv").open(newline="") as file:
            rows = {row.pop("Filename"): [float(value) for value in row.values()] for row in csv.DictReader(file)}
        self.clips = tuple(rows)
        self.labels = np.array(list(rows.values()))
        people = dict(zip((clip.id for clip in dataset.clips), dataset.columns["person"], strict=True))
        self.people = np.array([people[clip] for clip in self.clips])
        self.ceilings: Json = json.loads((root / "truth" / "ceilings.json").read_text())["sets"]

    def ceiling(self, recipe: Recipe) -> dict[str, float]:
        """Give the ceilings of what a recipe sees: of its feature, or of its modalities'."""
        alone = len(recipe.parts) == 1
        name = feature(recipe.parts[0].feature).name if alone else "+".join(recipe.modalities)
        found = self.ceilings[name]
        return {"noisy": found["test"]["noisy"]["mean"], "learnable": found["learnable"]["mean"]}


# ---------------------------------------------------------------------------------------------- training


def trained(root: Path, data: Path, recipes: Sequence[Recipe], seeds: Sequence[int]) -> dict[str, list[Run]]:
    """Train what is not trained yet, and note what each recipe costs beyond those before it."""
    dataset = open_dataset(data)
    shelf = Shelf(dataset, Store(data / "features"))
    runs: dict[str, list[Run]] = {recipe.name: [] for recipe in recipes}
    for seed in seeds:
        for recipe in recipes:
            started, before = time.perf_counter(), time.process_time()
            run = train_on(shelf, recipe, root / "runs", seed=seed)
            spent = time.process_time() - before
            if time.perf_counter() - started > 2:
                _note(root / f"costs-{seed}.jsonl", {"signature": run.signature, "name": recipe.name, "seconds": spent})
                score = run.history[int(run.config["best_epoch"]) - 1]["mean_pearson"]
                sys.stderr.write(f"{recipe.name}, seed {seed}: validation {score:.4f}, {spent / 60:.1f} min of CPU\n")
            runs[recipe.name].append(run)
    return runs


def _note(path: Path, line: Json) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def _costs(root: Path) -> dict[str, float]:
    notes = (json.loads(line) for path in root.glob("costs-*.jsonl") for line in path.read_text().splitlines())
    return {note["signature"]: note["seconds"] for note in notes}


# ---------------------------------------------------------------------------------------------- figures


def lines(runs: Mapping[str, Sequence[Run]], recipes: Iterable[Recipe], truth: Truth, root: Path) -> Iterator[Line]:
    """Score every recipe's runs."""
    costs = _costs(root)
    for recipe in recipes:
        found = runs[recipe.name]
        outcomes = [run.outcome.part("test") for run in found]
        assert all(outcome.clips == truth.clips for outcome in outcomes)
        spent = [costs[run.signature] / 60 for run in found if run.signature in costs]
        yield Line(
            recipe=recipe,
            seeds=tuple(run.seed for run in found),
            predicted=np.stack([outcome.predicted for outcome in outcomes]),
            valid=np.array([run.history[int(run.config["best_epoch"]) - 1]["mean_pearson"] for run in found]),
            test=np.array([mean_pearson(truth.labels, outcome.predicted) for outcome in outcomes]),
            ceiling=truth.ceiling(recipe),
            minutes=float(np.mean(spent)) if spent else None,
        )


def comparisons(found: Sequence[Line], truth: Truth) -> dict[str, Comparison]:
    """Compare fusions with the best single modality and with F1: means over seeds first, people resampled whole."""
    named = {line.recipe.name: line for line in found}
    singles = [line for line in found if len(line.recipe.parts) == 1]
    pairs = [(name, max(singles, key=lambda line: line.test.mean()).recipe.name) for name in FUSIONS]
    pairs += [("F2", "F1"), ("F3", "F1"), ("F4", "F2"), ("F4", "F3"), ("F5", "F1")]
    return {
        f"{one} minus {other}": compare(
            truth.labels, named[one].predicted.mean(axis=0), named[other].predicted.mean(axis=0), groups=truth.people
        )
        for one, other in pairs
        if one in named and other in named
    }


def as_json(line: Line, truth: Truth) -> Json:
    """Give a line's figures."""
    together = interval(truth.labels, line.predicted.mean(axis=0), groups=truth.people)
    return {
        "name": line.recipe.name,
        "source": line.recipe.source,
        "modalities": list(line.recipe.modalities),
        "split": line.recipe.split,
        "seeds": list(line.seeds),
        "validation": _mean_and_spread(line.valid),
        "test": _mean_and_spread(line.test),
        "share_of_ceiling": round(float(line.test.mean()) / line.ceiling["noisy"], 4),
        "ceiling": dict(line.ceiling),
        "mean_predictions": {
            **together.as_json(),
            "share_of_ceiling": round(together.value / line.ceiling["noisy"], 4),
        },
        "published": dict(line.recipe.published),
        "cpu_minutes": line.minutes,
    }


def _mean_and_spread(values: Floats) -> dict[str, Any]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return {"mean": float(values.mean()), "spread": spread, "seeds": [round(float(value), 4) for value in values]}


# ------------------------------------------------------------------------------------------------- page


def _figure(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}".replace("0.", ".", 1)


def _scored(values: Json) -> str:
    spread = f" ± {_figure(values['spread'])}" if values["spread"] is not None else ""
    return _figure(values["mean"]) + spread


def _row(told: Json) -> str:
    published, ceiling, mean = told["published"], told["ceiling"], told["mean_predictions"]
    cells = [
        told["name"],
        told["split"],
        _scored(told["validation"]),
        _scored(told["test"]),
        f"{_figure(mean['value'])} ({_figure(mean['low'])} to {_figure(mean['high'])})",
        _figure(ceiling["noisy"]),
        f"{told['share_of_ceiling']:.1%}",
        _figure(ceiling["learnable"]),
        _figure(published.get("validation"), 4),
        _figure(published.get("test")),
        "" if told["cpu_minutes"] is None else f"{told['cpu_minutes']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _compared(name: str, found: Comparison) -> str:
    between = f"{found.low:+.4f} to {found.high:+.4f}"
    return f"| {name} | {found.difference:+.4f} | {between} | {found.verdict} |"


def page(rows: Sequence[Json], compared: Mapping[str, Comparison], size: str, command: str) -> str:
    """Give the table as Markdown."""
    return PAGE.format(
        size=size,
        seeds=len({seed for row in rows for seed in row["seeds"]}),
        stand_ins=";\n".join(_stand_ins()),
        command=command,
        rows="\n".join(map(_row, rows)),
        compared="\n".join(_compared(name, found) for name, found in compared.items()),
    )


def _stand_ins() -> Iterator[str]:
    for instead in dict.fromkeys(TAKEN.values()):
        yield f"`{instead}` stands for " + ", ".join(f"`{name}`" for name in TAKEN if TAKEN[name] == instead)


def main(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="Where the twin, the runs and their costs lie.")],
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("results"),
    size: Annotated[str, typer.Option(help="The twin's: lite, full or small.")] = "lite",
    seeds: Annotated[str, typer.Option(help="One run for each.")] = "0,1,2,3,4",
    only: Annotated[str, typer.Option(help="Recipes' names, with commas.")] = "",
) -> None:
    """Make the twin, train, score, and write ``twin_SIZE.{json,md}``."""
    names = only.split(",") if only else [r.name for r in (*POSTER, *RIVALS) if r.name not in HEAVY]
    recipes = [on_features(recipe, TAKEN) for recipe in (*POSTER, *RIVALS) if recipe.name in names]
    if not (root / size / "truth" / "ceilings.json").is_file():
        make(root / size, size=size)
    runs = trained(root, root / size, recipes, [int(seed) for seed in seeds.split(",")])
    truth = Truth(root / size, open_dataset(root / size))
    found = list(lines(runs, recipes, truth, root))
    rows, compared = [as_json(line, truth) for line in found], comparisons(found, truth)
    command = " ".join(["python benchmarks/twin_table.py DIR --out results", *(_told(size, seeds, only))])
    out.mkdir(exist_ok=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told = {"simulated": True, "size": size, "peak_gib": round(peak, 2), "recipes": rows}
    told["comparisons"] = {name: comparison.as_json() for name, comparison in compared.items()}
    (out / f"twin_{size}.json").write_text(json.dumps(told, indent=1) + "\n")
    (out / f"twin_{size}.md").write_text(page(rows, compared, size, command))


def _told(size: str, seeds: str, only: str) -> Iterator[str]:
    """Give the options that are not the defaults."""
    if size != "lite":
        yield f"--size {size}"
    if seeds != "0,1,2,3,4":
        yield f"--seeds {seeds}"
    if only:
        yield f"--only {only}"


if __name__ == "__main__":
    typer.run(main)
