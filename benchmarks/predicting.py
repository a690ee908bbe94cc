"""What the prediction of one clip costs, once everything is imported, and how much of that the models take.

*Base*: a run whose text, sound and faces go through networks of the published base sizes (random weights), one short
clip, everything loaded anew. *Light*: the recipe ``light``, a clip of ten seconds, the second prediction of a process.

    python benchmarks/predicting.py --out results
"""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import typer

from mimetic.assembling import Batch
from mimetic.benching.measuring import Cost, in_turns, machine
from mimetic.benching.workloads import HEAVY, TEXT, Workload
from mimetic.computing import Answer, Models
from mimetic.datasets import open_dataset
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.models import Model
from mimetic.recipes import RECIPES, Recipe
from mimetic.store import Store
from mimetic.training import train

CLIPS = replace(HEAVY, name="predicting", clips=12, seconds=1.0, height=360, width=640)
"""What the runs are trained on: it does not matter."""

SHORT, LONG = 4.0, 10.0

PAGE = """# What the prediction of one clip costs

Wall seconds after imports, one thread, 1280 x 720 at 30 frames a second; medians of {repeats} processes. *Models*:
inside the networks' passes; *loading*: reading their weights. Made by `python benchmarks/predicting.py` on {date}:
{processors} processors ({processor}).

| run | clip | seconds | models | loading | the rest |
|---|---|---|---|---|---|
{rows}
"""

Json = dict[str, Any]


def base(folder: Path) -> Recipe:
    """Give ``light`` on networks of base size."""
    wanted = [f for f in CLIPS.features(folder, "fp32") if not f.key.startswith("dinov2-frame")]
    by_modality = {part.modality: part for part in RECIPES["light"].parts}
    parts = [replace(by_modality[f.entry.modality], feature=f.key) for f in wanted]
    return replace(RECIPES["light"], name="base", parts=tuple(parts), parameters={}, published={})


def trained(folder: Path, recipe: Recipe) -> Path:
    """Train a recipe, quickly, on clips with random labels."""
    table = folder / "clips.csv"
    clips = CLIPS.films(folder)
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "text", "split", "one", "two"))
        for place, clip in enumerate(clips):
            draw = np.random.default_rng(place)
            split = "valid" if place % 3 == 0 else "train"
            writer.writerow((clip.path, clip.text, split, *draw.uniform(size=2).round(3)))
    dataset, store = open_dataset(table), Store(folder / "features")
    extract(dataset.clips, features(part.feature for part in recipe.parts), store)
    return train(dataset, recipe, store, folder / "runs").path


class _Timed(Models):
    """Models that note how long they were loaded, and how long they computed."""

    spent: ClassVar[dict[str, float]] = {}

    def __call__(self, batch: Batch) -> Answer:
        started = time.perf_counter()
        answer = super().__call__(batch)
        self._add("models", time.perf_counter() - started)
        return answer

    def _load(self, key: str) -> Model:
        started = time.perf_counter()
        model = super()._load(key)
        self._add("loading", time.perf_counter() - started)
        self._add("models", started - time.perf_counter())
        return model

    def _add(self, what: str, seconds: float) -> None:
        self.spent[what] += seconds


def predict_one(run: Path, clip: Path, times: int) -> Cost:
    """Predict a clip some times; what is told is of the last."""
    from mimetic import conveying
    from mimetic.prediction import predict
    from mimetic.records import Clip

    conveying.Models = _Timed  # type: ignore[misc]
    cost = Cost()
    for _ in range(times):
        _Timed.spent.update(models=0.0, loading=0.0)
        with cost.measured("all"):
            predict(run, [Clip(id="a", path=clip, text=TEXT)])
    cost.facts |= _Timed.spent
    return cost


def ready() -> None:
    """Import what a prediction needs."""
    import transformers.models.bert.modeling_bert
    import transformers.models.dinov2.modeling_dinov2
    import transformers.models.wav2vec2.modeling_wav2vec2  # noqa: F401


def main(
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results"),
    repeats: Annotated[int, typer.Option(help="Processes.")] = 5,
) -> None:
    """Measure, and write the results."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, long = (_film(folder, seconds) for seconds in (SHORT, LONG))
        jobs = {
            ("base", SHORT): (predict_one, trained(folder, base(folder)), short, 1),
            ("light", LONG): (predict_one, trained(folder, RECIPES["light"]), long, 2),
        }
        costs = in_turns(jobs, repeats=repeats, ready=ready, progress=lambda _done, _total: None)
    lines = [_line(name, seconds, found) for (name, seconds), found in costs.items()]
    told = machine()
    out.mkdir(parents=True, exist_ok=True)
    (out / "predicting.json").write_text(json.dumps({"machine": told, "results": lines}, indent=1) + "\n")
    rows = "\n".join(map(_row, lines))
    (out / "predicting.md").write_text(PAGE.format(repeats=repeats, rows=rows, **told), "utf-8")


def _film(folder: Path, seconds: float) -> Path:
    made = Workload(name="one", clips=1, seconds=seconds, height=720, width=1280, extractors=()).films(folder)
    assert made[-1].path is not None
    return made[-1].path


def _line(name: str, seconds: float, costs: Sequence[Cost]) -> Json:
    middle = {key: statistics.median(cost.facts[key] for cost in costs) for key in ("models", "loading")}
    return {"run": name, "clip": seconds, "wall": statistics.median(cost.wall["all"] for cost in costs), **middle}


def _row(line: Json) -> str:
    wall, models, loading = line["wall"], line["models"], line["loading"]
    shares = (f"{part:.2f} ({part / wall:.0%})" for part in (models, loading, wall - models - loading))
    return f"| {line['run']} | {line['clip']:g} s | {wall:.2f} | " + " | ".join(shares) + " |"


if __name__ == "__main__":
    typer.run(main)
