"""``auto``: as good as its best part, finds nothing where there is nothing, and is a run like any other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips import write_layout
from mimetic.auto import Auto, fit_auto, fit_floor
from mimetic.automatic import AUTO, FLOOR, choose_split, recipe_for, train_automatically
from mimetic.cli import main
from mimetic.datasets import open_dataset
from mimetic.evaluation import compare_runs, evaluate
from mimetic.evidence.intervals import compare, interval
from mimetic.modalities import Modalities
from mimetic.prediction import predict_dataset
from mimetic.records import BadRun
from mimetic.report import write_report
from mimetic.runs import Run
from mimetic.training.material import Shelf
from planted import planted


def made(clips: int, seed: int = 0, *, signal: float = 1.0) -> tuple[Modalities, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.normal(size=(clips, 3))
    sound = [signal * np.tile(row, 4) + 2 * draw.normal(size=(4, 12)) for row in labels]
    face = [None if i % 6 == 0 else signal * np.tile(row, 2) + 2 * draw.normal(size=6) for i, row in enumerate(labels)]
    words = ["yes" if row[0] * signal + draw.normal() > 0 else "no" for row in labels]
    return Modalities({"audio": sound, "face": face, "text": [f"{word} indeed" for word in words]}), labels


@pytest.mark.slow
def test_it_is_not_worse_than_its_best_part() -> None:
    clips, labels = made(250)
    model, _ = fit_auto(clips, labels)
    fresh, truth = made(400, seed=1)
    best = max(model.members, key=lambda member: model.scores[member.name])
    assert compare(truth, model.predict(fresh), best.predict(fresh), resamples=500).low > -0.005


@pytest.mark.slow
def test_labels_without_a_meaning_give_an_interval_that_holds_zero() -> None:
    clips, labels = made(300, signal=0.0)
    model, _ = fit_auto(clips, labels)
    fresh, truth = made(400, seed=1, signal=0.0)
    found = interval(truth, model.predict(fresh), resamples=1000)
    assert found.low < 0 < found.high


def test_the_floor_reads_texts_too_and_is_put_away() -> None:
    clips, labels = made(150)
    model, fair = fit_floor(clips, labels)
    assert fair.shape == labels.shape
    only = Modalities({"text": clips["text"]})
    said = fit_floor(only, labels)[0].predict(only)
    assert np.corrcoef(said[:, 0], labels[:, 0])[0, 1] > 0.3
    config, arrays = model.saved()
    again = Auto.restored(json.loads(json.dumps(config)), arrays)
    np.testing.assert_array_equal(again.predict(clips), model.predict(clips))


@pytest.mark.slow
def test_networks_join_where_there_are_clips_enough_and_are_put_away() -> None:
    clips, labels = made(520)
    model, fair = fit_auto(clips, labels)
    assert any("networks" in member.name for member in model.members)
    assert np.isfinite(fair).all()
    config, arrays = model.saved()
    again = Auto.restored(json.loads(json.dumps(config)), arrays)
    np.testing.assert_array_equal(again.predict(clips), model.predict(clips))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    root = tmp_path_factory.mktemp("planted")
    dataset, store = planted(root)
    shelf = Shelf(dataset, store)
    auto, floor = (
        train_automatically(shelf, recipe_for(dataset, store, kind=kind), root / "runs") for kind in (AUTO, FLOOR)
    )
    return auto, floor


def test_a_run_of_auto_is_used_like_any_other(runs: tuple[Run, Run], tmp_path: Path) -> None:
    auto, floor = runs
    assert evaluate([auto], resamples=200).mean_pearson.value > 0.5
    assert compare_runs([auto], [floor], resamples=200).clips == 45
    assert "mimetic train DATA auto --seeds 0" in write_report([auto, floor], tmp_path / "r.html").read_text()
    assert [line["epoch"] for line in auto.history] == [1]
    assert auto.config["auto"]["grouped_by"] is None
    with pytest.raises(BadRun, match="no single network"):
        auto.network()


def test_a_run_of_auto_predicts_as_when_it_was_trained(runs: tuple[Run, Run], tmp_path: Path) -> None:
    dataset, store = planted(tmp_path)
    scores = predict_dataset(Run(runs[0].path), dataset, store)
    held = dataset.indices("valid")
    np.testing.assert_allclose(scores.values[held], runs[0].outcome.predicted[held], atol=1e-9)
    assert scores.intervals is not None
    inside = (dataset.labels >= scores.intervals[..., 0]) & (dataset.labels <= scores.intervals[..., 1])
    assert 0.75 < inside[held].mean() <= 1


def test_what_it_says_of_training_clips_is_said_without_having_seen_them(runs: tuple[Run, Run]) -> None:
    train, valid = (evaluate([runs[0]], part=part, resamples=100).mean_pearson.value for part in ("train", "valid"))
    assert train < valid + 0.15


def test_the_same_call_trains_nothing_anew(runs: tuple[Run, Run]) -> None:
    root = runs[0].path.parents[2]
    dataset, store = planted(root / "again")
    recipe = recipe_for(dataset, store)
    found = train_automatically(Shelf(dataset, store), recipe, root / "runs", tell=lambda _: pytest.fail("trained"))
    assert found.path == runs[0].path


def own_table(folder: Path, clips: int = 60) -> Path:
    draw = np.random.default_rng(0)
    moods = draw.normal(size=clips)
    lines = [
        f"p{i % 12},{'glad and merry' if mood > 0 else 'grim and gloomy'} {i},{mood:.3f}"
        for i, mood in enumerate(moods)
    ]
    path = folder / "own.csv"
    path.write_text("\n".join(["person,text,warmth", *lines]) + "\n")
    return path


def called(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def test_a_table_of_texts_is_trained_on_and_predicted_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetic.automatic.is_installed", lambda: False)
    table = own_table(tmp_path)
    assert choose_split(open_dataset(table)) == "1/5:person"
    (run,) = called(capsys, "train", str(table), "auto", "--out", str(tmp_path / "runs"), "--workers", "0")
    assert run["mean_pearson"] > 0.5
    new = tmp_path / "new.csv"
    new.write_text("id,text\na,merry\nb,gloomy\n")
    first, second = called(capsys, "predict", run["run"], str(new))
    assert (first["clip"], second["clip"]) == ("a", "b")
    assert first["scores"]["warmth"] > second["scores"]["warmth"]
    low, high = first["intervals"]["warmth"]
    assert low < first["scores"]["warmth"] < high


@pytest.mark.slow
def test_auto_is_submitted_and_refit_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetic.automatic.is_installed", lambda: False)
    data = str(write_layout(tmp_path / "data", train=12, valid=5, test=3))
    words = ("--out", str(tmp_path / "runs"), "--workers", "0", "--seeds", "0,1")
    run, _ = called(capsys, "train", data, "auto", *words)
    called(capsys, "submit", run["run"], data, "--out", str(tmp_path / "submission.csv"))
    called(capsys, "check", str(tmp_path / "submission.csv"), data)
    refits = called(capsys, "refit", str(Path(run["run"]).parent), data, "--out", str(tmp_path / "refits"))
    assert [refit["seed"] for refit in refits] == [0, 1]
    called(capsys, "submit", refits[0]["run"], data, "--out", str(tmp_path / "submission.csv"))
    called(capsys, "check", str(tmp_path / "submission.csv"), data)
