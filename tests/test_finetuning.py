"""Encoders that learn: alone, with others, in lots, after a kill; and what they may not judge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tiny_speech
import tiny_text
import tiny_vision
from clips import write_clip
from mimetic.datasets import open_dataset
from mimetic.datasets.drawn import make
from mimetic.extraction import extract
from mimetic.features import feature
from mimetic.finetuning import Tuning, alone, finetune, with_choices
from mimetic.finetuning.bench import make_bench, make_tuner, open_lives
from mimetic.finetuning.depth import groups
from mimetic.finetuning.drawing import drawing
from mimetic.finetuning.folds import finetune_folds
from mimetic.finetuning.live import Live
from mimetic.finetuning.loop import Tuner
from mimetic.finetuning.prepared import prepare
from mimetic.finetuning.settling import settle
from mimetic.models import Inputs
from mimetic.prediction import predict
from mimetic.recipes import Fit, Part, Recipe, get_recipe
from mimetic.records import BadData, Clip, Dataset, UsageError
from mimetic.runs import Run
from mimetic.splits import split_dataset
from mimetic.stocktaking import merge
from mimetic.store import Store
from mimetic.training import train
from mimetic.training.choosing import on_features
from mimetic.tuned import read_tuned

WORDS = ("so", "it", "goes", "on", "and", "a", "b", "c")
FIT = Fit(epochs=2, clips=8, rate=1e-2, loss={"mse": 1.0, "pearson": 1.0}, schedule="cosine")
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CALM = dict.fromkeys(("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout"), 0.0)
"""What text and vision models, and what speech models draw of themselves: nothing."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text.make_text(tmp_path_factory.mktemp("checkpoint") / "bert")


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that draws nothing while it learns."""
    return tiny_text.make_text(tmp_path_factory.mktemp("checkpoint") / "still", **STILL)


def said(clips: int = 40, *, silent: int = 0) -> Dataset:
    """Clips whose labels count words; the first few have none."""
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(WORDS, draw.integers(2, 12))) for _ in range(clips)]
    labels = np.array([[text.split().count("so") / 6, text.split().count("goes") / 6] for text in texts])
    parts = ("train", "train", "train", "valid") * (clips // 4)
    told = [None if i < silent else text for i, text in enumerate(texts)]
    return Dataset(
        name="said",
        clips=tuple(Clip(id=f"{i:03d}", text=t, part=p) for i, (t, p) in enumerate(zip(told, parts, strict=True))),
        targets=("so", "goes"),
        labels=labels,
    )


def settings(checkpoint: Path, *, dropout: float = 0.1, **changes: object) -> Tuning:
    key = feature(f"minilm+model={checkpoint}").key
    recipe = alone(key, fit=FIT)
    recipe = replace(recipe, options={"dropout": dropout})
    return replace(Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.2), **changes)  # type: ignore[arg-type]


def tuned(tuning: Tuning, out: Path, dataset: Dataset | None = None, **more: object) -> Run:
    return finetune(dataset or said(), tuning, Store(out / "features"), out, workers=0, **more)  # type: ignore[arg-type]


def weights(out: Path) -> dict[str, torch.Tensor]:
    (folder,) = (path for path in (out / "encoders").iterdir() if not path.name.startswith("."))
    return load_file(folder / "model.safetensors")


def changed(before: Path, out: Path) -> set[str]:
    old, new = load_file(before / "model.safetensors"), weights(out)
    old = {name.removeprefix("wav2vec2."): weight for name, weight in old.items()}
    return {name for name in new if not torch.equal(old[name], new[name])}


# ------------------------------------------------------------------------------------------- the result


def test_a_tuned_encoder_is_an_extractor_and_a_run(checkpoint: Path, tmp_path: Path) -> None:
    run = tuned(settings(checkpoint), tmp_path)
    record = read_tuned(Store(tmp_path / "features").folder(run.recipe.parts[0].feature))
    assert record is not None
    assert (record.split, record.seed, len(record.clips)) == ("2:1", 0, 30)
    scores = predict(run, said().clips)
    np.testing.assert_allclose(scores.values, run.outcome.predicted, atol=1e-5, rtol=0)
    assert len(run.history) == 2
    assert not list((tmp_path / ".tuning").glob("*/state*"))
    assert tuned(settings(checkpoint), tmp_path).path == run.path


@pytest.mark.slow
def test_it_learns_what_the_frozen_one_does_not_know(checkpoint: Path, tmp_path: Path) -> None:
    fit = replace(FIT, epochs=12)
    tuning = replace(settings(checkpoint), recipe=replace(settings(checkpoint).recipe, fit=fit), rate=3e-3)
    dataset = said(160)
    learned = tuned(tuning, tmp_path / "a", dataset).outcome.part("valid")
    frozen = tuned(replace(tuning, rate=0.0), tmp_path / "b", dataset).outcome.part("valid")
    scores = [np.corrcoef(o.true[:, 0], o.predicted[:, 0])[0, 1] for o in (learned, frozen)]
    assert scores[0] > scores[1] + 0.05, scores


def test_clips_without_words_train_and_predict(checkpoint: Path, tmp_path: Path) -> None:
    run = tuned(settings(checkpoint), tmp_path, said(silent=9))
    assert np.isfinite(run.outcome.predicted).all()
    assert not run.outcome.presence[:9].any()


# ------------------------------------------------------------------------------------------- what learns


def one_step(tuning: Tuning, dataset: Dataset, out: Path) -> tuple[set[str], set[str], set[str]]:
    """Take one step; name the extractor's weights that changed, those that were to learn, and all."""
    bench = make_bench(dataset, tuning, Store(out / "features"), out, seed=0, device="cpu")
    tuner, _ = make_tuner(bench, open_lives(bench, lambda _done, _total: None))
    (live,) = tuner.joint.living
    before = {name: weight.detach().clone() for name, weight in live.network.named_parameters()}
    tuner._take_step()
    after = dict(live.network.named_parameters())
    moved = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    return moved, {name for name, weight in after.items() if weight.requires_grad}, set(after)


def test_one_step_changes_what_should_learn_and_nothing_else(checkpoint: Path, tmp_path: Path) -> None:
    moved, learning, everything = one_step(settings(checkpoint, frozen=1), said(), tmp_path)
    assert moved == {name for name in learning if "pooler" not in name}  # the mean over tokens does not ask it
    assert {name for name in everything if name.startswith(("embeddings", "encoder.layer.0."))} == everything - learning


def test_one_step_with_lora_leaves_the_base_untouched(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    moved, learning, everything = one_step(settings(checkpoint, rank=2), said(), tmp_path)
    assert moved
    assert all("lora_" in name for name in moved | learning)
    assert any("base_layer" in name for name in everything - learning)


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2", "dinov2", "face"])
def test_one_step_of_sound_and_pictures_changes_the_last_layer_alone(
    filmed: Dataset, encoders: dict[str, str], tmp_path: Path, name: str
) -> None:
    key = feature(encoders[name]).key
    tuning = Tuning(recipe=alone(key, fit=FIT), live=(key,), rate=1e-3, inner=0.0, frozen=1)
    moved, learning, everything = one_step(tuning, filmed, tmp_path)
    assert moved
    assert moved <= learning < everything
    assert not any(".0." in weight for weight in moved if "layer" in weight)


def test_lora_leaves_all_but_the_attention_as_it_was(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    tuned(settings(checkpoint, rank=2), tmp_path)
    names = changed(checkpoint, tmp_path)
    assert names
    assert all(name.endswith(("query.weight", "value.weight")) for name in names)


def test_choices_that_are_not_heeded_are_refused() -> None:
    recipe = replace(alone("gte"), fit=replace(FIT, average=0.9), output="sigmoid")
    with pytest.raises(UsageError, match="fine-tuning does not heed average, output"):
        Tuning(recipe=recipe, live=("gte",))


def test_more_frozen_layers_than_there_are_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 layers"):
        tuned(settings(checkpoint, frozen=3), tmp_path)


def test_each_layer_learns_at_a_share_of_the_next_ones_rate(checkpoint: Path) -> None:
    tuning = settings(checkpoint, rate=1.0, layer_decay=0.5)
    network = feature(tuning.live[0]).make().load("cpu").network
    names = {id(weight): name for name, weight in network.named_parameters()}
    told = {names[id(w)]: (g["lr"], g["weight_decay"]) for g in groups(network, tuning, 0.1) for w in g["params"]}
    assert told["encoder.layer.1.output.dense.weight"] == (1.0, 0.1)
    assert told["encoder.layer.0.output.dense.weight"] == (0.5, 0.1)
    assert told["embeddings.word_embeddings.weight"] == (0.25, 0.1)
    assert told["pooler.dense.weight"] == (1.0, 0.1)
    assert {decay for name, (_, decay) in told.items() if name.endswith(("bias", "LayerNorm.weight"))} == {0.0}
    assert len(told) == len(names)


def tuner_of(tuning: Tuning, dataset: Dataset, out: Path) -> Tuner:
    bench = make_bench(dataset, tuning, Store(out / "features"), out, seed=0, device="cpu")
    lives = open_lives(bench, lambda _done, _total: None)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make_tuner(bench, lives)[0]


def test_the_clips_that_tell_when_to_stop_are_not_learned_from(checkpoint: Path, tmp_path: Path) -> None:
    tuner = tuner_of(settings(checkpoint, inner=0.2), said(), tmp_path)
    assert (len(tuner.learn), len(tuner.judge)) == (24, 6)
    seen = {clip for step in range(3 * tuner._steps) for clip in tuner._clips_of(step).tolist()}
    assert seen == set(tuner.learn.tolist())
    assert not seen & set(tuner.judge.tolist())
    assert not set(np.flatnonzero([clip.part == "valid" for clip in said().clips])) & (seen | set(tuner.judge))


def test_a_training_that_gets_no_better_stops_at_its_best(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.25, 0.9])
    monkeypatch.setattr(Tuner, "_judged", lambda _self: {"mean_pearson": next(scores), "pearson": {}})
    recipe = alone(settings(checkpoint).live[0], fit=replace(FIT, epochs=5, patience=2))
    tuner = tuner_of(settings(checkpoint, recipe=recipe), said(), tmp_path)
    at_epoch = [{name: weight.detach().clone() for name, weight in tuner.learning.items()} for _ in tuner.run()]
    assert (len(at_epoch), tuner.best_epoch) == (4, 2)
    assert all(torch.equal(weight, at_epoch[1][name]) for name, weight in tuner.learning.items())
    assert any(not torch.equal(weight, at_epoch[3][name]) for name, weight in tuner.learning.items())


@pytest.mark.parametrize("z_scored", [True, False])
def test_with_z_scored_targets_the_loss_does_not_know_their_scale(
    checkpoint: Path, tmp_path: Path, z_scored: bool
) -> None:
    clips, predicted = np.arange(8), torch.from_numpy(np.random.default_rng(3).random((8, 2)))
    losses = []
    for scale in (np.ones(2), np.array([1.0, 50.0])):
        dataset = replace(said(), labels=said().labels * scale)
        tuner = tuner_of(settings(checkpoint, z_scored=z_scored), dataset, tmp_path)
        losses.append(float(tuner._cost(clips, predicted * torch.from_numpy(scale))))
    assert (losses[0] == pytest.approx(losses[1])) is z_scored


def test_a_head_begins_at_the_targets_mean_and_width(checkpoint: Path, tmp_path: Path) -> None:
    dataset = replace(said(), labels=said().labels * [1.0, 5.0] + [3.0, 70.0])
    away, begun = (tuner_of(settings(checkpoint, z_scored=z_scored), dataset, tmp_path) for z_scored in (False, True))
    known = dataset.labels[begun.learn]
    for tuner, near in ((begun, True), (away, False)):
        predicted = tuner.predict(tuner.learn)
        assert (np.abs(predicted - known.mean(axis=0)) < 3 * known.std(axis=0)).all() == near
    ratio = begun.joint.network.fusion.net[-1].weight / away.joint.network.fusion.net[-1].weight  # type: ignore[union-attr,index]
    np.testing.assert_allclose(ratio.detach().mean(dim=1), known.std(axis=0), rtol=1e-4)


def test_bf16_learns_nearly_the_same(still: Path, tmp_path: Path) -> None:
    exact, coarse = (
        tuned(settings(still, dropout=0.0, precision=precision), tmp_path / precision).outcome.predicted
        for precision in ("fp32", "bf16")
    )
    assert not np.array_equal(coarse, exact)
    np.testing.assert_allclose(coarse, exact, atol=0.05)


@pytest.mark.parametrize("at_once", [3, 8])
def test_lots_learn_what_the_whole_step_would(still: Path, tmp_path: Path, at_once: int) -> None:
    whole = tuned(settings(still, dropout=0.0, at_once=8), tmp_path / "whole")
    lots = tuned(settings(still, dropout=0.0, at_once=at_once), tmp_path / f"lots-{at_once}")
    np.testing.assert_allclose(lots.outcome.predicted, whole.outcome.predicted, atol=1e-5, rtol=0)
    losses = [[line["loss"] for line in run.history] for run in (lots, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for name, weight in weights(tmp_path / "whole").items():
        if not name.endswith("key.bias"):  # it changes nothing, so that its gradient is what rounding leaves
            torch.testing.assert_close(weights(tmp_path / f"lots-{at_once}")[name], weight, atol=2e-5, rtol=0)


def test_activations_made_anew_change_nothing(checkpoint: Path, tmp_path: Path) -> None:
    once = tuned(settings(checkpoint), tmp_path / "once")
    anew = tuned(settings(checkpoint, recompute=True), tmp_path / "anew")
    np.testing.assert_allclose(anew.outcome.predicted, once.outcome.predicted, atol=1e-5, rtol=0)


# --------------------------------------------------------------------------------------------- stopping


class Killed(BaseException):
    """What a power cut looks like from inside."""


@pytest.mark.parametrize("step", range(6))
def test_a_training_killed_at_any_step_ends_with_the_same_weights(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    whole = tuned(settings(checkpoint), tmp_path / "whole")
    take = Tuner._take_step

    def killed(self: Tuner) -> float:
        if self.step == step:
            raise Killed
        return take(self)

    with monkeypatch.context() as patched:
        patched.setattr(Tuner, "_take_step", killed)
        patched.setattr("mimetic.finetuning.loop.EVERY", 0.0)
        with pytest.raises(Killed):
            tuned(settings(checkpoint), tmp_path / "killed")
    steps: list[int] = []
    monkeypatch.setattr(Tuner, "_take_step", lambda self: steps.append(self.step) or take(self))
    resumed = tuned(settings(checkpoint), tmp_path / "killed")
    assert steps[0] == step
    np.testing.assert_array_equal(resumed.outcome.predicted, whole.outcome.predicted)
    assert resumed.history == whole.history
    for name, weight in weights(tmp_path / "whole").items():
        assert torch.equal(weights(tmp_path / "killed")[name], weight)


# ---------------------------------------------------------------------------------------------- judging


def test_clips_that_an_encoder_has_learned_from_may_not_judge_it(checkpoint: Path, tmp_path: Path) -> None:
    run = tuned(settings(checkpoint), tmp_path)
    store, key = Store(tmp_path / "features"), run.recipe.parts[0].feature
    recipe = replace(alone(key, fit=FIT), name="again")
    assert train(said(), recipe, store, tmp_path / "runs").outcome is not None
    merge([store], store := Store(tmp_path / "merged"))
    before, after = (split_dataset(said(), name) for name in ("2:1", "4:1"))
    inside = len(np.intersect1d(before.train, after.valid))
    assert inside
    with pytest.raises(BadData, match=rf"on {inside} of the 8 validation clips of split 4:1 \(it learned at split 2:1"):
        train(said(), replace(recipe, split="4:1"), store, tmp_path / "runs")


def test_each_clip_is_described_by_an_encoder_that_has_not_learned_from_it(still: Path, tmp_path: Path) -> None:
    dataset, store = said(), Store(tmp_path / "features")
    key = feature(f"minilm+normalise=false+model={still}").key
    tuning = replace(settings(still), recipe=alone(key, fit=FIT), live=(key,))
    made = finetune_folds(dataset, tuning, store, tmp_path, folds=3)
    assert finetune_folds(dataset, tuning, store, tmp_path, folds=3).key == made.key
    extract(dataset.clips, [made], store, workers=0)
    each = [feature(f"minilm+normalise=false+model={made.checkpoint / f'fold-{fold}'}") for fold in range(3)]
    extract(dataset.clips, each, store, workers=0)
    records = [read_tuned(made.checkpoint / f"fold-{fold}") for fold in range(3)]
    for clip in dataset.clips:
        told = store[made.key][clip.id].values
        others = np.stack([store[one.key][clip.id].values for one in each])
        unseen = [fold for fold, record in enumerate(records) if record is not None and clip.id not in record.clips]
        np.testing.assert_allclose(told, others[unseen].mean(axis=0), atol=1e-5)
        assert len(unseen) == (1 if clip.part == "train" else 3)
    run = train(dataset, replace(alone(made.key, fit=FIT), name="on-folds"), store, tmp_path / "runs")
    scores = predict(run, [replace(clip, id=f"new-{clip.id}") for clip in dataset.clips])
    np.testing.assert_allclose(scores.values, run.outcome.predicted, atol=1e-5, rtol=0)
    with pytest.raises(BadData, match="split 4:1"):
        train(dataset, replace(alone(made.key, fit=FIT), split="4:1"), store, tmp_path / "runs")


def test_clips_of_the_same_words_are_in_one_fold(still: Path, tmp_path: Path) -> None:
    dataset = said()
    clips = tuple(replace(clip, text=dataset.clips[i % 8].text) for i, clip in enumerate(dataset.clips))
    made = finetune_folds(replace(dataset, clips=clips), settings(still), Store(tmp_path), tmp_path, folds=3)
    unseen = json.loads((made.checkpoint / "folds.json").read_text())["unseen"]
    assert sum(map(len, unseen)) == len({name for names in unseen for name in names}) == 6


# ------------------------------------------------------------------------------------- sound and pictures


@pytest.fixture(scope="module")
def filmed(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("clips")
    kinds = [{}, {}, {"sound": False}, {"picture": False}, {}, {}, {}, {}]
    paths = [write_clip(folder / f"{i}.mp4", seconds=0.5, seed=i, **kind) for i, kind in enumerate(kinds)]  # type: ignore[arg-type]
    parts = ("train", "train", "train", "train", "train", "train", "valid", "valid")
    return Dataset(
        name="filmed",
        clips=tuple(
            Clip(id=str(i), path=path, text="so it goes"[: 2 + i], part=part)
            for i, (path, part) in enumerate(zip(paths, parts, strict=True))
        ),
        targets=tuple("abcdef"),
        labels=np.random.default_rng(0).random((8, 6)),
    )


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    return {
        "text": f"gte-mlm+model={checkpoint}",
        "affect": f"wav2vec2-affect+model={tiny_speech.make_affect(folder / 'affect')}",
        "wavlm": f"wavlm+model={tiny_speech.make_speech(folder / 'wavlm', 'wavlm')}+rate=10",
        "wav2vec2": f"wav2vec2+model={tiny_speech.make_speech(folder / 'wav2vec2')}",
        "dinov2": f"dinov2-frame+model={tiny_vision.make_vision(folder / 'dinov2', 'dinov2')}",
        "face": f"dinov2-face+model={tiny_vision.make_vision(folder / 'vit', 'vit')}",
    }


@pytest.mark.parametrize("name", ["affect", "wavlm", "wav2vec2", "dinov2", "face"])
def test_what_learns_starts_as_what_is_extracted(
    filmed: Dataset, encoders: dict[str, str], tmp_path: Path, name: str
) -> None:
    wanted = feature(encoders[name])
    store = Store(tmp_path / "features")
    extract(filmed.clips, [wanted], store, workers=0, accepted=[wanted.name])
    prepared = prepare(filmed.clips, wanted, tmp_path / "inputs")
    extractor = wanted.make()
    live = Live(wanted, extractor.load("cpu"), prepared, seconds=0.0, budget=extractor.budget).eval()
    clips = np.flatnonzero(live.present)
    assert 0 < len(clips) < len(filmed.clips)
    for clip, track in zip(clips.tolist(), live(clips.tolist()), strict=True):
        stored = store[wanted.key][filmed.clips[clip].id].measured
        np.testing.assert_allclose(track.detach().numpy(), stored, atol=2e-3 if stored.dtype == np.float16 else 1e-4)


@pytest.mark.parametrize("name", ["affect", "wavlm", "wav2vec2", "dinov2", "face"])
def test_sound_and_pictures_learn_too(filmed: Dataset, encoders: dict[str, str], tmp_path: Path, name: str) -> None:
    key = feature(encoders[name]).key
    recipe = replace(alone(key, fit=replace(FIT, epochs=1, clips=3)), name=name)
    tuning = Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.0, at_once=2)
    run = tuned(tuning, tmp_path, filmed, accepted=["wav2vec2-affect"])
    assert changed(Path(key.partition("+model=")[2].partition("+")[0]), tmp_path)
    scores = predict(run, filmed.clips, accepted=["wav2vec2-affect"])
    np.testing.assert_allclose(scores.values, run.outcome.predicted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize("name", ["wavlm", "dinov2"])
def test_sound_and_pictures_go_on_where_they_were(
    filmed: Dataset, encoders: dict[str, str], tmp_path: Path, name: str, step: int
) -> None:
    """With all that is drawn on the way: dropout, layers left out, time that is masked."""
    key = feature(encoders[name]).key
    recipe = alone(key, fit=replace(FIT, epochs=2, clips=3))
    tuning = Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.0, layer_drop=0.3, time_mask=0.5)
    whole, stopped, resumed = (tuner_of(tuning, filmed, tmp_path / name) for name in ("a", "b", "b"))
    list(whole.run())
    run_until(stopped, step)
    resumed._resume()
    assert resumed.step == step
    list(resumed.run())
    assert resumed.history == whole.history
    for name, weight in whole.learning.items():
        assert torch.equal(resumed.learning[name], weight), name


def run_until(tuner: Tuner, step: int) -> None:
    while tuner.step < step:
        tuner._losses.append(tuner._take_step())
        tuner.step += 1
        if tuner.step % tuner._steps == 0:
            tuner._end_epoch()
    tuner._write()


@pytest.mark.parametrize("kind", ["sound", "pictures"])
def test_lots_of_sound_and_pictures_learn_what_the_whole_step_would(filmed: Dataset, tmp_path: Path, kind: str) -> None:
    make = {"sound": tiny_speech.make_speech, "pictures": tiny_vision.make_vision}[kind]
    name, family, still = {"sound": ("wav2vec2", "wav2vec2", CALM), "pictures": ("dinov2-frame", "dinov2", {})}[kind]
    key = feature(f"{name}+model={make(tmp_path / 'c', family, **still)}").key
    recipe = alone(key, encoder="mean", fit=replace(FIT, clips=6))
    part = replace(recipe.parts[0], head_options={"dropout": 0.0})
    recipe = replace(recipe, parts=(part,), options=part.head_options)
    told = []
    for at_once in (6, 2):
        tuner = tuner_of(
            Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.0, at_once=at_once), filmed, tmp_path / str(at_once)
        )
        lots = tuner._lots(tuner._clips_of(0))
        assert len(lots) == 6 // at_once
        loss = tuner._take_step()
        told.append((loss, {name: weight.grad for name, weight in tuner.learning.items()}))
    assert told[0][0] == pytest.approx(told[1][0], abs=1e-5)
    for name, gradient in told[0][1].items():
        if gradient is not None:
            torch.testing.assert_close(told[1][1][name], gradient, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", ["wavlm", "wav2vec2", "dinov2", "face"])
def test_lora_of_sound_and_pictures_leaves_the_base_untouched(
    filmed: Dataset, encoders: dict[str, str], tmp_path: Path, name: str
) -> None:
    pytest.importorskip("peft")
    key = feature(encoders[name]).key
    tuning = Tuning(recipe=alone(key, fit=FIT), live=(key,), rate=1e-3, inner=0.0, rank=2)
    moved, learning, everything = one_step(tuning, filmed, tmp_path)
    assert moved
    assert all("lora_" in weight for weight in moved | learning)
    assert any("base_layer" in weight for weight in everything - learning)


def test_several_learn_together_through_a_fusion(filmed: Dataset, encoders: dict[str, str], tmp_path: Path) -> None:
    keys = [feature(encoders[name]).key for name in ("text", "affect", "dinov2")]
    store = Store(tmp_path / "features")
    extract(filmed.clips, [feature(keys[2])], store, workers=0)
    recipe = Recipe(
        name="together",
        parts=(
            Part(feature=keys[0], encoder="mean"),
            Part(feature=keys[1], encoder="queried", options={"hidden": 16, "heads": 2}, seconds=0.3),
            Part(feature=keys[2], encoder="queried", options={"hidden": 16, "heads": 2}),
        ),
        fusion="plain",
        stages=1,
        tokens="inputs",
        modality_dropout=0.3,
        fit=replace(FIT, epochs=1, clips=4),
    )
    tuning = Tuning(recipe=recipe, live=(keys[0], keys[1]), rate=1e-3, inner=0.0, at_once=2)
    run = tuned(tuning, tmp_path, filmed, accepted=["wav2vec2-affect"])
    assert len(list((tmp_path / "encoders").iterdir())) == 2
    assert run.recipe.parts[2].feature == keys[2]
    scores = predict(run, filmed.clips, accepted=["wav2vec2-affect"])
    np.testing.assert_allclose(scores.values, run.outcome.predicted, atol=1e-5, rtol=0)


WINNERS = [("taemi", 4_080_649), ("semantic-matters", 30_553_828)]


def winner(dataset: Dataset, name: str, folder: Path) -> Run:
    """Train a winner's system for an epoch, with encoders of its widths and one layer each."""
    thin = {"num_hidden_layers": 1}
    text = tiny_text.make_text(folder / "text", hidden_size=768, **thin)
    speech = tiny_speech.make_affect(folder / "speech", hidden_size=1024, **thin)
    face = tiny_vision.make_vision(folder / "face", hidden_size=768 if name == "taemi" else 1280, **thin)
    told = [f"gte-mlm+model={text}", f"wav2vec2-affect+heads=true+model={speech}", f"vit-in21k-face+model={face}"]
    recipe = on_features(get_recipe(name), {feature(each).name: feature(each).key for each in told})
    recipe = replace(recipe, fit=replace(recipe.fit, epochs=1, clips=4))
    extract(dataset.clips, [feature(recipe.parts[2].feature)], Store(folder / "out" / "features"), workers=0)
    tuning = with_choices(recipe, ["gte-mlm", "wav2vec2-affect"], {"inner": 0.0, "at_once": 2, "z_scored": False})
    return tuned(tuning, folder / "out", dataset, accepted=["wav2vec2-affect"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameters"), WINNERS)
def test_the_winners_systems_train_end_to_end(filmed: Dataset, tmp_path: Path, name: str, parameters: int) -> None:
    clips = tuple(replace(clip, text=None) if clip.id == "4" else clip for clip in filmed.clips)
    run = winner(replace(filmed, clips=clips), name, tmp_path)
    assert (~run.outcome.presence).any(axis=0).all()  # a clip without text, one without sound, one without a face
    counted = run.config["parameters"]
    tokens = counted.pop("missing tokens") if name == "semantic-matters" else 0
    assert sum(counted.values()) == parameters, (counted, tokens)
    assert np.isfinite(run.outcome.predicted).all()
    lacking = [replace(clips[0], id="mute", text=None), clips[2], clips[3]]
    scores = predict(run, lacking, accepted=["wav2vec2-affect"])
    assert np.isfinite(scores.values).all()
    assert all("used" in told.values() and set(told.values()) != {"used"} for told in scores.modalities)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, _ in WINNERS])
def test_the_winners_systems_train_on_the_demo(tmp_path: Path, name: str) -> None:
    make(tmp_path / "demo", size="small", workers=0)
    demo = open_dataset(tmp_path / "demo")
    seen = [i for i, clip in enumerate(demo.clips) if clip.part != "test"]  # a minute of film costs a minute
    dataset = replace(demo, clips=tuple(demo.clips[i] for i in seen), labels=demo.labels[seen], columns={})
    run = winner(dataset, name, tmp_path)
    assert np.isfinite(run.outcome.predicted).all()
    assert len(run.outcome.clips) == len(dataset.clips)
    assert (~run.outcome.presence[:, :2]).any(axis=0).all()  # without text, without sound; all have a picture


def test_nothing_is_masked_or_left_out_unless_it_is_said(tmp_path: Path) -> None:
    folder = tiny_speech.make_speech(tmp_path / "w", mask_time_prob=0.5, mask_feature_prob=0.5, layerdrop=0.5, **CALM)
    judged, learning = both_ways(folder)
    torch.testing.assert_close(learning, judged)
    for shares in ({"layer_drop": 1.0}, {"time_mask": 0.5}, {"feature_mask": 0.5}):
        judged, learning = both_ways(folder, **shares)
        assert not torch.allclose(learning, judged, atol=1e-3), shares


def test_what_is_masked_is_the_share_that_was_said(tmp_path: Path) -> None:
    """A checkpoint asks for two spans at least (0.4 s), however short the window, and for columns: not here."""
    folder = tiny_speech.make_speech(tmp_path / "w", mask_time_min_masks=9, mask_feature_prob=0.5, **CALM)
    judged, learning = both_ways(folder, time_mask=1e-9)
    torch.testing.assert_close(learning, judged)


def test_a_checkpoint_that_never_masked_can_be_masked(filmed: Dataset, tmp_path: Path) -> None:
    """It has no vector to put in the place of what is masked: it gets one, which is kept."""
    folder = tiny_speech.make_speech(tmp_path / "w", mask_time_prob=0.0, mask_feature_prob=0.0)
    key = feature(f"wav2vec2+model={folder}").key
    recipe = alone(key, fit=replace(FIT, epochs=1, clips=3))
    run = tuned(Tuning(recipe=recipe, live=(key,), rate=1e-3, inner=0.0, time_mask=0.5), tmp_path / "out", filmed)
    assert weights(tmp_path / "out")["masked_spec_embed"].any()
    np.testing.assert_allclose(predict(run, filmed.clips).values, run.outcome.predicted, atol=1e-5, rtol=0)


def test_a_window_shorter_than_a_mask_is_not_masked(tmp_path: Path) -> None:
    folder = tiny_speech.make_speech(tmp_path / "w", **CALM)
    judged, learning = both_ways(folder, time_mask=0.5, samples=2_000)  # 6 rows, and a mask has 10
    torch.testing.assert_close(learning, judged)
    judged, learning = both_ways(folder, time_mask=0.5, samples=(2_000, 16_000))
    torch.testing.assert_close(learning[:6], judged[:6])
    assert not torch.allclose(learning, judged, atol=1e-3)


def both_ways(folder: Path, *, samples: int | tuple[int, ...] = 16_000, **shares: float) -> tuple[torch.Tensor, ...]:
    """Give what a settled network makes of noise when it is judged, and while it learns: ``(time, dim)`` each."""
    key = feature(f"wav2vec2+model={folder}").key
    model = feature(key).make().load("cpu")
    settle(model.network, Tuning(recipe=alone(key, fit=FIT), live=(key,), **shares))  # type: ignore[arg-type]
    lengths = samples if isinstance(samples, tuple) else (samples,)
    sounds = [np.random.default_rng(i).normal(size=length).astype(np.float32) for i, length in enumerate(lengths)]
    batch = [Inputs(arrays={"samples": sound}, cost=len(sound)) for sound in sounds]
    with torch.no_grad(), drawing([1]):
        model.network.eval()
        judged = torch.cat(model.states(batch))
        model.network.train()
        return judged, torch.cat(model.states(batch))
