"""What less than float32 costs in score: EmoBank by MiniLM and a ridge, its rows computed in every way that there is.

python benchmarks/precision.py ../shared/data/text --out results
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mimetic.benching.measuring import machine
from mimetic.computed import read_computed
from mimetic.extraction import extract
from mimetic.features import feature
from mimetic.records import Clip
from mimetic.scores import pearson
from mimetic.store import Store
from text_ridge import fit, read

WAYS = (("fp32", "torch"), ("fp32", "openvino"), ("fp32", "onnx"), ("bf16", "torch"), ("bf16", "openvino"))
INT8 = ("int8", "openvino")

Json = dict[str, Any]


def main(
    data: Annotated[Path, typer.Argument(help="The folder of the corpus.")],
    out: Annotated[Path, typer.Option(help="The folder of the results.")] = Path("results"),
    workers: Annotated[int | None, typer.Option(help="Processes; 0: this one.")] = None,
) -> None:
    """Measure, and write the results."""
    rows = [row for row in read(data / "emobank" / "emobank.csv") if row["split"] in ("train", "test")]
    targets = np.array([[float(row[name]) for name in "VAD"] for row in rows])
    train = np.array([row["split"] == "train" for row in rows])
    clips = [Clip(id=f"{place:05}", text=row["text"]) for place, row in enumerate(rows)]
    lines = []
    for precision, backend in (*WAYS, INT8):
        values, told, seconds = embed(clips, precision, backend, workers)
        predicted, _ = fit(values[train], targets[train], values[~train], np.flatnonzero(train))
        scores = [float(r) for r in pearson(targets[~train], predicted)]
        lines.append({"precision": precision, "backend": backend, "pearson": scores, "cpu": seconds, "computed": told})
    out.mkdir(parents=True, exist_ok=True)
    (out / "precision.json").write_text(json.dumps({"machine": machine(), "results": lines}, indent=1) + "\n")
    (out / "precision.md").write_text(page(lines), "utf-8")


def embed(clips: list[Clip], precision: str, backend: str, workers: int | None) -> tuple[Any, Json, float]:
    """Give ``(text, dim)``, what the store says of it, and the processor seconds."""
    wanted = feature("minilm" if precision == "fp32" else f"minilm+precision={precision}")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        done = extract(clips, [wanted], store, workers=workers, backend=backend)[wanted.key]
        values = np.concatenate([store[wanted.key][clip.id].values for clip in clips]).astype(np.float64)
        return values, read_computed(store, wanted.key), done.seconds


def page(lines: list[Json]) -> str:
    """Write the results as Markdown."""
    known = np.array(lines[0]["pearson"])
    told = [
        "# What less than float32 costs in score",
        "",
        "EmoBank, official split, MiniLM (real weights) and a ridge: Pearson of valence, arousal, dominance on the",
        "test part, and the largest difference from torch in float32. CPU s are those of all 9,062 sentences. Cosines",
        "with float32 are of rows less each column's mean, on a sample. Made by `python benchmarks/precision.py DATA`.",
        "",
        "| precision | backend | V | A | D | largest difference | CPU s | median cosine | 5th percentile |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        far = line["computed"].get("distance") or {}
        scores = " | ".join(f"{score:.4f}" for score in line["pearson"])
        apart = np.abs(np.array(line["pearson"]) - known).max()
        cosines = " | ".join(f"{far[name]:.4f}" if far else "" for name in ("median", "fifth"))
        told.append(
            f"| {line['precision']} | {line['backend']} | {scores} | {apart:.4f} | {line['cpu']:.0f} | {cosines} |"
        )
    return "\n".join([*told, ""])


if __name__ == "__main__":
    typer.run(main)
