"""One contract for every entry of the tables of encoders and fusions, and for the batches that feed them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint

from mimetic.batches import BUDGET, SLACK, SLACK_ROWS, Ragged, make_batch
from mimetic.encoders import ENCODERS, recurrent
from mimetic.fusions import FUSIONS
from mimetic.network import Network, Standardise, count_parameters, score_tracks
from mimetic.recipes import Part, Recipe
from mimetic.recipes.record import TOKENS
from mimetic.records import Track

DIM, TARGETS = 48, 6
CPU = torch.device("cpu")
LENGTHS = (1, 5, 300, 2, 41, 7, 1, 90)


def track(rows: int, *, dim: int = DIM, seed: int = 0) -> Track:
    values = np.random.default_rng([seed, rows]).normal(size=(rows, dim)).astype(np.float32)
    return Track(values=values, rate=50.0, valid=np.ones(rows, bool))


def ragged(lengths: tuple[int, ...] = LENGTHS, *, dim: int = DIM) -> Ragged:
    return Ragged([track(rows, dim=dim, seed=i) if rows else None for i, rows in enumerate(lengths)], dim)


def recipe(encoder: str = "attention", *, parts: int = 1, fusion: str = "linear", tokens: str = "vectors") -> Recipe:
    names = ("logmel", "words-hashed", "face-appearance")[:parts]
    part = [Part(feature=name, encoder=encoder, standardise=True) for name in names if not ENCODERS[encoder].queried]
    if ENCODERS[encoder].queried:
        part = [Part(feature="words-hashed", encoder="mean"), Part(feature="logmel", encoder=encoder)]
    return Recipe(name="x", parts=tuple(part), fusion=fusion, stages=1, tokens=tokens)


def network(encoder: str = "attention", *, parts: int = 1, fusion: str = "linear", tokens: str = "vectors") -> Network:
    torch.manual_seed(0)
    made = recipe(encoder, parts=parts, fusion=fusion, tokens=tokens)
    return Network(made, [DIM] * len(made.parts), TARGETS).eval()


def tracks_for(name: str, lengths: tuple[int, ...] = LENGTHS) -> tuple[Ragged, ...]:
    """Give what a network with this encoder takes: its track and, where it is asked, that of who asks."""
    tracks = ragged(lengths)
    return (ragged((1,) * len(lengths)), tracks) if ENCODERS[name].queried else (tracks,)


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("name", ENCODERS)
def test_a_clip_scores_the_same_alone_and_in_any_batch(name: str, tokens: str) -> None:
    net, parts = network(name, tokens=tokens), tracks_for(name, (*LENGTHS, 0))
    everybody = np.arange(len(LENGTHS) + 1)
    together = score_tracks(net, parts, everybody, CPU)
    for clips in ([i] for i in everybody):
        alone = score_tracks(net, parts, np.array(clips), CPU)
        np.testing.assert_allclose(alone[0], together[clips[0]], atol=1e-5, rtol=0)
    shuffled = np.random.default_rng(1).permutation(everybody)
    np.testing.assert_allclose(score_tracks(net, parts, shuffled, CPU), together[shuffled], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ENCODERS)
def test_what_stands_in_the_padding_changes_nothing(name: str) -> None:
    entry = ENCODERS[name]
    torch.manual_seed(0)
    asking = {"query_dim": 5} if entry.queried else {}
    query = [torch.randn(3, 5)] if entry.queried else [torch.rand(3, 9)] if entry.weighs else []
    encoder = entry.load()(DIM, **entry.options, **asking).eval()
    lengths = torch.tensor([3, 9, 1])
    values = torch.randn(3, 9, DIM)
    other = values.clone()
    for row, length in enumerate(lengths):
        other[row, length:] = 1e4
    with torch.inference_mode():
        clean = encoder(values, lengths, *query)
        torch.testing.assert_close(clean, encoder(other, lengths, *query), atol=1e-6, rtol=0)
        assert clean.shape == (3, encoder.out_dim)


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_reach_every_weight_and_are_finite(name: str) -> None:
    net = network(name).train()
    batch = make_batch(tracks_for(name, (4, 1, 9, 0)), np.arange(4), CPU)
    if ENCODERS[name].queried:
        # who asks is missing once, so that its token learns
        batch = make_batch((ragged((0, 1, 1, 1)), ragged((4, 1, 9, 0))), np.arange(4), CPU)
    net(batch).square().sum().backward()
    for label, parameter in net.named_parameters():
        assert parameter.grad is not None, label
        assert torch.isfinite(parameter.grad).all(), label


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_fusion_scores_clips_whatever_they_lack(fusion: str) -> None:
    net = network(parts=3, fusion=fusion)
    parts = (ragged((5, 0, 8, 0)), ragged((1, 1, 0, 0)), ragged((0, 3, 20, 0)))
    scores = score_tracks(net, parts, np.arange(4), CPU)
    assert scores.shape == (4, TARGETS)
    assert np.isfinite(scores).all()
    alone = np.concatenate([score_tracks(net, parts, np.array([i]), CPU) for i in range(4)])
    np.testing.assert_allclose(alone, scores, atol=1e-5, rtol=0)


def test_absent_and_dropped_are_the_same_thing() -> None:
    net = network(parts=2, fusion="concat")
    have, lack = (ragged((5, 7)), ragged((4, 2))), (ragged((5, 7)), ragged((0, 2)))
    keep = np.array([[True, False], [True, True]])
    with torch.inference_mode():
        dropped = net(make_batch(have, np.arange(2), CPU, keep=keep))
        absent = net(make_batch(lack, np.arange(2), CPU))
    torch.testing.assert_close(dropped, absent, atol=0, rtol=0)


def test_a_frame_without_a_measurement_is_as_if_it_were_not_there() -> None:
    full = track(6)
    holed = Track(values=full.values, rate=5.0, valid=np.array([1, 0, 1, 1, 0, 1], bool))
    left = Track(values=full.values[holed.valid], rate=5.0, valid=np.ones(4, bool))
    net = network("meanstd")
    first = score_tracks(net, (Ragged([holed], DIM),), np.array([0]), CPU)
    second = score_tracks(net, (Ragged([left], DIM),), np.array([0]), CPU)
    np.testing.assert_array_equal(first, second)


def test_buckets_hold_every_clip_once_with_little_padding_and_within_the_budget() -> None:
    lengths = np.random.default_rng(0).lognormal(4, 1, 500).astype(int).clip(1, 2 * BUDGET)
    parts = Ragged([track(int(rows), dim=2) for rows in lengths], 2)
    buckets = parts.buckets(np.arange(500), CPU)
    assert sorted(int(row) for bucket in buckets for row in bucket.rows) == list(range(500))
    for bucket in buckets:
        rows, own = bucket.values.shape[:2].numel(), int(bucket.lengths.sum())
        assert rows - own <= max(SLACK_ROWS, SLACK * own)
        assert rows <= BUDGET or len(bucket.rows) == 1
    assert sum(bucket.values.shape[:2].numel() for bucket in buckets) <= 1.2 * lengths.sum()


def test_one_long_clip_costs_the_others_no_padding() -> None:
    buckets = ragged((30, 35, 6_250, 41)).buckets(np.arange(4), CPU)
    assert [tuple(bucket.values.shape[:2]) for bucket in buckets] == [(3, 41), (1, 6_250)]


def test_standardising_gives_mean_zero_and_deviation_one_over_the_clips_it_was_fitted_on() -> None:
    parts = ragged()
    module = Standardise(DIM)
    tracks = [torch.from_numpy(np.array(parts.values[i])) for i in (0, 2, 4)]
    module.fit(track.double() for track in tracks)
    rows = torch.cat([module(track) for track in tracks])
    torch.testing.assert_close(rows.mean(dim=0), torch.zeros(DIM), atol=1e-4, rtol=0)
    torch.testing.assert_close(rows.std(dim=0, correction=0), torch.ones(DIM), atol=1e-4, rtol=0)


def test_a_constant_column_is_centred_and_keeps_its_scale() -> None:
    module = Standardise(2)
    module.fit([torch.full((9, 2), 7.0)])
    assert module(torch.tensor([[7.0, 8.0]])).tolist() == [[0.0, 1.0]]


def test_clips_without_rows_do_not_count_when_rows_are_standardised() -> None:
    (part,) = recipe("mlp").parts
    branch = Network(replace(recipe("mlp"), parts=(replace(part, standardise=True),)), [DIM], TARGETS).branches[0]
    tracks = ragged((0, 3, 5))
    tracks.values[0] = np.zeros((0, DIM), np.float32)
    branch.fit(tracks, [0, 1, 2])
    assert torch.isfinite(branch.standardise.mean).all()


def test_rows_of_length_one_are_standardised_as_such() -> None:
    (part,) = recipe("mlp").parts
    made = replace(recipe("mlp"), parts=(replace(part, standardise=True, unit=True),))
    branch = Network(made, [DIM], TARGETS).branches[0]
    tracks = ragged((3, 5))
    branch.fit(tracks, [0, 1])
    rows = torch.from_numpy(np.concatenate([np.array(values) for values in tracks.values]))
    unit = rows / rows.norm(dim=1, keepdim=True)
    torch.testing.assert_close(branch.standardise.mean, unit.mean(dim=0))
    torch.testing.assert_close(branch.prepare(3 * rows), branch.prepare(rows))


def test_the_poster_s_parts_have_the_poster_s_size() -> None:
    def size(encoder: str, dim: int, hidden: int = 384) -> int:
        entry = ENCODERS[encoder]
        module = entry.load()(dim, **{**entry.options, "hidden": hidden})
        return sum(parameter.numel() for parameter in module.parameters())

    assert size("mlp", 768) == 297_600
    assert size("attention", 1024) == 397_441
    assert size("attention", 768) == 298_369
    assert size("attention", 23, hidden=128) == 3_398
    for dims, expected in (([384] * 3, 447_366), ([384] * 3 + [128], 496_774)):
        fusion = FUSIONS["concat"].load()(dims, TARGETS, **FUSIONS["concat"].options)
        assert sum(parameter.numel() for parameter in fusion.parameters()) == expected


@pytest.mark.parametrize("name", [name for name, entry in ENCODERS.items() if "gain" in entry.options])
def test_an_encoder_s_first_norm_starts_at_its_gain_and_learns_from_there(name: str) -> None:
    encoder = ENCODERS[name].load()(DIM, **ENCODERS[name].options | {"gain": 0.2})
    first = encoder.get_parameter("project.0.weight")
    assert first.requires_grad
    assert torch.equal(first, torch.full((first.numel(),), 0.2))


def test_parameters_are_counted_by_part_with_missing_tokens_apart() -> None:
    made = recipe("mlp", parts=2, fusion="concat")
    net = Network(made, [DIM, DIM], TARGETS)
    counts = count_parameters(net, made)
    assert list(counts) == ["audio", "text", "fusion", "missing tokens"]
    assert counts["missing tokens"] == 2 * 384
    assert sum(counts.values()) == sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("name", ["bilstm", "gated"])
def test_states_that_are_computed_again_change_no_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = tracks_for(name)
    found, again = [], []
    for limit in (recurrent.KEPT_BYTES, 0):
        monkeypatch.setattr(recurrent, "KEPT_BYTES", limit)
        net = network(name)
        with monkeypatch.context() as watched:
            watched.setattr(
                recurrent, "checkpoint", lambda *given, **told: again.append(1) or checkpoint(*given, **told)
            )
            net(make_batch(parts, np.arange(len(LENGTHS)), CPU)).square().sum().backward()
        found.append([weight.grad.clone() for weight in net.parameters() if weight.grad is not None])
    assert again
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
