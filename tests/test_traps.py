"""The mistakes of the published code, one test each: it fails if we make that mistake, too.

The poster's ten come first, in the order of its script; then those of the others' code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mimetic import network as networks
from mimetic.batches import Ragged, load_tracks, make_batch
from mimetic.encoders import ENCODERS
from mimetic.evaluation import evaluate
from mimetic.features import feature
from mimetic.fusions import FUSIONS
from mimetic.network import Network, score_tracks
from mimetic.recipes import RECIPES, Fit, Part, Recipe, stage_one, with_settings
from mimetic.records import Dataset, Track
from mimetic.report import write_report
from mimetic.runs import Run
from mimetic.scores import ccc, mean_pearson, mixture, pearson
from mimetic.splits import split_dataset
from mimetic.store import Store
from mimetic.training import train
from mimetic.training.loop import Trainer
from mimetic.training.material import Shelf
from mimetic.training.rates import Rates
from planted import FEATURES, fused, planted, single

CPU = torch.device("cpu")
DIM = 8


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store]:
    return planted(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def fusion(material: tuple[Dataset, Store], runs: Path) -> Run:
    return train(material[0], fused(), material[1], runs)


def trainer(material: tuple[Dataset, Store], runs: Path, recipe: Recipe) -> Trainer:
    """Set up the last stage of a recipe, its parts trained."""
    shelf = Shelf(*material)
    before = [train(material[0], part, material[1], runs) for part in stage_one(recipe)]
    torch.manual_seed(0)
    return Trainer(recipe, shelf.material(recipe), before, 0, CPU)


def ragged(*lengths: int, seed: int = 0) -> Ragged:
    draw = np.random.default_rng(seed)
    tracks = [
        Track(values=draw.normal(size=(rows, DIM)).astype(np.float32), rate=5.0, valid=np.ones(rows, bool))
        for rows in lengths
    ]
    return Ragged([track if len(track.values) else None for track in tracks], DIM)


def small(encoder: str, *, fusion: str = "linear", parts: int = 1) -> Network:
    names = ("logmel", "words-hashed", "motion-blocks")[:parts]
    made = tuple(Part(feature=name, encoder="mean" if not i else encoder) for i, name in enumerate(names))
    made = made if parts > 1 else (Part(feature="logmel", encoder=encoder),)
    torch.manual_seed(0)
    return Network(Recipe(name="x", parts=made, fusion=fusion, stages=1), [DIM] * parts, 3).eval()


# --------------------------------------------------------------------------------------- the poster's


def test_poster_1_a_stage_one_of_another_split_is_never_picked_up(
    material: tuple[Dataset, Store], runs: Path, fusion: Run
) -> None:
    other = replace(fused(), split="4:1")
    trained: list[tuple[str, str]] = []
    train(material[0], other, material[1], runs, watch=lambda r, _seed, _line: trained.append((r.name, r.split)))
    assert fusion.recipe.split == "2:1"
    assert set(trained) == {(name, "4:1") for name in ("logmel.mlp", "motion-blocks.mlp", "both")}


@pytest.mark.parametrize("adapt", [0.05, 0.0])
def test_poster_2_what_learns_is_what_the_optimiser_has_and_what_is_clipped(
    material: tuple[Dataset, Store], runs: Path, adapt: float
) -> None:
    stage = trainer(material, runs, fused(adapt=adapt))
    held = {id(p): group["lr"] for group in stage.optimiser().param_groups for p in group["params"]}
    learning = {name: p for name, p in stage.network.named_parameters() if p.requires_grad}
    assert set(held) == {id(p) for p in learning.values()}
    slow = {name for name, p in learning.items() if held[id(p)] < stage.fit.rate}
    assert slow == {name for name in learning if name.startswith("branches")}
    assert bool(slow) == bool(adapt)


def test_poster_2_motion_adapts_with_the_fusion_as_the_others_do() -> None:
    recipe = RECIPES["F2"]
    assert [part.modality for part in recipe.parts] == ["text", "audio", "vision", "motion"]
    network = Network(recipe, [feature(part.feature).dim for part in recipe.parts], 6)
    assert all(p.requires_grad for p in network.branches[3].parameters())


def test_poster_3_a_frozen_encoder_has_no_dropout_in_it(material: tuple[Dataset, Store], runs: Path) -> None:
    dropped = tuple(replace(part, options={"hidden": 16, "dropout": 0.45}) for part in fused().parts)
    for adapt, alike in ((0.0, True), (0.05, False)):
        stage = trainer(material, runs, replace(fused(adapt=adapt), parts=dropped))
        next(stage.epochs())
        stage._train_mode()
        batch = make_batch(stage.material.parts, np.arange(40, 60), CPU)
        first, second = (stage.network._vectors(batch, 1, []) for _ in range(2))
        assert torch.equal(first, second) is alike


def test_poster_4_encoders_go_back_to_the_best_epoch_with_the_fusion(
    material: tuple[Dataset, Store], runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = trainer(material, runs, fused())
    scores: Iterator[float] = iter([0.1, 0.5, *[0.2] * 50])
    monkeypatch.setattr(stage, "_validate", lambda: {"mean_pearson": next(scores), "pearson": {}})
    states = []
    for _ in stage.epochs():
        states.append({name: value.clone() for name, value in stage.network.state_dict().items()})
    stage.outcome()
    assert (stage.best_epoch, len(states)) == (2, 12)
    for name, value in stage.network.state_dict().items():
        assert torch.equal(value, states[1][name]), name
    assert any(not torch.equal(states[1][name], states[-1][name]) for name in states[1] if "branches" in name)


def test_poster_5_absent_and_dropped_are_one_sign_in_training_and_in_test() -> None:
    net = small("attention", fusion="concat", parts=2)
    have, lack = (ragged(5, 7), ragged(4, 2)), (ragged(5, 7), ragged(0, 2))
    lack[1].values[1] = have[1].values[1]
    keep = np.array([[True, False], [True, True]])
    with torch.inference_mode():
        dropped = net(make_batch(have, np.arange(2), CPU, keep=keep))
        torch.testing.assert_close(dropped, net(make_batch(lack, np.arange(2), CPU)), atol=0, rtol=0)


def test_poster_6_no_clip_is_left_out_for_what_it_lacks(material: tuple[Dataset, Store], fusion: Run) -> None:
    outcome, parts = fusion.outcome, [clip.part for clip in material[0].clips]
    assert outcome.clips == tuple(clip.id for clip in material[0].clips)
    assert list(outcome.parts) == parts
    assert not outcome.presence.all()
    assert np.isfinite(outcome.predicted).all()
    told = fusion.config["split"]
    assert (told["train"], told["valid"], told["test"]) == tuple(map(parts.count, ("train", "valid", "test")))


def test_poster_7_every_setting_can_be_told_and_nothing_is_pickled(fusion: Run) -> None:
    recipe = RECIPES["F1"]
    known = {f"fit.{field.name}": getattr(recipe.fit, field.name) for field in fields(Fit)}
    known |= {f"parts.0.{field.name}": getattr(recipe.parts[0], field.name) for field in fields(Part)}
    known |= {field.name: getattr(recipe, field.name) for field in fields(Recipe) if field.name not in ("parts", "fit")}
    plain = {name: value for name, value in known.items() if isinstance(value, bool | int | float | str)}
    assert len(plain) > 20
    for name, value in plain.items():
        assert with_settings(recipe, {name: value}) == recipe
    assert {path.suffix for path in fusion.path.iterdir()} == {".json", ".jsonl", ".safetensors", ".arrow"}


def test_poster_8_the_page_says_that_validation_chose_the_epoch(fusion: Run, tmp_path: Path) -> None:
    page = write_report([fusion], tmp_path / "report.html", resamples=50).read_text()
    assert "The validation clips also chose the epoch of every run" in page


@pytest.mark.parametrize("name", ["mean", "mlp", "meanstd", "statistics", "attention", "tcn"])
def test_poster_9_no_mean_is_taken_over_padding(name: str) -> None:
    net = small(name)
    alone = score_tracks(net, (ragged(3),), np.array([0]), CPU)
    beside = score_tracks(net, (ragged(3, 60),), np.array([0, 1]), CPU)
    np.testing.assert_allclose(beside[0], alone[0], atol=1e-5, rtol=0)


def test_poster_9_the_score_is_the_mean_of_correlations_and_not_that_of_all_columns_at_once() -> None:
    apart = np.array([0.0, 100.0])
    target = np.random.default_rng(0).normal(size=(50, 2))
    together = np.corrcoef((apart + target).ravel(), (apart - target).ravel())[0, 1]
    assert together > 0.9
    assert mean_pearson(apart + target, apart - target) == pytest.approx(-1.0)


def test_poster_10_a_sequence_of_one_row_is_said_to_be_none() -> None:
    recipe = RECIPES["gte.lstm"]
    assert feature(recipe.parts[0].feature).rate == 0
    assert "one row of text" in recipe.about


# --------------------------------------------------------------------------------- others' features


def test_hallmen_a_clip_s_features_are_found_by_its_id_and_not_by_its_place(material: tuple[Dataset, Store]) -> None:
    dataset, store = material
    backwards = replace(dataset, clips=dataset.clips[::-1], labels=dataset.labels[::-1])
    there, back = (load_tracks(store, feature(FEATURES[0]), d) for d in (dataset, backwards))
    for one, other in zip(there.values, back.values[::-1], strict=True):
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


def test_hallmen_ids_keep_their_zeros(fusion: Run) -> None:
    assert fusion.outcome.clips[12] == "00012"


def test_fuxi_no_clip_is_dropped_with_the_last_batch(material: tuple[Dataset, Store], runs: Path) -> None:
    stage = trainer(material, runs, single())
    for clips in (1, 7, 8, 9, 16, 23, 24, 25, 75):
        steps = stage._steps(np.arange(clips))
        assert np.concatenate(steps).tolist() == list(range(clips))
        assert all(len(step) == stage.fit.clips for step in steps[:-1])
        assert len(steps[-1]) >= min(clips, stage.fit.clips // 2)
    assert len(stage.predict(np.arange(75))) == 75


def test_fuxi_folds_are_not_cut_by_position(material: tuple[Dataset, Store]) -> None:
    valid = split_dataset(material[0], "1/5").valid
    assert not np.array_equal(valid, np.arange(valid[0], valid[0] + len(valid)))


def test_hsemotion_training_and_validation_are_not_swapped(material: tuple[Dataset, Store]) -> None:
    split = split_dataset(material[0], "2:1")
    assert {material[0].clips[row].part for row in split.train} == {"train"}
    assert {material[0].clips[row].part for row in split.valid} == {"valid"}


@pytest.mark.parametrize("kind", ["concat", "weights", "gate"])
def test_hsemotion_validation_labels_teach_nothing(material: tuple[Dataset, Store], tmp_path: Path, kind: str) -> None:
    once = replace(fused().fit, epochs=2)
    parts = tuple(replace(part, fit=once) for part in fused().parts)
    recipe = replace(fused(), parts=parts, fusion=kind, options={}, fit=once)
    dataset, store = material
    valid = dataset.indices("valid")
    shuffled = dataset.labels.copy()
    shuffled[valid] = np.random.default_rng(0).permutation(shuffled[valid])
    states = []
    for number, labels in enumerate((dataset.labels, shuffled)):
        stage = trainer((replace(dataset, labels=labels), store), tmp_path / str(number), replace(recipe, stages=1))
        list(stage.epochs())
        states.append(stage.network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_hsemotion_and_the_restudy_weights_start_equal_and_not_where_validation_likes_them() -> None:
    weights = FUSIONS["weights"].load()([3, 3], 3)
    scores = [torch.full((1, 3), value) for value in (0.0, 1.0)]
    assert weights(scores, torch.ones(1, 2)).tolist() == [[0.5, 0.5, 0.5]]


@pytest.mark.parametrize("name", [name for name, entry in ENCODERS.items() if not entry.queried])
def test_restudy_a_clip_of_one_row_is_encoded(name: str) -> None:
    assert np.isfinite(score_tracks(small(name), (ragged(1),), np.array([0]), CPU)).all()


def test_restudy_a_score_is_over_all_clips_of_its_part(material: tuple[Dataset, Store], fusion: Run) -> None:
    valid = len(material[0].indices("valid"))
    assert not fusion.outcome.part("valid").presence.all()
    assert evaluate([fusion], resamples=20).clips == valid


# -------------------------------------------------------------------------------------- the winners'


def test_winner_2_a_clip_without_faces_is_missing_and_not_a_row_of_zeros() -> None:
    found_nowhere = Track(values=np.zeros((4, DIM), np.float32), rate=5.0, valid=np.zeros(4, bool))
    assert Ragged([found_nowhere], DIM).lengths.tolist() == [0]


@pytest.mark.parametrize("name", ENCODERS)
def test_winner_5_a_clip_keeps_all_its_rows_whatever_is_beside_it(name: str) -> None:
    net = small(name, parts=2 if ENCODERS[name].queried else 1)
    ask = (ragged(1, 1),) if ENCODERS[name].queried else ()
    alone = score_tracks(net, (*ask, ragged(30, 0)), np.array([0]), CPU)
    for longest in (35, 45, 60):
        beside = score_tracks(net, (*ask, ragged(30, longest)), np.array([0, 1]), CPU)
        np.testing.assert_allclose(beside[0], alone[0], atol=1e-5, rtol=0)


def test_winner_6_columns_are_told_by_what_signed_the_features(material: tuple[Dataset, Store], fusion: Run) -> None:
    assert fusion.dims == [feature(name).dim for name in FEATURES]
    nobody = replace(material[0], clips=(material[0].clips[5],), labels=material[0].labels[5:6])
    assert load_tracks(material[1], feature(FEATURES[0]), nobody).dim == feature(FEATURES[0]).dim


def test_winner_7_a_score_below_zero_can_be_the_best_and_an_undefined_one_cannot() -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rates = Rates(optimiser, Fit(), steps=1)
    judged = []
    for score in (None, -0.3, None, -0.2):
        rates.step()
        judged.append(rates.judge(score))
    assert judged == [True, True, False, True]


def test_winner_9_a_run_is_built_as_it_was_trained(material: tuple[Dataset, Store], runs: Path) -> None:
    odd = replace(single(encoder="attention"), tokens="inputs", fusion="plain", options={"hidden": 7})
    run = train(material[0], odd, material[1], runs)
    parts = (load_tracks(material[1], feature("logmel"), material[0]),)
    again = score_tracks(Run(run.path).network(), parts, np.arange(150), CPU)
    np.testing.assert_allclose(again, run.outcome.predicted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["ccc", "pearson"])
def test_winner_concordance_is_over_clips_and_a_loss_of_zero_is_perfect(name: str) -> None:
    draw = np.random.default_rng(0)
    target = draw.normal(size=(9, 3))
    loss = mixture({name: 1.0})
    assert loss(target, target) == pytest.approx(0.0)
    assert loss(target, -target) > loss(target, draw.normal(size=(9, 3))) > 0
    assert ccc(target, target).shape == (3,)


def test_runner_up_2025_validation_is_scored_at_once_and_not_batch_by_batch(
    material: tuple[Dataset, Store], fusion: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tuple(load_tracks(material[1], feature(name), material[0]) for name in FEATURES)
    rows = material[0].indices("valid")
    monkeypatch.setattr(networks, "EVALUATED_AT_ONCE", 4)
    score = mean_pearson(material[0].labels[rows], score_tracks(fusion.network(), parts, rows, CPU))
    assert score == pytest.approx(fusion.history[fusion.config["best_epoch"] - 1]["mean_pearson"], abs=1e-5)


def test_runner_up_2025_constant_columns_are_undefined_and_not_perfect() -> None:
    assert np.isnan(pearson(np.zeros(9), np.zeros(9)))


def test_runner_up_2025_the_best_epoch_is_validation_s_and_not_training_s(fusion: Run) -> None:
    scores = [line["mean_pearson"] for line in fusion.history]
    assert scores[fusion.config["best_epoch"] - 1] == pytest.approx(max(scores), abs=1e-4)


def test_an_emotion_that_nobody_shows_in_a_step_is_left_out_of_its_loss() -> None:
    target, predicted = torch.rand(16, 2), torch.rand(16, 2, requires_grad=True)
    target[:, 1] = 0
    loss = mixture({"pearson": 1.0})(target, predicted)
    loss.backward()
    assert torch.isfinite(predicted.grad).all()
    torch.testing.assert_close(loss, 1 - pearson(target[:, 0], predicted[:, 0]))


def test_motion_in_millimetres_weighs_no_more_than_motion_in_metres() -> None:
    recipe = RECIPES["motion-openface.attention"]
    scores = []
    for unit in (1.0, 1000.0):
        tracks = ragged(5, 9, 14)
        for values in tracks.values:
            values[:, -1] *= unit
        torch.manual_seed(0)
        net = Network(recipe, [DIM], 6).eval()
        net.branches[0].fit(tracks, [0, 1, 2])
        scores.append(score_tracks(net, (tracks,), np.arange(3), CPU))
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5, rtol=0)
    assert RECIPES["F2"].parts[3] == recipe.parts[0]
