"""One contract for every fusion of the table, as part of a network: what is missing, who is beside, what learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mimetic.batches import Ragged, make_batch
from mimetic.contributions import contributions
from mimetic.fusions import FUSIONS
from mimetic.fusions.quality import Quality, signs_of
from mimetic.network import Network, score_tracks
from mimetic.recipes import Part, Recipe
from mimetic.recipes.record import OUTPUTS, TOKENS
from mimetic.records import Track, UsageError

DIM, TARGETS, CLIPS = 12, 3, 16
CPU = torch.device("cpu")
NAMES = ("words-hashed", "logmel", "face-appearance")
every_fusion = pytest.mark.parametrize("fusion", FUSIONS)
every_output = pytest.mark.parametrize(
    ("fusion", "output"),
    [(name, output) for name in FUSIONS for output in OUTPUTS if (FUSIONS[name].takes, output) != ("scores", "hurdle")],
)


def tracks(*lacking: int, seed: int = 0, confident: bool = True) -> tuple[Ragged, ...]:
    """Give three modalities of every clip; those whose numbers are told are missing everywhere."""
    draw = np.random.default_rng(seed)
    found = []
    for modality in range(3):
        rows = [0 if modality in lacking else int(n) for n in draw.integers(1, 9, CLIPS)]
        values = [draw.normal(size=(n, DIM)).astype(np.float32) for n in rows]
        notes = [{"confidence": draw.random(n, np.float32)} if confident and modality == 2 else {} for n in rows]
        one = [
            Track(values=v, rate=5.0, valid=np.ones(len(v), bool), notes=told) if len(v) else None
            for v, told in zip(values, notes, strict=True)
        ]
        found.append(Ragged(one, DIM))
    return tuple(found)


def recipe(fusion: str, *, output: str = "none", tokens: str = "vectors", auxiliary: float = 0.0) -> Recipe:
    parts = tuple(
        Part(feature=name, encoder="attention", options={"hidden": 8, "dropout": 0.0}, head_options={"dropout": 0.0})
        for name in NAMES
    )
    options = {"dropout": 0.0} if "dropout" in FUSIONS[fusion].options else {}
    told = {"output": output, "tokens": tokens, "auxiliary": auxiliary}
    return Recipe(name="x", parts=parts, fusion=fusion, options=options, stages=1, **told)


def network(made: Recipe) -> Network:
    """Give a network that has left its start: what begins at nothing says something."""
    torch.manual_seed(0)
    net = Network(made, [DIM] * 3, TARGETS)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return net.eval()


@every_output
def test_a_clip_scores_the_same_alone_in_company_and_in_any_order(fusion: str, output: str) -> None:
    net, parts = network(recipe(fusion, output=output)), tracks()
    together = score_tracks(net, parts, np.arange(CLIPS), CPU)
    for clip in range(CLIPS):
        alone = score_tracks(net, parts, np.array([clip]), CPU)
        np.testing.assert_allclose(alone[0], together[clip], atol=1e-5, rtol=0)
    order = np.random.default_rng(1).permutation(CLIPS)
    np.testing.assert_allclose(score_tracks(net, parts, order, CPU), together[order], atol=1e-5, rtol=0)
    assert together.std(axis=0).min() > 1e-3
    assert output == "none" or (together.min() > 0 and together.max() < 1)


@every_fusion
@pytest.mark.parametrize("tokens", TOKENS)
def test_one_modality_is_enough_and_none_gives_the_same_for_all(fusion: str, tokens: str) -> None:
    net = network(recipe(fusion, tokens=tokens))
    for kept in range(3):
        scores = score_tracks(net, tracks(*{0, 1, 2} - {kept}), np.arange(CLIPS), CPU)
        assert np.isfinite(scores).all()
        assert scores.std(axis=0).min() > 1e-4
    prior = score_tracks(net, tracks(0, 1, 2), np.arange(CLIPS), CPU)
    assert np.isfinite(prior).all()
    np.testing.assert_allclose(prior, prior[:1].repeat(CLIPS, axis=0), atol=1e-6)
    base = contributions(net, tracks(), np.arange(CLIPS), CPU).base
    np.testing.assert_allclose(base, prior, atol=1e-5)


@every_fusion
def test_what_modalities_add_sums_to_the_score(fusion: str) -> None:
    net, parts = network(recipe(fusion, output="sigmoid")), tracks()
    added = contributions(net, parts, np.arange(CLIPS), CPU)
    scores = score_tracks(net, parts, np.arange(CLIPS), CPU)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), scores, atol=1e-5)


@every_output
def test_gradients_reach_every_weight_that_is_meant_to_learn(fusion: str, output: str) -> None:
    net = network(recipe(fusion, output=output, auxiliary=0.5)).train()
    keep = np.random.default_rng(0).random((CLIPS, 3)) < 0.6
    outputs = net.outputs(make_batch(tracks(), np.arange(CLIPS), CPU, keep=keep))
    gates = 0.0 if outputs.gates is None else outputs.gates.square().sum()
    (outputs.scores.square().sum() + gates + sum(alone.square().sum() for alone in outputs.alone)).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0 or "attention" in name or name.endswith("score.bias"), name


@every_fusion
def test_dropped_in_training_and_missing_are_the_same(fusion: str) -> None:
    net = network(recipe(fusion))
    keep = np.tile([True, False, True], (CLIPS, 1))
    with torch.inference_mode():
        dropped = net(make_batch(tracks(), np.arange(CLIPS), CPU, keep=keep))
    have = tracks()
    absent = (have[0], have[1].holding([None] * CLIPS), have[2])
    np.testing.assert_allclose(dropped.numpy(), score_tracks(net, absent, np.arange(CLIPS), CPU), atol=1e-6)


def test_the_quality_gate_sees_presence_length_and_confidence() -> None:
    signs = signs_of(torch.tensor([[0, 32], [96, 1]]), torch.tensor([[0.0, 0.5], [1.0, 1.0]]))
    assert signs[0].tolist() == [[0.0, 0.0, 0.0], [1.0, 0.5, 0.5]]
    assert signs[1, 0].tolist() == [1.0, 0.75, 1.0]
    net, parts = network(recipe("quality")), tracks()
    unsure = tracks(confident=False)
    assert not unsure[2].quality
    sure, told = (score_tracks(net, one, np.arange(CLIPS), CPU) for one in (unsure, parts))
    assert np.abs(sure - told).max() > 1e-4


def test_confidence_is_one_where_none_tells_and_nothing_where_it_is_missing() -> None:
    parts = (*tracks()[:2], tracks()[2])
    batch = make_batch(parts, np.arange(4), CPU, keep=np.array([[1, 1, 1], [0, 1, 1], [1, 1, 0], [1, 1, 1]], bool))
    expected = parts[2].quality[3].mean()
    assert batch.confidence[:, 0].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert batch.confidence[2, 2] == 0
    assert batch.confidence[3, 2].item() == pytest.approx(expected, abs=1e-6)


def test_a_head_of_one_modality_may_judge_too() -> None:
    made = recipe("mean", auxiliary=0.5)
    made = replace(made, parts=tuple(replace(part, head="quality", head_options={}) for part in made.parts))
    for one in (made, replace(made, fusion="concat")):
        outputs = network(one).outputs(make_batch(tracks(), np.arange(CLIPS), CPU))
        assert [tuple(alone.shape) for alone in outputs.alone] == [(CLIPS, TARGETS)] * 3


def test_the_quality_gate_starts_at_the_plain_sum_of_no_evidence() -> None:
    gate = Quality([4, 5], TARGETS, hidden=8, dropout=0.0)
    scores = gate([torch.randn(2, 4), torch.randn(2, 5)], torch.tensor([[3, 0], [1, 1]]), torch.ones(2, 2))
    assert scores.tolist() == [[0.0] * TARGETS] * 2


def test_a_fusion_of_scores_is_no_hurdle() -> None:
    with pytest.raises(UsageError, match="a fusion of scores cannot be a hurdle"):
        recipe("mean", output="hurdle")


def test_a_hurdle_is_whether_times_how_much_and_starts_where_the_labels_are() -> None:
    net = network(recipe("concat", output="hurdle"))
    labels = torch.tensor([[0.0, 0.5, torch.nan], [0.4, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    net.fit(labels)
    start = net.output.start.sigmoid()
    torch.testing.assert_close(start[:3], torch.tensor([0.25, 0.75, 1e-3]))
    torch.testing.assert_close(start[3:5], torch.tensor([0.4, 2 / 3]))
    outputs = net.outputs(make_batch(tracks(), np.arange(CLIPS), CPU))
    assert (outputs.scores <= outputs.gates).all()


def test_a_run_from_before_has_no_weight_more() -> None:
    names = {name for name, _ in Network(recipe("concat"), [DIM] * 3, TARGETS).state_dict().items()}
    assert not [name for name in names if "start" in name or "heads" in name or "prior" in name or "principal" in name]


def test_own_heads_are_counted_apart() -> None:
    from mimetic.network import count_parameters

    made = recipe("concat", auxiliary=0.3)
    counts = count_parameters(Network(made, [DIM] * 3, TARGETS), made)
    assert counts["own heads"] == 3 * (8 * TARGETS + TARGETS)


def test_the_speech_model_s_prior_moves_every_modality_and_a_token_stands_for_it() -> None:
    speech = Part(feature="wav2vec2-affect+heads=true", encoder="mean")
    made = replace(recipe("concat"), parts=(Part(feature="words-hashed", encoder="mean"), speech), prior=True)
    torch.manual_seed(0)
    net = Network(made, [DIM, DIM], TARGETS).eval()
    parts = tracks()[:2]
    before = score_tracks(net, parts, np.arange(CLIPS), CPU)
    assert net.prior is not None
    with torch.no_grad():
        net.prior.moves[0].weight.fill_(0.5)
    after = score_tracks(net, parts, np.arange(CLIPS), CPU)
    assert (np.abs(after - before).max(axis=1) > 1e-4).all()
    alone = score_tracks(net, parts, np.array([3]), CPU)
    np.testing.assert_allclose(alone[0], after[3], atol=1e-5)
    added = contributions(net, parts, np.arange(CLIPS), CPU)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), after, atol=1e-5)
    silent = (parts[0], parts[1].holding([None] * CLIPS))
    by_token = score_tracks(net, silent, np.arange(CLIPS), CPU)
    with torch.no_grad():
        net.prior.token.add_(1.0)
    assert (np.abs(score_tracks(net, silent, np.arange(CLIPS), CPU) - by_token).max(axis=1) > 1e-4).all()
    np.testing.assert_array_equal(score_tracks(net, parts, np.arange(CLIPS), CPU), after)


def test_two_tracks_of_one_modality_are_told_apart() -> None:
    made = replace(
        recipe("concat"),
        parts=tuple(Part(feature=name, encoder="mean") for name in ("gte", "wav2vec2", "wav2vec2-affect")),
    )
    assert made.modalities == ("text", "audio: wav2vec2", "audio: wav2vec2-affect")


@every_fusion
@pytest.mark.parametrize("tokens", TOKENS)
def test_the_first_modality_may_ask_the_others_under_any_fusion(fusion: str, tokens: str) -> None:
    asked = {"encoder": "queried", "options": {"hidden": 8, "heads": 2, "dropout": 0.0}}
    made = recipe(fusion, tokens=tokens, auxiliary=0.3)
    made = replace(made, parts=(made.parts[0], *(replace(part, **asked) for part in made.parts[1:])))
    net, parts = network(made), tracks()
    together = score_tracks(net, parts, np.arange(CLIPS), CPU)
    alone = np.concatenate([score_tracks(net, parts, np.array([clip]), CPU) for clip in range(CLIPS)])
    np.testing.assert_allclose(alone, together, atol=1e-5, rtol=0)
    without = score_tracks(net, tracks(0), np.arange(CLIPS), CPU)
    assert np.isfinite(without).all()
    added = contributions(net, parts, np.arange(CLIPS), CPU)
    np.testing.assert_allclose(added.base + added.values.sum(axis=1), together, atol=1e-5)
