"""Training choices: each does what it says, does nothing unless it is chosen, and leaves older runs as they were."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mimetic.batches import Batch, Ragged, make_batch
from mimetic.branches import Branch
from mimetic.network import Outputs, score_tracks
from mimetic.preparing import Principal, with_differences
from mimetic.recipes import RECIPES, Fit, Part, Recipe, as_json, from_json
from mimetic.recipes.record import LATER
from mimetic.records import Dataset, Track, UsageError
from mimetic.runs import Run
from mimetic.scores import METRICS, mixture
from mimetic.store import Store, digest
from mimetic.training import train
from mimetic.training.loop import Trainer
from mimetic.training.material import Shelf
from mimetic.training.objective import Objective, frequency, rater_weights, spread
from planted import fused, planted, single

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Store]:
    return planted(tmp_path_factory.mktemp("planted"))


def ragged(*rows: int, rate: float = 5.0, dim: int = 3, confident: bool = False) -> Ragged:
    """Give tracks whose first column counts rows and whose second is the clip's number."""
    tracks = []
    for clip, count in enumerate(rows):
        values = np.zeros((count, dim), np.float32)
        values[:, 0], values[:, 1] = np.arange(count), clip
        notes = {"confidence": np.linspace(0, 1, count, dtype=np.float32)} if confident else {}
        one = Track(values=values, rate=rate, valid=np.ones(count, bool), notes=notes)
        tracks.append(one if count else None)
    return Ragged(tracks, dim)


# -------------------------------------------------------------------------------------- older runs stay


CONTENT = {
    "gte.lstm": "cc70722ed8f8c87f5e16e3384a6bbdba",
    "wav2vec2-affect.bilstm": "27ddb3e469efe986fe84d5fd1f2e18f8",
    "taemi": "a33278fd6596e41fb89987e411a342ee",
    "light": "7ce4e898d7471674b27f1e72c47b92a4",
}
"""Digests of what is signed of recipes that runs were made of before there were any choices."""


@pytest.mark.parametrize("name", CONTENT)
def test_choices_that_are_not_made_change_no_signature(name: str) -> None:
    assert digest(RECIPES[name].content, size=16) == CONTENT[name]


@pytest.mark.parametrize("name", sorted(LATER))
def test_a_choice_that_is_made_is_signed(name: str) -> None:
    part = Part(feature="wav2vec2-affect+heads=true", encoder="attention")
    base = Recipe(name="x", parts=(part, Part(feature="gte", encoder="mean")), stages=1, auxiliary=0.1)
    value = {"output": "sigmoid", "differences": 1, "components": 8}.get(name, 0.5)
    value = True if isinstance(LATER[name], bool) else value
    made = []
    if hasattr(base, name):
        made.append(replace(base, **{name: value}))
    if hasattr(base.fit, name):
        made.append(replace(base, fit=replace(base.fit, **{name: value})))
    if hasattr(part, name):
        made.append(replace(base, parts=(replace(part, **{name: value}), base.parts[1])))
    assert made
    for one in made:
        assert one.content != base.content
        assert from_json(as_json(one), where="here") == one


def test_a_head_that_is_used_is_signed_and_one_that_is_not_is_not() -> None:
    base = Recipe(name="x", parts=single().parts + single("motion-blocks").parts, fusion="concat", stages=1)

    def headed(recipe: Recipe) -> Recipe:
        parts = tuple(replace(part, head="plain", output="sigmoid") for part in recipe.parts)
        return replace(recipe, parts=parts)

    assert headed(base).content == base.content
    for other in (replace(base, auxiliary=0.3), replace(base, stages=2), replace(base, fusion="gate", options={})):
        assert headed(other).content != other.content


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Fit(average=1.0), r"fit.average is 1.0. It is a decay, below 1"),
        (lambda: Fit(z_scored=True, loss={"deviance": 1.0}), r"deviance is of shares"),
        (lambda: Part(feature="gte", encoder="mean", differences=3), r"differences is 3. It is 0, 1 or 2"),
        (lambda: Part(feature="gte", encoder="mean", masked=1.5), r"masked is 1.5. It is a share"),
        (lambda: Part(feature="gte", encoder="mean", output="tanh"), r"no output 'tanh'"),
        (lambda: replace(fused(), prior=True), r"no feature gives arousal, dominance and valence"),
    ],
)
def test_a_wrong_choice_is_told(wrong: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        wrong()  # type: ignore[operator]


# ----------------------------------------------------------------------------------------------- rows


def test_differences_are_per_second_and_start_at_nothing() -> None:
    values = torch.tensor([[0.0], [1.0], [4.0], [9.0]])
    rows = with_differences(values, 2, 2.0)
    assert rows[:, 0].tolist() == [0, 1, 4, 9]
    assert rows[:, 1].tolist() == [0, 2, 6, 10]
    assert rows[:, 2].tolist() == [0, 0, 8, 8]
    assert with_differences(values[:1], 2, 2.0).tolist() == [[0.0, 0.0, 0.0]]


def test_no_difference_sees_the_padding_behind_it() -> None:
    values = torch.randn(2, 6, 3)
    other = values.clone()
    other[0, 4:] = 1e4
    torch.testing.assert_close(with_differences(values, 2, 5.0)[0, :4], with_differences(other, 2, 5.0)[0, :4])
    part = Part(feature="motion-blocks", encoder="statistics", differences=2, standardise=True)
    branch = Branch(part, 3, query_dim=0, targets=2, takes="vectors")
    branch.fit(ragged(4, 9, 2), range(3))
    lengths, asked = torch.tensor([4, 6]), torch.zeros(1)
    clean, dirty = (branch(branch.prepare(one), lengths, asked) for one in (values, other))
    torch.testing.assert_close(clean, dirty, atol=1e-6, rtol=0)
    assert clean.shape == (2, 4 * 9)


def test_rows_at_twice_the_rate_change_as_fast_a_second() -> None:
    slow, fast = torch.arange(4.0)[:, None], torch.arange(0, 4, 0.5)[:, None]
    assert with_differences(slow, 1, 5.0)[1, 1] == with_differences(fast, 1, 10.0)[1, 1]


def test_components_are_the_directions_of_most_variance_and_survive_a_state() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(5000, 6)) * [5, 1, 3, 0.1, 0.1, 0.1] + 7
    turn = np.linalg.qr(draw.normal(size=(6, 6)))[0]
    tracks = [torch.from_numpy(part @ turn) for part in np.array_split(rows, 40)]
    module = Principal(6, 3)
    module.fit(tracks)
    found = module(torch.cat(tracks).float())
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(found.T), torch.eye(3), atol=1e-2, rtol=0)
    strengths = [np.corrcoef(found[:, i], rows[:, column])[0, 1] ** 2 for i, column in enumerate((0, 2, 1))]
    assert min(strengths) > 0.99
    assert (module.axes.gather(0, module.axes.abs().argmax(dim=0, keepdim=True)) > 0).all()
    again = Principal(6, 3)
    again.load_state_dict(module.state_dict())
    torch.testing.assert_close(again(tracks[0].float()), module(tracks[0].float()))
    assert Principal(2, 5).out_dim == 2


def test_directions_in_which_nothing_varies_are_nothing_and_not_noise() -> None:
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(9, 8))
    exact = Principal(8, 5)
    exact.fit([torch.from_numpy(draw.normal(size=(500, 2)) @ draw.normal(size=(2, 8)))])
    assert (exact.axes.abs().sum(dim=0) > 0).tolist() == [True, True, False, False, False]
    still = Principal(8, 5)
    still.fit([torch.from_numpy(rows[:1].repeat(9, axis=0))])
    assert torch.isfinite(still(torch.from_numpy(rows).float())).all()


def test_a_crop_is_a_window_and_a_mask_one_stretch_less_and_a_row_is_always_left() -> None:
    tracks, draw = ragged(100, 3, 0, 1, confident=True), np.random.default_rng(0)
    starts = set()
    for _ in range(50):
        less = tracks.drawn(np.array([0, 1, 2, 3]), draw, crop=4.0, masked=0.5)
        assert less.values[2] is None
        assert [len(v) for v in less.values if v is not None] == [int(n) for n in less.lengths[[0, 1, 3]]]
        assert less.lengths.tolist()[1:] >= [1, 0, 1]
        assert 10 <= less.lengths[0] <= 20
        kept = less.values[0][:, 0].astype(int)
        assert kept[-1] - kept[0] < 20
        assert (np.diff(kept) > 1).sum() <= 1
        np.testing.assert_allclose(less.quality[0], kept / 99, atol=1e-6)
        starts.add(int(kept[0]))
    assert len(starts) > 20
    assert tracks.lengths.tolist() == [100, 3, 0, 1]
    untouched = tracks.drawn(np.array([1]), draw, crop=0.2, masked=0.0)
    assert untouched.lengths.tolist() == [100, 1, 0, 1]


def test_noise_is_added_in_training_alone() -> None:
    branch = Branch(Part(feature="logmel", encoder="mean", noise=0.5), 3, query_dim=0, targets=2, takes="vectors")
    values = torch.zeros(4, 500, 3)
    assert branch.train().prepare(values).std().item() == pytest.approx(0.5, abs=0.03)
    assert not branch.eval().prepare(values).any()


# ----------------------------------------------------------------------------------------------- loss


def labelled() -> np.ndarray:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 5, (60, 3)) / 4
    labels[:45, 2] = 0
    labels[7, 1] = np.nan
    return labels


def objective(labels: np.ndarray, *, auxiliary: float = 0.0, **fit: object) -> Objective:
    recipe = replace(single(), fit=replace(single().fit, **fit), auxiliary=auxiliary)
    return Objective(recipe, labels, np.arange(40), CPU)


def cost(given: Objective, scores: torch.Tensor, **outputs: object) -> float:
    clips, present = np.arange(len(scores)), torch.ones(len(scores), 1, dtype=torch.bool)
    return float(given(clips, Outputs(scores=scores, **outputs), present))


def test_the_loss_without_choices_is_the_mixture_to_the_bit() -> None:
    labels, scores = labelled(), torch.rand(60, 3)
    expected = mixture(single().fit.loss)(torch.from_numpy(labels.astype(np.float32)), scores)
    assert cost(objective(labels), scores) == float(expected)


def test_z_scored_errors_do_not_depend_on_a_target_s_unit() -> None:
    labels, scores = labelled(), torch.rand(60, 3)
    unit = np.array([1.0, 100.0, 1.0])
    scaled = scores * torch.from_numpy(unit).float()
    first = cost(objective(labels, loss={"mse": 1.0}, z_scored=True), scores)
    assert cost(objective(labels * unit, loss={"mse": 1.0}, z_scored=True), scaled) == pytest.approx(first, rel=1e-5)
    assert cost(objective(labels * unit, loss={"mse": 1.0}), scaled) > 10 * first
    own = labels[:40]
    np.testing.assert_allclose(spread(own)[:2], np.nanstd(own[:, :2], axis=0))
    assert spread(own)[2] == 1


def test_rare_targets_count_more() -> None:
    labels = labelled()
    share = frequency(labels)
    assert np.mean(1 / share) == pytest.approx(1)
    assert share[2] < share[0]
    known = labels[:, 2][:40]
    errors = [float(((labels[:, c] - 0.5)[~np.isnan(labels[:, c])] ** 2).mean()) for c in range(3)]
    found = cost(objective(labels, loss={"mse": 1.0}, frequency=True), torch.full((60, 3), 0.5))
    weights = 1 / frequency(labels[:40])
    assert not known.any()
    assert found == pytest.approx(np.average(errors, weights=weights), rel=1e-5)


def test_clips_count_by_the_raters_that_their_labels_betray() -> None:
    labels = np.array([[0.5, 0.25], [2 / 3, 0.5], [0.0, 0.0], [0.2, 0.4]])
    weights = rater_weights(labels, np.arange(4), 0.5)
    mean = np.mean(np.sqrt([4, 6, 5]))
    np.testing.assert_allclose(weights, [2 / mean, np.sqrt(6) / mean, 1.0, np.sqrt(5) / mean])
    assert rater_weights(np.array([[0.123, 7.0]]), np.arange(1), 0.5).tolist() == [1.0]


@pytest.mark.parametrize("name", METRICS)
def test_a_clip_of_weight_two_counts_like_two(name: str) -> None:
    draw = np.random.default_rng(0)
    target, predicted = draw.random((9, 2)), draw.random((9, 2))
    target[3, 1] = np.nan
    weights = draw.integers(1, 4, 9)
    twice = np.repeat(np.arange(9), weights)
    expected = METRICS[name](target[twice], predicted[twice])
    np.testing.assert_allclose(METRICS[name](target, predicted, weights.astype(float)), expected, rtol=1e-9)
    tensors = [torch.from_numpy(one) for one in (target, predicted, weights.astype(float))]
    np.testing.assert_allclose(METRICS[name](*tensors), expected, rtol=1e-9)
    np.testing.assert_allclose(METRICS[name](target, predicted, np.full(9, 0.3)), METRICS[name](target, predicted))


def test_a_hurdle_s_gate_learns_whether_there_is_anything() -> None:
    labels, scores = labelled(), torch.rand(60, 3)
    right = torch.from_numpy(np.nan_to_num(labels > 0).astype(np.float32)).clamp(0.01, 0.99)
    given = objective(labels, hurdle=1.0)
    assert cost(given, scores, gates=right) < cost(given, scores, gates=1 - right) - 1
    assert cost(given, scores, gates=right) > cost(objective(labels), scores)


def test_own_heads_learn_from_the_clips_that_have_their_modality_alone() -> None:
    labels, scores = labelled(), torch.rand(60, 3)
    given, present = objective(labels, loss={"mse": 1.0}, auxiliary=2.0), torch.ones(60, 1, dtype=torch.bool)
    present[10:] = False
    wild = scores.clone()
    wild[10:] = 1e3
    clips = np.arange(60)
    first = given(clips, Outputs(scores=scores, alone=(scores,)), present)
    assert float(given(clips, Outputs(scores=scores, alone=(wild,)), present)) == float(first)
    plain = objective(labels, loss={"mse": 1.0})
    own = plain(clips[:10], Outputs(scores=scores[:10]), present[:10])
    expected = plain(clips, Outputs(scores=scores), present) + 2.0 * own
    assert float(first) == pytest.approx(float(expected), rel=1e-5)


# ----------------------------------------------------------------------------------------------- runs


def trainer(material: tuple[Dataset, Store], recipe: Recipe) -> Trainer:
    torch.manual_seed(0)
    return Trainer(recipe, Shelf(*material).material(recipe), [], 0, CPU)


def test_averaged_weights_are_the_moving_average_and_are_what_is_judged(material: tuple[Dataset, Store]) -> None:
    recipe = replace(single(), fit=replace(single().fit, epochs=2, average=0.9))
    made = trainer(material, recipe)
    seen: list[torch.Tensor] = []
    optimiser = made.optimiser()
    weight = made.network.fusion.net[1].weight
    optimiser.register_step_post_hook(lambda *_: seen.append(weight.detach().clone()))
    made.optimiser = lambda: optimiser  # type: ignore[method-assign]
    lines = list(made.epochs())
    average = seen[0]
    for later in seen[1:]:
        average = 0.9 * average + 0.1 * later
    assert len(seen) == 10
    torch.testing.assert_close(made.judged.fusion.net[1].weight, average, atol=1e-6, rtol=0)
    assert not torch.equal(weight, average)
    valid = made.material.split.valid
    kept = made.predict(valid)
    made.best_epoch = 2
    assert lines[-1]["mean_pearson"] == made._validate()["mean_pearson"]
    np.testing.assert_allclose(made.judged(_batch(made)).detach().double().numpy(), kept, atol=1e-6, rtol=0)


def _batch(made: Trainer) -> Batch:
    return make_batch(made.material.parts, made.material.split.valid, CPU)


@pytest.fixture(scope="module")
def rich() -> Recipe:
    """Give a recipe with everything chosen at once."""
    parts = tuple(
        replace(
            part,
            encoder="attentive",
            options={"hidden": 8, "scored": 8, "dropout": 0.0},
            unit=True,
            components=20,
            crop=1.0,
            masked=0.3,
            noise=0.1,
            output="sigmoid",
            fit=replace(part.fit, epochs=4, average=0.9),
        )
        for part in fused().parts
    )
    parts = (parts[0], replace(parts[1], differences=2))
    fit = Fit(epochs=6, clips=32, rate=3e-3, loss={"deviance": 1.0, "pearson": 0.5}, average=0.9, raters=0.5)
    fit = replace(fit, frequency=True, hurdle=0.3, penalty=1e-4)
    return replace(fused(adapt=0.3), name="rich", parts=parts, fit=fit, output="hurdle", auxiliary=0.3)


def test_everything_at_once_trains_is_opened_again_and_is_the_same_twice(
    material: tuple[Dataset, Store], rich: Recipe, tmp_path: Path
) -> None:
    run = train(material[0], rich, material[1], tmp_path / "a", device="cpu")
    again = train(material[0], rich, material[1], tmp_path / "b", device="cpu")
    np.testing.assert_array_equal(run.outcome.predicted, again.outcome.predicted)
    assert np.isfinite(run.outcome.predicted).all()
    assert ((run.outcome.predicted > 0) & (run.outcome.predicted < 1)).all()
    assert max(line["mean_pearson"] for line in run.history) > 0.3
    opened = Run(run.path)
    assert opened.recipe == rich
    one = Shelf(*material).material(rich)
    np.testing.assert_allclose(
        score_tracks(opened.network(), one.parts, np.arange(150), CPU), run.outcome.predicted, atol=1e-5
    )


def test_heads_and_outputs_of_stage_one_are_taken_over(
    material: tuple[Dataset, Store], rich: Recipe, tmp_path: Path
) -> None:
    before = [train(material[0], part, material[1], tmp_path, device="cpu") for part in rich.before]
    torch.manual_seed(0)
    made = Trainer(rich, Shelf(*material).material(rich), before, 0, CPU)
    for number, run in enumerate(before):
        alone = run.network()
        for name, weight in alone.fusion.state_dict().items():
            torch.testing.assert_close(made.network.heads[number].state_dict()[name], weight)
        torch.testing.assert_close(made.network.branches[number].principal.axes, alone.branches[0].principal.axes)
        torch.testing.assert_close(made.network.outputs_alone[number].start, alone.output.start)


def test_all_tracks_of_a_modality_are_dropped_together(material: tuple[Dataset, Store]) -> None:
    twice = replace(fused(), stages=1, adapt=1.0, modality_dropout=0.4)
    twice = replace(twice, parts=(twice.parts[0], replace(twice.parts[0], encoder="meanstd"), twice.parts[1]))
    made = trainer(material, twice)
    kept = made._kept(np.arange(100))
    assert kept is not None
    np.testing.assert_array_equal(kept[:, 0], kept[:, 1])
    assert (kept[:, 0] != kept[:, 2]).any()
    assert kept.any(axis=1).all()


def test_training_draws_crops_anew_and_evaluation_sees_all(material: tuple[Dataset, Store]) -> None:
    part = replace(single().parts[0], crop=0.03, encoder="mean", options={})
    recipe = Recipe(name="x", parts=(part,), fit=replace(single().fit, epochs=1))
    made = trainer(material, recipe)
    clips = made.material.split.train[:30]
    first, second = made._seen(clips)[0], made._seen(clips)[0]
    assert first.lengths[clips].max() <= max(1, round(0.03 * first.rate))
    assert any(
        a is not None and b is not None and not np.array_equal(a, b)
        for a, b in zip((first.values[c] for c in clips), (second.values[c] for c in clips), strict=True)
    )
    assert made.material.parts[0].lengths.max() > first.lengths[clips].max()
