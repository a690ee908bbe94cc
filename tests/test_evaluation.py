"""Runs become numbers: seeds together, systems apart, differences paired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mimetic.evaluation import compare_runs, evaluate, systems
from mimetic.records import BadRun
from mimetic.runs import Run
from mimetic.scores import mean_pearson, pearson
from mimetic.training import train
from planted import TARGETS, fused, planted, single


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("evaluated")
    dataset, store = planted(folder)
    return [
        train(dataset, recipe, store, folder / "runs", seed=seed) for recipe in (single(), fused()) for seed in (0, 1)
    ]


def test_a_score_is_the_mean_over_its_seeds_with_an_interval_around_it(runs: list[Run]) -> None:
    parts = [run.outcome.part("valid") for run in runs[:2]]
    evaluation = evaluate(runs[:2], resamples=500)
    expected = np.mean([mean_pearson(part.true, part.predicted) for part in parts])
    assert evaluation.mean_pearson.value == pytest.approx(expected)
    assert evaluation.mean_pearson.low < expected < evaluation.mean_pearson.high
    assert (evaluation.seeds, evaluation.clips, tuple(evaluation.targets)) == ((0, 1), 45, TARGETS)
    first = np.mean([pearson(part.true[:, 0], part.predicted[:, 0]) for part in parts])
    assert evaluation.targets[TARGETS[0]].pearson.value == pytest.approx(first)


def test_the_json_has_the_documented_shape(runs: list[Run]) -> None:
    told = evaluate(runs[:1], resamples=200).as_json()
    assert {"data", "split", "clips", "seeds", "mean_pearson", "targets"} <= set(told)
    assert set(told["mean_pearson"]) >= {"value", "low", "high"}
    assert set(told["targets"]["Joy"]) == {"pearson", "ccc", "mae"}


def test_a_comparison_is_paired_and_signed(runs: list[Run]) -> None:
    there, back = (compare_runs(*pair, resamples=500) for pair in ((runs[2:], runs[:2]), (runs[:2], runs[2:])))
    assert there.difference == pytest.approx(-back.difference)
    assert 0 < there.low < there.difference
    assert there.wins > 0.95


def test_runs_that_differ_by_seed_alone_are_one_system(runs: list[Run]) -> None:
    mixed = [runs[3], runs[0], runs[2], runs[1]]
    assert [[run.seed for run in group] for group in systems(mixed)] == [[0, 1], [0, 1]]
    with pytest.raises(BadRun, match="are not one system"):
        evaluate(mixed)


def test_a_part_without_labels_is_told(runs: list[Run]) -> None:
    with pytest.raises(BadRun, match="has no labels on its test clips"):
        evaluate(runs[:1], part="test")


def test_runs_on_other_clips_cannot_be_compared(runs: list[Run], tmp_path: Path) -> None:
    dataset, store = planted(tmp_path, clips=120, seed=3)
    other = train(dataset, single(), store, tmp_path / "runs")
    with pytest.raises(BadRun, match="do not have the same valid clips"):
        compare_runs([other], runs[:1])
