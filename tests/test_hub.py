"""A run is shared as other models are, and takes no labels along."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mimetic.hub import SharedRun
from mimetic.prediction import margins_of, predict_dataset
from mimetic.training import train
from mimetic.training.material import Shelf
from mimetic.training.refitting import refit
from planted import planted, single


def test_a_shared_run_predicts_the_same_and_takes_no_labels_along(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path)
    run = train(dataset, single(), store, tmp_path / "runs")
    SharedRun(run).save_pretrained(tmp_path / "shared")
    names = {path.name for path in (tmp_path / "shared").iterdir()}
    assert names == {"config.json", "model.safetensors", "history.jsonl", "README.md"}
    assert json.loads((tmp_path / "shared" / "config.json").read_text())["signature"] == run.signature
    assert "mean" in (tmp_path / "shared" / "README.md").read_text()
    shared = SharedRun.from_pretrained(tmp_path / "shared").run
    mine, theirs = predict_dataset(run, dataset, store), predict_dataset(shared, dataset, store)
    np.testing.assert_array_equal(mine.values, theirs.values)
    assert margins_of(shared) == margins_of(run)


def test_the_card_of_a_refit_says_that_there_is_no_score(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path)
    new = refit(train(dataset, single(), store, tmp_path / "runs"), Shelf(dataset, store), tmp_path / "refits")
    SharedRun(new).save_pretrained(tmp_path / "shared")
    assert "No validation score" in (tmp_path / "shared" / "README.md").read_text()
    assert margins_of(SharedRun.from_pretrained(tmp_path / "shared").run) is None


def test_a_run_goes_to_the_hub_as_the_mixin_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import hub_mixin

    sent: dict[str, Any] = {}

    class Hub:
        def __init__(self, **_: Any) -> None: ...

        def create_repo(self, repo_id: str, **_: Any) -> Any:
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: Any) -> str:
            sent[repo_id] = sorted(path.name for path in Path(folder_path).iterdir())
            return repo_id

    monkeypatch.setattr(hub_mixin, "HfApi", Hub)
    dataset, store = planted(tmp_path)
    SharedRun(train(dataset, single(), store, tmp_path / "runs")).push_to_hub("me/mine")
    assert sent == {"me/mine": ["README.md", "config.json", "history.jsonl", "model.safetensors"]}
