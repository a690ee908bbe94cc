"""The whole river in one command, on the small demo: what a newcomer types first."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mimetic import Run, evaluate, predict
from mimetic.cli import main
from mimetic.datasets import open_dataset
from mimetic.evaluation import compare_runs
from mimetic.runs import runs_of
from mimetic.submission import check_submission


def demo(out: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["demo", "--out", str(out), *arguments])
    return int(done.value.code or 0)


def test_the_demo_leaves_what_it_says_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert demo(out, "--size", "small", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(told[name]) for name in ("report", "submission", "run")] == [
        out / "report.html",
        out / "submission.csv",
        out / "run",
    ]
    assert "drawn faces" in told["note"]
    assert "drawn faces" in (out / "report.html").read_text()
    dataset = open_dataset(out / "demo")
    assert check_submission(out / "submission.csv", dataset) == []
    assert len(told["systems"]) == 5
    runs = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*/model.safetensors")}
    assert len(runs) == 15
    assert demo(out, "--size", "small") == 0
    assert {path: path.stat().st_mtime_ns for path in runs} == runs
    text = capsys.readouterr().out
    assert "This model knows only drawn faces" in text
    scores = predict(out / "run", dataset.clips)
    assert scores.errors == (None,) * len(dataset.clips)
    np.testing.assert_allclose(scores.values, Run(out / "run").outcome.predicted, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_on_the_full_demo_fusion_beats_the_best_modality_and_each_is_above_chance(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    assert demo(out) == 0
    systems = {path.name.rpartition("-")[0]: runs_of([path]) for path in (out / "runs").iterdir()}
    fusion = systems.pop("light")
    scores = {name: evaluate(runs).mean_pearson for name, runs in systems.items()}
    assert len(scores) == 4
    assert all(score.low > 0 for score in scores.values())
    best = max(scores, key=lambda name: scores[name].value)
    assert compare_runs(fusion, systems[best]).low > 0
