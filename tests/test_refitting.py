"""A last fit on all labelled clips: what validation decided stays decided, and nothing pretends to be a score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.automatic import AUTO, recipe_for, train_automatically
from mimetic.evaluation import evaluate
from mimetic.prediction import margins_of, predict_dataset
from mimetic.records import BadRun
from mimetic.training import train
from mimetic.training.material import Shelf
from mimetic.training.refitting import refit
from planted import fused, planted, single


def test_a_refit_learns_from_all_labelled_clips_and_says_that_it_has_no_score(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path)
    run = train(dataset, fused(), store, tmp_path / "runs")
    new = refit(run, Shelf(dataset, store), tmp_path / "refits")
    assert new.config["split"]["train"] == 120
    assert new.config["split"]["valid"] == 0
    assert new.config["best_epoch"] == run.config["best_epoch"] == len(new.history)
    assert [line["rate"] for line in new.history] == [line["rate"] for line in run.history[: len(new.history)]]
    assert "no validation score" in new.config["validation"]
    with pytest.raises(BadRun, match="no validation score"):
        evaluate([new])
    assert np.isfinite(predict_dataset(new, dataset, store).values).all()
    assert margins_of(new) is None
    assert refit(run, Shelf(dataset, store), tmp_path / "refits").path == new.path


def test_only_a_validated_run_on_its_own_data_can_be_refit(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path)
    run = train(dataset, single(), store, tmp_path / "runs")
    other, others = planted(tmp_path / "other", seed=1)
    with pytest.raises(BadRun, match="was not trained on planted"):
        refit(run, Shelf(other, others), tmp_path / "refits")
    new = refit(run, Shelf(dataset, store), tmp_path / "refits")
    with pytest.raises(BadRun, match="no network that can be refit"):
        refit(new, Shelf(dataset, store), tmp_path / "refits")


def test_auto_is_refit_on_all_labelled_clips(tmp_path: Path) -> None:
    from dataclasses import replace

    dataset, store = planted(tmp_path)
    shelf, recipe = Shelf(dataset, store), recipe_for(dataset, store, kind=AUTO)
    new = train_automatically(shelf, replace(recipe, split="all"), tmp_path / "refits")
    assert new.config["split"]["train"] == 120
    with pytest.raises(BadRun, match="no validation score"):
        evaluate([new])
    assert margins_of(new) is not None
