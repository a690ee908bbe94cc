"""Contributions sum to the score, whatever the fusion; and every subset is scored as a batch without the others is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch

from mimetic.batches import Ragged, make_batch
from mimetic.contributions import contributions, shapley
from mimetic.encoders import ENCODERS
from mimetic.fusions import FUSIONS
from mimetic.network import Network, score_tracks
from mimetic.recipes import Part, Recipe
from mimetic.recipes.record import TOKENS
from mimetic.records import Track

DIM, TARGETS, CPU = 48, 6, torch.device("cpu")
NAMES = ("words-hashed", "logmel", "face-appearance")
LENGTHS = ((1, 1, 0, 1, 0), (7, 0, 30, 2, 0), (5, 9, 1, 0, 0))


def network(encoder: str, fusion: str, tokens: str) -> tuple[Network, tuple[Ragged, ...]]:
    """Build a network of three modalities, and tracks of five clips, the last of which lacks everything."""
    torch.manual_seed(0)
    first = "mean" if ENCODERS[encoder].queried else encoder
    parts = tuple(Part(feature=name, encoder=encoder if i else first) for i, name in enumerate(NAMES))
    recipe = Recipe(name="x", parts=parts, fusion=fusion, stages=1, tokens=tokens)
    net = Network(recipe, [DIM] * len(NAMES), TARGETS).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net, tuple(ragged(lengths, seed) for seed, lengths in enumerate(LENGTHS))


def ragged(lengths: tuple[int, ...], seed: int) -> Ragged:
    draw = np.random.default_rng(seed)
    tracks = [
        Track(values=draw.normal(size=(n, DIM)).astype(np.float32), rate=5.0, valid=np.ones(n, bool)) if n else None
        for n in lengths
    ]
    return Ragged(tracks, DIM)


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_contributions_sum_to_the_score_minus_that_of_nothing(fusion: str, tokens: str) -> None:
    net, parts = network("attention", fusion, tokens)
    everybody = np.arange(5)
    found = contributions(net, parts, everybody, CPU)
    scores = score_tracks(net, parts, everybody, CPU)
    np.testing.assert_allclose(found.base + found.values.sum(axis=1), scores, atol=1e-5, rtol=0)
    np.testing.assert_allclose(found.base, np.tile(scores[4], (5, 1)), atol=1e-5, rtol=0)
    assert np.abs(found.values[0]).max() > 1e-4
    absent = np.array(LENGTHS).T == 0
    assert np.abs(found.values[absent]).max() < 1e-6


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("encoder", ["mlp", "queried"])
def test_a_subset_is_scored_as_a_batch_without_the_others(encoder: str, tokens: str) -> None:
    net, parts = network(encoder if encoder in ENCODERS else asked(), "plain", tokens)
    everybody = np.arange(5)
    with torch.inference_mode():
        subsets = net.subsets(make_batch(parts, everybody, CPU))
        for number, scores in enumerate(subsets):
            keep = np.tile([bool(number >> modality & 1) for modality in range(3)], (5, 1))
            alone = net(make_batch(parts, everybody, CPU, keep=keep))
            np.testing.assert_allclose(scores, alone, atol=1e-5, rtol=0)


def asked() -> str:
    return next(name for name, entry in ENCODERS.items() if entry.queried)


def test_shapley_values_are_gains_averaged_over_all_orders() -> None:
    scores = np.random.default_rng(0).normal(size=(16, 3, 2))
    expected = np.zeros((3, 4, 2))
    orders = list(permutations(range(4)))
    for order in orders:
        subset = 0
        for player in order:
            expected[:, player] += (scores[subset | 1 << player] - scores[subset]) / len(orders)
            subset |= 1 << player
    np.testing.assert_allclose(shapley(scores), expected, atol=1e-12)


def test_a_clip_s_contributions_do_not_depend_on_the_others() -> None:
    net, parts = network("attention", "concat", "vectors")
    together = contributions(net, parts, np.arange(5), CPU)
    alone = contributions(net, parts, np.array([2]), CPU)
    np.testing.assert_allclose(alone.values[0], together.values[2], atol=1e-5, rtol=0)
