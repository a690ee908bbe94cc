"""The test for a shift claims none where there is none, finds one that is planted, and knows that people cluster."""

from __future__ import annotations

import numpy as np
import pytest

from mimetic.auditing.shift import compare_parts

NAMES = ["Admiration", "Joy", "Awe", "seconds"]


def labels(draw: np.random.Generator, clips: int) -> np.ndarray:
    """Give shares with many zeros, and a column of lengths with gaps."""
    values = np.where(draw.random((clips, 4)) < 0.4, draw.integers(1, 6, (clips, 4)) / 5, 0.0)
    values[draw.random(clips) < 0.1, 3] = np.nan
    return values


def alone(clips: int) -> np.ndarray:
    return np.array([str(i) for i in range(clips)])


def test_two_draws_from_the_same_are_claimed_to_differ_as_seldom_as_promised() -> None:
    claimed = 0
    for seed in range(200):
        values = labels(np.random.default_rng([seed, 1]), 90)
        found = compare_parts(values, NAMES, np.arange(90) >= 60, alone(90), pairs=3, permutations=200, seed=seed)
        claimed += min(shift.chance for shift in found) <= 0.05
    assert claimed <= 18  # of 200 at .05: more has a probability below .01


def test_a_planted_shift_is_found_with_its_figures() -> None:
    values, is_valid = labels(np.random.default_rng(2), 3_000), np.arange(3_000) >= 2_000
    values[is_valid, 1] += 0.06
    mixed = is_valid & (np.random.default_rng(3).random(3_000) < 0.4)
    values[mixed, 2] = values[mixed, 0]
    found = {s.name: s for s in compare_parts(values, NAMES, is_valid, alone(3_000), pairs=3)}
    moved = {name for name, shift in found.items() if shift.chance < 0.01}
    assert moved == {"Joy", "Admiration with Awe (correlation)"}
    assert found["Joy"].train == pytest.approx(values[~is_valid, 1].mean())
    assert found["Joy"].valid == pytest.approx(values[is_valid, 1].mean())
    expected = (values[is_valid, 1].mean() - values[~is_valid, 1].mean()) / values[:, 1].std()
    assert found["Joy"].effect == pytest.approx(expected)
    correlation = np.corrcoef(values[is_valid, 0], values[is_valid, 2])[0, 1]
    assert found["Admiration with Awe (correlation)"].valid == pytest.approx(correlation)
    assert found["seconds"].train == pytest.approx(np.nanmean(values[~is_valid, 3]))


def test_people_are_permuted_whole_since_clips_of_one_are_alike() -> None:
    draw = np.random.default_rng(5)
    eager = honest = 0
    for seed in range(40):
        people = np.repeat(np.arange(30), 20)
        values = draw.normal(size=30)[people][:, None] + 0.3 * draw.normal(size=(600, 4))
        is_valid = people >= 20
        for groups in (alone(600), people.astype(str)):
            found = compare_parts(values, NAMES, is_valid, groups, pairs=0, permutations=200, seed=seed)
            told = min(shift.chance for shift in found) <= 0.05
            honest += told and groups is not None and len(set(groups)) == 30
            eager += told and len(set(groups)) == 600
    assert eager >= 25
    assert honest <= 7


def test_too_few_clips_and_columns_that_do_not_vary_are_left_out() -> None:
    values = labels(np.random.default_rng(0), 60)
    assert compare_parts(values, NAMES, np.arange(60) >= 55, alone(60), pairs=3) == []
    values[:, 1] = 0.5
    values[:, 3] = np.nan
    found = compare_parts(values, NAMES, np.arange(60) >= 40, alone(60), pairs=3)
    assert [shift.name for shift in found] == ["Admiration", "Awe", "Admiration with Awe (correlation)"]
