"""What less than float32 costs in score on the demo: text, speech and faces by networks, in every precision.

The clips are drawn and their labels simulated; the text encoder's weights are real, the others' random. What is asked
is not how well anything scores, but whether it scores otherwise than in float32.

    python benchmarks/precision_demo.py DIR --out results
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from mimetic.benching.checkpoints import make_dinov2, make_wav2vec2
from mimetic.benching.measuring import machine
from mimetic.computed import read_computed
from mimetic.datasets import open_dataset
from mimetic.datasets.drawn import make
from mimetic.evaluation import compare_runs, evaluate
from mimetic.extraction import extract
from mimetic.features import features
from mimetic.recipes import RECIPES, Recipe
from mimetic.store import Store
from mimetic.training import train

WAYS = (("fp32", "torch"), ("fp32", "openvino"), ("bf16", "torch"), ("bf16", "openvino"), ("int8", "openvino"))
SEEDS = (0, 1, 2)

PAGE = """# What less than float32 costs in score on the demo

**Simulated.** {clips} drawn clips with made-up voices and labels; MiniLM's weights are real, those of a two-layer
DINOv2 on faces and of a two-layer wav2vec 2.0 are random. The recipe `light` on these, validation part, mean
predictions of seeds {seeds}: mean Pearson, and the difference from torch in float32 with its paired 95 % interval.
Cosines with float32 are of rows less each column's mean, on a sample: text, speech, faces; two random layers hardly
tell one drawn face from another, so that 8 bits drown what they tell. Made by
`python benchmarks/precision_demo.py DIR`.

| precision | backend | score | difference | 95 % interval | median cosines | 5th percentiles |
|---|---|---|---|---|---|---|
{rows}
"""

Json = dict[str, Any]


def recipe_of(precision: str, speech: Path, faces: Path) -> Recipe:
    """Give ``light`` on networks of one precision."""
    told = "" if precision == "fp32" else f"+precision={precision}"
    light = RECIPES["light"]
    names = (f"minilm{told}", f"wav2vec2+model={speech}{told}", f"dinov2-face+model={faces}{told}")
    wanted = features(names)
    by_modality = {feature.entry.modality: feature.key for feature in wanted}
    parts = [replace(part, feature=by_modality[part.modality]) for part in light.parts if part.modality in by_modality]
    return replace(light, name=f"light-{precision}", parts=tuple(parts), parameters={}, published={})


def main(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where clips, features and runs lie; kept.")],
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results"),
    size: Annotated[str, typer.Option(help="The demo's: full or quick.")] = "full",
) -> None:
    """Measure, and write the results."""
    make(folder / "demo", size=size)
    dataset = open_dataset(folder / "demo")
    speech, faces = make_wav2vec2(folder / "wav2vec2", size="tiny"), make_dinov2(folder / "dinov2", size="tiny")
    systems, lines = [], []
    for precision, backend in WAYS:
        recipe = recipe_of(precision, speech, faces)
        store = Store(folder / f"features-{precision}-{backend}")
        wanted = features(part.feature for part in recipe.parts)
        extract(dataset.clips, wanted, store, backend=backend)
        runs = folder / f"runs-{backend}"
        systems.append([train(dataset, recipe, store, runs, seed=seed) for seed in SEEDS])
        apart = compare_runs(systems[-1], systems[0])
        told = {feature.entry.modality: read_computed(store, feature.key).get("distance") for feature in wanted}
        score = evaluate(systems[-1]).mean_pearson.value
        lines.append(
            {"precision": precision, "backend": backend, "score": score, "apart": apart.as_json(), "distances": told}
        )
    out.mkdir(parents=True, exist_ok=True)
    told_all = {"simulated": True, "machine": machine(), "clips": len(dataset.clips), "results": lines}
    (out / "precision_demo.json").write_text(json.dumps(told_all, indent=1) + "\n")
    rows = "\n".join(map(_row, lines))
    seeds = ", ".join(map(str, SEEDS))
    (out / "precision_demo.md").write_text(PAGE.format(clips=len(dataset.clips), seeds=seeds, rows=rows), "utf-8")


def _row(line: Json) -> str:
    apart, found = line["apart"], [each for each in line["distances"].values() if each]
    cosines = (", ".join(f"{each[name]:.4f}" for each in found) for name in ("median", "fifth"))
    between = f"{apart['low']:+.4f} to {apart['high']:+.4f}"
    cells = (line["precision"], line["backend"], f"{line['score']:.4f}", f"{apart['difference']:+.4f}", between)
    return "| " + " | ".join((*cells, *cosines)) + " |"


if __name__ == "__main__":
    typer.run(main)
