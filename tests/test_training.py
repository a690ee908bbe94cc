"""Two stages, each run named by what decides its numbers, none trained twice, none taken for another."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mimetic.batches import load_tracks
from mimetic.evaluation import compare_runs, evaluate
from mimetic.features import EXTRACTORS, feature
from mimetic.network import score_tracks
from mimetic.recipes import Recipe, stage_one, with_settings
from mimetic.records import BadData, BadRun, Dataset, Json, MimeticError, StoreError, Track
from mimetic.runs import Run, runs_of
from mimetic.scores import mean_pearson
from mimetic.store import Row, Store, write_shard
from mimetic.training import train
from planted import FEATURES, fused, planted, single


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store]:
    return planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def fusion(material: tuple[Dataset, Store], tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(*arguments(material, fused()), tmp_path_factory.mktemp("runs"))


def arguments(material: tuple[Dataset, Store], recipe: Recipe) -> tuple[Dataset, Recipe, Store]:
    return material[0], recipe, material[1]


def test_fusion_learns_what_each_part_knows_half_of(material: tuple[Dataset, Store], fusion: Run) -> None:
    valid = fusion.outcome.part("valid")
    together = mean_pearson(valid.true, valid.predicted)
    alone = []
    for name in FEATURES:
        part = train(*arguments(material, single(name)), fusion.path.parent.parent).outcome.part("valid")
        alone.append(mean_pearson(part.true, part.predicted))
    assert min(alone) > 0.4
    assert together > max(alone) + 0.1


def test_every_clip_has_a_score_whatever_it_lacks(material: tuple[Dataset, Store], fusion: Run) -> None:
    outcome = fusion.outcome
    assert outcome.clips == tuple(clip.id for clip in material[0].clips)
    assert np.isfinite(outcome.predicted).all()
    assert not outcome.presence[5].any()
    assert outcome.presence[13].tolist() == [False, True]


def test_a_run_says_the_same_when_it_is_opened_again(material: tuple[Dataset, Store], fusion: Run) -> None:
    parts = tuple(load_tracks(material[1], feature(name), material[0]) for name in FEATURES)
    again = score_tracks(Run(fusion.path).network(), parts, np.arange(150), torch.device("cpu"))
    np.testing.assert_allclose(again, fusion.outcome.predicted, atol=1e-5, rtol=0)


def test_stage_one_is_found_by_its_signature_and_nothing_is_trained_twice(
    material: tuple[Dataset, Store], fusion: Run
) -> None:
    runs = fusion.path.parent.parent
    trained: list[str] = []

    def watch(recipe: Recipe, seed: int, line: Json) -> None:
        trained.append(recipe.name)

    same = train(*arguments(material, fused()), runs, watch=watch)
    assert (same.path, trained) == (fusion.path, [])
    train(*arguments(material, fused(adapt=0.0)), runs, watch=watch)
    assert set(trained) == {"both"}


def test_frozen_encoders_stay_as_stage_one_left_them_and_adapting_ones_move(
    material: tuple[Dataset, Store], fusion: Run
) -> None:
    runs = fusion.path.parent.parent
    frozen = train(*arguments(material, fused(adapt=0.0)), runs)
    for number, name in enumerate(FEATURES):
        first = train(*arguments(material, single(name)), runs).network().branches[0].state_dict()
        for key, weight in frozen.network().branches[number].state_dict().items():
            torch.testing.assert_close(weight, first[key], atol=0, rtol=0)
        moved = fusion.network().branches[number].state_dict()
        assert any(not torch.equal(moved[key], first[key]) for key in first)


def test_a_seed_gives_the_same_numbers_alone_and_among_others(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    alone = train(*arguments(material, single()), tmp_path / "a", seed=1)
    torch.manual_seed(99)
    torch.randn(3)
    train(*arguments(material, single()), tmp_path / "b", seed=0)
    among = train(*arguments(material, single()), tmp_path / "b", seed=1)
    assert (alone.path / "model.safetensors").read_bytes() == (among.path / "model.safetensors").read_bytes()
    assert (alone.path / "history.jsonl").read_text() == (among.path / "history.jsonl").read_text()
    assert [run.seed for run in runs_of([among.path.parent])] == [0, 1]


def test_other_labels_settings_splits_and_seeds_are_other_runs(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    dataset, store = material
    quick = with_settings(single(), {"fit.epochs": 1})
    other = replace(dataset, labels=dataset.labels + 0.01)
    runs = [
        train(dataset, quick, store, tmp_path),
        train(dataset, quick, store, tmp_path, seed=1),
        train(other, quick, store, tmp_path),
        train(dataset, with_settings(quick, {"fit.rate": 1e-3}), store, tmp_path),
        train(dataset, with_settings(quick, {"split": "4:1"}), store, tmp_path),
    ]
    assert len({run.signature for run in runs}) == 5
    assert len({run.path for run in runs}) == 5
    assert len({run.system for run in runs}) == 4


def test_a_training_that_is_stopped_leaves_no_run_behind(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    def stop(recipe: Recipe, seed: int, line: Json) -> None:
        if line["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*arguments(material, single()), tmp_path / "runs", watch=stop)
    assert not list(tmp_path.rglob("*.json"))


def test_the_best_epoch_s_weights_are_kept(fusion: Run) -> None:
    scores = [line["mean_pearson"] for line in fusion.history]
    best = scores[fusion.config["best_epoch"] - 1]
    valid = fusion.outcome.part("valid")
    assert best >= max(scores) - 1e-4
    assert mean_pearson(valid.true, valid.predicted) == pytest.approx(best, abs=1e-5)


def test_a_clip_without_a_row_in_the_store_is_named(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    dataset, store = material
    more = replace(dataset, clips=(*dataset.clips[:-1], replace(dataset.clips[-1], id="99999")))
    with pytest.raises(StoreError, match=r"1 clips have no logmel in .* \(99999 ...\).*mimetic extract"):
        train(more, single(), store, tmp_path)


def test_clips_without_labels_cannot_be_trained_on(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    unlabelled = replace(material[0], targets=(), labels=np.zeros((150, 0)))
    with pytest.raises(BadData, match="planted has no labels to train on"):
        train(unlabelled, single(), material[1], tmp_path)


def test_missing_labels_are_left_out(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    dataset, store = material
    holed = dataset.labels.copy()
    holed[::4, 1] = np.nan
    run = train(replace(dataset, labels=holed), single(), store, tmp_path)
    assert all(np.isfinite(line["loss"]) for line in run.history)
    assert run.history[-1]["mean_pearson"] > 0.3


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRun, match="is no run"):
        Run(tmp_path)
    (tmp_path / "config.json").write_text('{"format"')
    with pytest.raises(BadRun, match=r"config.json is damaged, or no run's. Give a folder"):
        Run(tmp_path)
    (tmp_path / "config.json").write_text('{"format": 99}')
    with pytest.raises(BadRun, match="has format 99"):
        Run(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "scores.arrow", "history.jsonl"])
@pytest.mark.parametrize("left", [None, 0, 100])
def test_a_run_whose_file_is_gone_or_cut_off_is_told_with_the_file(
    fusion: Run, tmp_path: Path, name: str, left: int | None
) -> None:
    path = Path(shutil.copytree(fusion.path, tmp_path / "run"))
    if left is None:
        (path / name).unlink()
    else:
        (path / name).write_bytes((path / name).read_bytes()[:left])
    if name == "history.jsonl" and left == 0:
        assert Run(path).history == []
        return
    with pytest.raises(BadRun, match=f"{name} is missing or damaged"):
        _ = {"model.safetensors": Run.network, "scores.arrow": outcome_of, "history.jsonl": history_of}[name](Run(path))


def test_a_run_that_is_being_written_is_not_one_of_its_system(fusion: Run, tmp_path: Path) -> None:
    shutil.copytree(fusion.path.parent, tmp_path / "both-1")
    shutil.copytree(fusion.path, tmp_path / "both-1" / ".seed-1.99.part")
    assert [run.seed for run in runs_of([tmp_path / "both-1"])] == [0]
    assert [run.seed for run in runs_of([tmp_path])] == [0]


def test_a_run_is_not_used_with_features_that_are_computed_otherwise(
    fusion: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = replace(EXTRACTORS["logmel"], revision="99")
    monkeypatch.setitem(EXTRACTORS, "logmel", newer)
    with pytest.raises(BadRun, match="learned from logmel as it was computed then"):
        Run(fusion.path).network()


def test_a_training_that_comes_to_nothing_is_no_run(material: tuple[Dataset, Store], tmp_path: Path) -> None:
    mad = with_settings(single(), {"fit.rate": 1e30, "fit.max_norm": 1e30})
    with pytest.raises(MimeticError, match="has a loss of"):
        train(*arguments(material, mad), tmp_path / "runs")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.slow
def test_a_modality_of_pure_noise_changes_a_fusion_s_score_by_less_than_its_interval(tmp_path: Path) -> None:
    dataset, store = planted(tmp_path, clips=1_500)
    noise, draw = feature("motion-landmarks"), np.random.default_rng(1)
    tracks = [Track(values=draw.normal(size=(5, noise.dim)), rate=10.0, valid=np.ones(5, bool)) for _ in dataset.clips]
    rows = [
        Row(clip=clip.id, source="s", track=track, reason=None)
        for clip, track in zip(dataset.clips, tracks, strict=True)
    ]
    write_shard(store.folder(noise.key), 0, noise.identity, rows, noise.dtype)
    without = replace(fused(), modality_dropout=0.3)
    noisy = replace(without, name="noisy", parts=(*without.parts, replace(without.parts[0], feature=noise.key)))
    runs = [[train(dataset, r, store, tmp_path / "runs", seed=seed) for seed in range(3)] for r in (without, noisy)]
    alone = train(dataset, stage_one(noisy)[2], store, tmp_path / "runs")
    mean = evaluate(runs[0], resamples=2_000).mean_pearson
    assert abs(compare_runs(*runs, resamples=2_000).difference) <= (mean.high - mean.low) / 2
    assert mean.value > 0.5 > 0.1 > abs(evaluate([alone], resamples=20).mean_pearson.value)


def outcome_of(run: Run) -> object:
    return run.outcome


def history_of(run: Run) -> object:
    return run.history
