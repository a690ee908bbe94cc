"""Runs become one: weights from clips that they have not seen, calibrated, and a run like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimetic.automatic import FLOOR, recipe_for, train_automatically
from mimetic.evaluation import compare_runs, evaluate
from mimetic.hub import SharedRun
from mimetic.mixing import load_stack, stack_runs
from mimetic.prediction import explain, predict_dataset, read
from mimetic.records import BadRun, Dataset, UnknownName, UsageError
from mimetic.report import write_report
from mimetic.runs import Run
from mimetic.scores import pearson
from mimetic.spaces import changed
from mimetic.store import Store
from mimetic.submission import check_submission, write_submission
from mimetic.training import train
from mimetic.training.material import Shelf
from planted import FEATURES, planted, single
from test_choosing import call, features_only

Material = tuple[Dataset, Store]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def members(material: Material) -> list[Run]:
    """Give two seeds of a single modality, the other one, and the line to beat."""
    dataset, store = material
    out = store.path.parent / "runs"
    recipes = [changed(single(name), {"fit.epochs": 4}) for name in FEATURES]
    nets = [train(dataset, recipe, store, out, seed=seed) for recipe in recipes for seed in (0, 1)][:3]
    floor = train_automatically(Shelf(*material), recipe_for(dataset, store, kind=FLOOR), out)
    return [*nets, floor]


@pytest.fixture(scope="module")
def mixed(material: Material, members: list[Run]) -> Run:
    return stack_runs(members, Shelf(*material), members[0].path.parents[1])


def test_a_stack_is_not_worse_than_its_best_part(mixed: Run, members: list[Run]) -> None:
    for of_system in (members[:2], members[2:3], members[3:]):
        assert compare_runs([mixed], of_system, resamples=500).high > -0.005
    told = mixed.config["stack"]
    assert told["scores"][told["chosen"]] == max(told["scores"].values())
    assert list(told["weights"]) == ["logmel.mlp", "motion-blocks.mlp", "floor"]
    assert told["folds"] == 3


def test_a_stack_predicts_what_its_run_says_and_marks_what_it_cannot_read(material: Material, mixed: Run) -> None:
    dataset, store = material
    scores = predict_dataset(Run(mixed.path), dataset, store)
    held = np.flatnonzero([clip.part != "train" for clip in dataset.clips])
    np.testing.assert_allclose(scores.values[held], mixed.outcome.predicted[held], atol=1e-6)
    assert scores.intervals is not None
    assert np.isfinite(scores.values).all()
    valid = dataset.indices("valid")
    inside = (dataset.labels >= scores.intervals[..., 0]) & (dataset.labels <= scores.intervals[..., 1])
    assert 0.75 < inside[valid].mean() <= 1


def test_a_stack_is_a_run_like_any_other(material: Material, mixed: Run, members: list[Run], tmp_path: Path) -> None:
    dataset, store = material
    assert evaluate([mixed], resamples=200).mean_pearson.value > 0.5
    assert "mimetic stack DATA RUN..." in write_report([mixed, *members], tmp_path / "r.html").read_text()
    SharedRun(mixed).save_pretrained(tmp_path / "shared")
    again = SharedRun.from_pretrained(str(tmp_path / "shared")).run
    scores = predict_dataset(again, dataset, store)
    np.testing.assert_array_equal(scores.values, predict_dataset(mixed, dataset, store).values)
    assert check_submission(write_submission(scores, dataset, tmp_path / "s.csv"), dataset) == []
    with pytest.raises(UsageError, match="is a mixture"):
        explain(mixed, read(mixed, []))


def test_the_same_call_trains_nothing_anew(material: Material, mixed: Run, members: list[Run]) -> None:
    again = stack_runs(members, Shelf(*material), mixed.path.parents[1], watch=lambda *_: pytest.fail("trained"))
    assert again.path == mixed.path


def test_weights_are_learned_without_a_look_at_validation(material: Material, tmp_path: Path) -> None:
    dataset, store = material
    labels = dataset.labels.copy()
    labels[dataset.indices("valid")] = labels[dataset.indices("valid")][::-1]

    def weights(of: Dataset, out: Path) -> object:
        runs = [train(of, changed(single(name), {"fit.epochs": 2}), store, out) for name in FEATURES]
        return stack_runs(runs, Shelf(of, store), out).config["stack"]["weights"]

    assert weights(dataset, tmp_path / "one") == weights(replace(dataset, labels=labels), tmp_path / "other")


def test_seeds_of_one_system_are_an_ensemble_that_keeps_its_order(
    material: Material, members: list[Run], tmp_path: Path
) -> None:
    ensemble = stack_runs(members[:2], Shelf(*material), tmp_path)
    mean = np.mean([run.outcome.part("valid").predicted for run in members[:2]], axis=0)
    valid = ensemble.outcome.part("valid")
    np.testing.assert_allclose(pearson(valid.true, valid.predicted), pearson(valid.true, mean))
    assert len(load_stack(ensemble).systems[0]) == 2


def test_of_labels_without_a_meaning_a_stack_finds_nothing(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path, clips=300)
    dataset = replace(dataset, labels=np.random.default_rng(3).normal(size=dataset.labels.shape))
    runs = [train(dataset, changed(single(name), {"fit.epochs": 4}), store, tmp_path / "runs") for name in FEATURES]
    found = evaluate([stack_runs(runs, Shelf(dataset, store), tmp_path / "runs")], part="test", resamples=1000)
    assert found.mean_pearson.low < 0 < found.mean_pearson.high


def test_people_are_not_parted(material: Material, tmp_path: Path) -> None:
    dataset, store = material
    dataset = replace(dataset, columns={"person": tuple(f"p{row // 5}" for row in range(len(dataset.clips)))})
    run = train(dataset, changed(single(), {"fit.epochs": 1}), store, tmp_path)
    assert stack_runs([run], Shelf(dataset, store), tmp_path).config["stack"]["grouped_by"] == "person"


def refused(runs: Sequence[Run], material: Material, out: Path, **told: str) -> str:
    with pytest.raises(BadRun) as error:
        stack_runs(runs, Shelf(*material), out, **told)
    return error.value.message


def test_what_cannot_be_stacked_is_refused(material: Material, mixed: Run, members: list[Run], tmp_path: Path) -> None:
    assert "is a stack already" in refused([*members, mixed], material, tmp_path)
    assert "was not trained on planted" in refused(members, planted(tmp_path / "other", seed=1), tmp_path)
    other = train(*_first(material), replace(single(), split="4:1"), material[1], tmp_path)
    assert "split" in refused([members[0], other], material, tmp_path)
    with pytest.raises(UnknownName, match="no mixture 'best'"):
        stack_runs(members, Shelf(*material), tmp_path, how="best")


def _first(material: Material) -> tuple[Dataset]:
    return (material[0],)


def test_the_commands_stack_submit_and_refit_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    data, runs = features_only(tmp_path / "data", {"gte": 1}), tmp_path / "runs"
    words = ("--set", "fit.epochs=1", "--seeds", "0,1", "--out", runs)
    code, _, error = call("train", data, "gte.mlp,floor", *words, capsys=capsys)
    assert code == 0, error
    stacked = ("stack", data, runs, "--folds", "2", "--how", "mean", "--out", tmp_path / "stacks")
    code, told, error = call(*stacked, capsys=capsys)
    assert code == 0, error
    assert "weight of" in told
    made = json.loads(call(*stacked, "--json", capsys=capsys)[1])
    assert made["stack"]["chosen"] == "mean"
    assert call("evaluate", made["run"], capsys=capsys)[0] == 0
    beside = ("stack", data, runs, "--folds", "2", "--out", runs)
    assert [call(*beside, capsys=capsys)[0] for _ in range(2)] == [0, 0]
    (system,) = runs.glob("gte.mlp-*")
    refits = json.loads(call("refit", system, data, "--out", tmp_path / "refits", "--json", capsys=capsys)[1])
    assert [run["seed"] for run in refits] == [0, 1]
    code, _, error = call("refit", made["run"], data, capsys=capsys)
    assert "of a stack, its runs" in error
    assert code == 2
