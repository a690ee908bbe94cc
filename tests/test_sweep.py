"""A search: on inner folds alone, shared by processes, resumed after a kill; of noise it makes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mimetic.evaluation import evaluate
from mimetic.inner import cut_inner
from mimetic.recipes import RECIPES, Recipe, get_recipe
from mimetic.recipes.settings import as_toml
from mimetic.records import Dataset, MimeticError, UsageError
from mimetic.spaces import Choices, Range, changed, check_space, default_space, read_space
from mimetic.store import Store
from mimetic.sweeping import Plan, sweep
from mimetic.sweeping.found import Tried, optimism
from mimetic.sweeping.study import claimed, open_study
from mimetic.training import train
from planted import fused, planted, single
from test_choosing import call, features_only

SPACE = read_space(["fit.rate=1e-4..1e-2", "parts.*.options.dropout=0.0..0.5"])


def quick(recipe: Recipe) -> Recipe:
    return changed(recipe, {"fit.epochs": 2})


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store]:
    return planted(tmp_path_factory.mktemp("planted"))


def plan_of(material: tuple[Dataset, Store], out: Path, **told: object) -> Plan:
    dataset, store = material
    plan = Plan(dataset=dataset, store=store.path, recipe=quick(single()), space=SPACE, out=out)
    return replace(plan, **told)  # type: ignore[arg-type]


def test_inner_folds_are_of_training_clips_alone_and_no_clip_chooses_for_itself(
    material: tuple[Dataset, Store],
) -> None:
    dataset, store = material
    people = tuple(f"p{row // 4}" for row in range(len(dataset.clips)))
    inner = cut_inner(replace(dataset, columns={"person": people}), store, "2:1", folds=3)
    assert inner.by == "person"
    assert {dataset.clips[row].part for row in inner.rows} == {"train"}
    held: list[str] = []
    for places, shelf in inner.held():
        parts = {part: set(shelf.dataset.indices(part).tolist()) for part in ("train", "valid", "test")}
        assert parts["test"] == set(places.tolist())
        assert all(parts.values())
        owners = [{shelf.dataset.columns["person"][row] for row in rows} for rows in parts.values()]
        assert len(set.union(*owners)) == sum(map(len, owners))
        held += [shelf.dataset.clips[row].id for row in places]
    assert sorted(held) == [dataset.clips[row].id for row in inner.rows]


def test_words_become_a_space_and_wrong_ones_are_refused() -> None:
    space = read_space(["fit.rate=1e-5..1e-2", "fit.epochs=2..9", "fusion=concat,mean", 'fit.loss={"mse":1},{"ccc":1}'])
    assert [space[name].log for name in ("fit.rate", "fit.epochs")] == [True, False]  # type: ignore[union-attr]
    assert isinstance(space["fit.epochs"], Range)
    assert space["fit.epochs"].whole
    assert space["fusion"].ends == ("concat", "mean")
    assert space["fit.loss"].ends == ({"mse": 1}, {"ccc": 1})
    for wrong in ("fit.rate", "fit.rate=3", "fit.rate=2..1", "fit.rate=a..b"):
        with pytest.raises(UsageError, match="varies nothing"):
            read_space([wrong])
    with pytest.raises(UsageError, match=r"no setting 'fit\.speed'"):
        check_space(fused(), read_space(["fit.speed=1..2"]))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_take_all_of_the_usual_space(name: str) -> None:
    check_space(RECIPES[name], default_space(RECIPES[name]))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_written_as_toml_is_read_as_the_same(name: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(as_toml(RECIPES[name]), "utf-8")
    assert get_recipe(str(file)) == RECIPES[name]


def test_a_sweep_begins_with_the_recipe_as_it_stands_and_resumes(
    material: tuple[Dataset, Store], tmp_path: Path
) -> None:
    plan = plan_of(material, tmp_path)
    first = sweep(plan, trials=2)
    assert first.counts == {"scored": 2, "pruned": 0, "failed": 0, "in hand": 0}
    assert first.unchanged is not None
    more = sweep(plan, trials=4)
    assert all(trial in more.trials for trial in first.trials)
    assert [trial.score for trial in more.trials] == sorted((trial.score for trial in more.trials), reverse=True)
    at_once = sweep(plan_of(material, tmp_path / "other"), trials=4)
    assert at_once.trials == more.trials
    assert json.loads((tmp_path / "sweep.json").read_text()) == more.as_json()
    best = get_recipe(str(tmp_path / "best.toml"))
    assert best.content == changed(plan.recipe, more.trials[0].settings).content


def test_validation_and_test_labels_change_nothing(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    dataset, store = material
    labels = dataset.labels.copy()
    outside = np.flatnonzero([clip.part != "train" for clip in dataset.clips])
    labels[outside] = 7.0
    told = [
        sweep(plan_of((of, store), tmp_path / name), trials=2).trials
        for name, of in (("as-is", dataset), ("changed", replace(dataset, labels=labels)))
    ]
    assert told[0] == told[1]


def test_a_killed_trial_is_tried_again_with_its_settings_and_not_counted(
    material: tuple[Dataset, Store], tmp_path: Path
) -> None:
    plan = plan_of(material, tmp_path)
    sweep(plan, trials=1)
    with claimed(plan, 2) as trial:
        assert trial is not None
    found = sweep(plan, trials=2)
    assert found.counts["scored"] == 2
    assert [one.settings for one in found.trials if one.settings] == [trial.params]


@pytest.mark.slow
def test_a_trial_in_hand_is_left_to_whoever_has_it(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    plan = plan_of(material, tmp_path)
    sweep(plan, trials=1)
    code = (
        "import pickle, sys; from mimetic.sweeping.study import claimed\n"
        "with claimed(pickle.load(open(sys.argv[1], 'rb')), 2) as trial: print(trial is None)"
    )
    import pickle

    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    with claimed(plan, 2) as mine:
        assert mine is not None
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "plan"], capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "True"
    assert [trial.state.name for trial in open_study(plan).trials] == ["FAIL", "RUNNING"]


@pytest.mark.slow
def test_several_processes_share_the_trials(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    found = sweep(plan_of(material, tmp_path), trials=5, workers=2)
    assert found.counts == {"scored": 5, "pruned": 0, "failed": 0, "in hand": 0}
    assert len({trial.number for trial in found.trials}) == 5


def test_what_is_hopeless_is_given_up_and_what_fails_says_why(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    space = {"fit.rate": Range(low=1e-9, high=1e-2)}
    found = sweep(plan_of(material, tmp_path, space=space, prune=True), trials=16)
    assert found.counts["pruned"] > 0
    assert found.counts["scored"] + found.counts["pruned"] == 16
    assert sum(found.importance.values()) == pytest.approx(1)
    too_fast = plan_of(material, tmp_path / "fast", space={"fit.rate": Choices(texts=("1e30", "1e31"))})
    failing = sweep(replace(too_fast, recipe=quick(single())), trials=3)
    assert failing.counts["failed"] == 2
    with pytest.raises(MimeticError, match="no trial has a score"):
        sweep(replace(too_fast, recipe=changed(quick(single()), {"fit.rate": 1e30}), out=tmp_path / "none"), trials=1)


def test_the_best_of_many_is_too_good_by_what_each_fold_prefers() -> None:
    one = Tried(number=0, settings={}, folds=(0.4, 0.2))
    other = Tried(number=1, settings={"a": 1}, folds=(0.2, 0.3))
    assert optimism([one, other]) == pytest.approx(0.05)
    assert optimism([one]) == 0


@pytest.mark.slow
def test_of_labels_without_a_meaning_the_best_settings_are_worth_nothing(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path, clips=300)
    labels = np.random.default_rng(5).normal(size=dataset.labels.shape)
    dataset = replace(dataset, labels=labels)
    found = sweep(plan_of((dataset, store), tmp_path / "sweep"), trials=10)
    run = train(dataset, get_recipe(found.best), store, tmp_path / "runs")
    told = evaluate([run], part="test", resamples=1000).mean_pearson
    assert told.low < 0 < told.high
    assert found.trials[0].score - found.optimism < 0.1


def test_the_command_ends_with_a_recipe_that_train_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    data, out = features_only(tmp_path / "data", {"gte": 1}), tmp_path / "out"
    words = ("sweep", data, "gte.mlp", "--trials", "2", "--set", "fit.epochs=1", "--folds", "2", "--out", out)
    code, told, error = call(*words, capsys=capsys)
    assert code == 0, error
    assert "the recipe as it stands" in told
    assert "too good for having been chosen" in told
    assert json.loads(call(*words, "--json", capsys=capsys)[1]) == json.loads((out / "sweep.json").read_text())
    code, told, error = call("train", data, out / "best.toml", "--out", tmp_path / "runs", capsys=capsys)
    assert code == 0, error
    assert "gte.mlp.swept" in told
    code, _, error = call(*words, "--vary", "fit.speed=1..2", capsys=capsys)
    assert (code, "fit.speed" in error) == (2, True)
