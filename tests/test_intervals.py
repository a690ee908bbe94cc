"""Intervals against SciPy's bootstrap, and against the same resamples computed one by one."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy import stats

from mimetic import resampling
from mimetic.evidence.intervals import Comparison, compare, gap, gap_within, holm, interval
from mimetic.records import UsageError
from mimetic.scores import ccc, mae, mean_pearson, mse, pearson

quick_ones = pytest.mark.parametrize("statistic", [pearson, ccc, mse], ids=["pearson", "ccc", "mse"])


def sample(clips=60, targets=3, seed=0, slope=0.6):
    draw = np.random.default_rng(seed)
    target = np.maximum(draw.normal(0.1, 0.3, (clips, targets)), 0)
    return target, slope * target + draw.normal(0.2, 0.2, (clips, targets))


def one_by_one(target, predicted, statistic, *, resamples, groups=None, seed=0):
    """Draw as the module draws, then resample the slow way: ``(resample, target)``."""
    groups = np.arange(len(target)) if groups is None else groups
    names = np.unique(groups)
    scores = []
    for _, counts in resampling._counts(len(names), resamples, seed):
        for row in counts.astype(int):
            rows = np.concatenate([np.flatnonzero(groups == name) for name in np.repeat(names, row)])
            scores.append(statistic(target[rows], predicted[rows]))
    return np.array(scores)


def ends(interval):
    return interval.low, interval.high


@quick_ones
@pytest.mark.parametrize("shift", [0.0, 1e5])
def test_resamples_at_once_equal_resamples_one_by_one(statistic, shift):
    target, predicted = sample()
    target[[3, 9], 1] = np.nan
    if statistic is pearson:  # the others are meant to see the shift
        predicted = predicted + shift
    scores = one_by_one(target, predicted, statistic, resamples=300)
    found = interval(target, predicted, statistic=statistic, resamples=300)
    mean = np.quantile(scores.mean(1), [0.025, 0.975])
    np.testing.assert_allclose(ends(found), mean, rtol=0, atol=1e-9)
    for column, one in enumerate(found.targets):
        np.testing.assert_allclose(ends(one), np.quantile(scores[:, column], [0.025, 0.975]), rtol=0, atol=1e-9)
    np.testing.assert_allclose([one.value for one in found.targets], statistic(target, predicted), rtol=1e-12)


@quick_ones
def test_every_single_resample_is_right(statistic):
    target, predicted = sample()
    target[[3, 9], 1] = np.nan
    slow = one_by_one(target, predicted, statistic, resamples=300)
    _, drawn = resampling.bootstrap(resampling.sample_of(target, [predicted], None), statistic, 300, 0)
    np.testing.assert_allclose(drawn[0], slow, rtol=0, atol=1e-9)


@quick_ones
def test_a_block_of_resamples_is_like_many(statistic, monkeypatch):
    target, predicted = sample()
    found = interval(target, predicted, statistic=statistic, resamples=100)
    monkeypatch.setattr(resampling, "_BLOCK_BYTES", 7 * 8 * len(target))
    again = interval(target, predicted, statistic=statistic, resamples=100)
    np.testing.assert_allclose(ends(again), ends(found), rtol=1e-12)


@quick_ones
def test_columns_that_become_constant_are_left_out_of_the_resample(statistic):
    target, predicted = sample(clips=6, targets=2)
    target[:, 0] = [0, 0, 0, 0, 0, 0.3]
    slow = one_by_one(target, predicted, statistic, resamples=500)
    if statistic is pearson:
        assert 50 < np.isnan(slow[:, 0]).sum() < 450
    found = interval(target, predicted, statistic=statistic, resamples=500)
    np.testing.assert_allclose(ends(found.targets[0]), np.nanquantile(slow[:, 0], [0.025, 0.975]), atol=1e-9)
    np.testing.assert_allclose(ends(found), np.nanquantile(np.nanmean(slow, 1), [0.025, 0.975]), atol=1e-9)


def test_an_outlier_that_is_not_drawn_costs_no_digits():
    target, predicted = sample(clips=8, targets=1)
    target[0], predicted[0] = 1e6, -1e7
    slow = one_by_one(target, predicted, pearson, resamples=300)
    _, drawn = resampling.bootstrap(resampling.sample_of(target, [predicted], None), pearson, 300, 0)
    np.testing.assert_allclose(drawn[0], slow, rtol=0, atol=1e-9)


@pytest.mark.parametrize("statistic", [pearson, mae])
def test_groups_are_resampled_whole(statistic):
    target, predicted = sample()
    groups = np.array(["anna", "bo", "cleo", "dan", "eve"])[np.random.default_rng(3).integers(0, 5, len(target))]
    slow = one_by_one(target, predicted, statistic, resamples=200, groups=groups)
    found = interval(target, predicted, statistic=statistic, groups=groups, resamples=200)
    np.testing.assert_allclose(ends(found), np.quantile(slow.mean(1), [0.025, 0.975]), rtol=0, atol=1e-9)


def test_twins_in_groups_widen_the_interval_as_they_should():
    target, predicted = sample(clips=100)
    twice = np.repeat(target, 2, axis=0), np.repeat(predicted, 2, axis=0)
    honest = interval(*twice, groups=np.repeat(np.arange(100), 2), resamples=1000)
    np.testing.assert_allclose(ends(honest), ends(interval(target, predicted, resamples=1000)), rtol=1e-9)
    assert np.ptp(ends(interval(*twice, resamples=1000))) < 0.8 * np.ptp(ends(honest))


def test_ends_are_close_to_those_of_scipy():
    target, predicted = sample(clips=200, targets=1)
    x, y = target[:, 0], predicted[:, 0]
    found = interval(x, y, resamples=4000)
    options = {"paired": True, "vectorized": False, "method": "percentile", "n_resamples": 1500, "random_state": 5}
    theirs = stats.bootstrap((x, y), lambda a, b: stats.pearsonr(a, b).statistic, **options).confidence_interval
    np.testing.assert_allclose(ends(found), theirs, atol=0.015)


class Replayed(np.random.Generator):
    """Draws for SciPy, all at once, the rows that ``resampling`` draws one by one."""

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False):
        rows, clips = size
        small = np.min_scalar_type(clips - 1)
        return np.stack([super(Replayed, self).integers(clips, size=clips, dtype=small) for _ in range(rows)])


def test_ends_are_those_of_scipy_on_the_same_resamples():
    target, predicted = sample(clips=120, targets=1)
    x, y, worse = target[:, 0], predicted[:, 0], np.roll(predicted[:, 0], 1)
    options = {"paired": True, "vectorized": False, "method": "percentile", "n_resamples": 400}

    def theirs(data, statistic):
        generator = Replayed(np.random.PCG64(3))
        return stats.bootstrap(data, statistic, random_state=generator, **options).confidence_interval

    found = interval(x, y, resamples=400, seed=3)
    np.testing.assert_allclose(ends(found), theirs((x, y), lambda a, b: stats.pearsonr(a, b).statistic), rtol=1e-9)
    found = compare(x, y, worse, resamples=400, seed=3)
    difference = lambda a, b, c: stats.pearsonr(a, b).statistic - stats.pearsonr(a, c).statistic  # noqa: E731
    np.testing.assert_allclose(ends(found), theirs((x, y, worse), difference), rtol=1e-9)


def test_any_statistic_will_do():
    target, predicted = sample(clips=40)

    def spearman(x, y):
        return stats.spearmanr(x, y).statistic

    target[4, 0] = np.nan
    found = interval(target, predicted, statistic=spearman, resamples=20)
    kept = ~np.isnan(target[:, 0])
    assert found.targets[0].value == pytest.approx(spearman(target[kept, 0], predicted[kept, 0]))
    assert found.low < found.value < found.high


def test_the_value_is_the_challenge_score():
    target, predicted = sample()
    assert interval(target, predicted, resamples=10).value == pytest.approx(mean_pearson(target, predicted))


def test_one_dimension_is_one_column():
    target, predicted = sample(targets=1)
    flat = interval(target[:, 0], predicted[:, 0], resamples=200)
    column = interval(target, predicted, resamples=200)
    assert flat == column.targets[0]
    assert flat.targets == ()
    assert ends(flat) == ends(column)


def test_seeds_are_averaged_within_each_resample():
    target, first = sample()
    _, second = sample(seed=1)
    found = interval(target, np.stack([first, second]), resamples=300)
    slow = [one_by_one(target, predicted, pearson, resamples=300) for predicted in (first, second)]
    np.testing.assert_allclose(ends(found), np.quantile(np.mean(slow, axis=(0, 2)), [0.025, 0.975]), atol=1e-9)
    flat = interval(target[:, 0], np.stack([first[:, 0], second[:, 0]]), resamples=300)
    np.testing.assert_allclose(ends(flat), ends(found.targets[0]), rtol=1e-9)


def test_the_seed_decides_the_numbers():
    target, predicted = sample()
    assert interval(target, predicted, resamples=200) == interval(target, predicted, resamples=200)
    assert interval(target, predicted, resamples=200) != interval(target, predicted, resamples=200, seed=1)


def test_a_higher_level_is_wider():
    target, predicted = sample()
    narrow, wide = (interval(target, predicted, resamples=1000, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_a_constant_column_has_no_interval_and_leaves_no_mean():
    target, predicted = sample()
    predicted[:, 1] = 0.2
    found = interval(target, predicted, resamples=50)
    assert np.isnan([found.value, *ends(found)]).all()
    assert np.isnan([found.targets[1].value, *ends(found.targets[1])]).all()
    assert found.targets[0].low < found.targets[0].high
    assert found.as_json() == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("clips", [0, 1])
def test_without_clips_to_draw_nothing_is_told(clips):
    found = interval(np.ones((clips, 2)), np.ones((clips, 2)), resamples=10)
    assert np.isnan([found.value, *ends(found)]).all()


def test_a_single_group_has_a_value_and_no_interval():
    target, predicted = sample()
    found = interval(target, predicted, groups=np.zeros(len(target)), resamples=10)
    assert found.value == pytest.approx(mean_pearson(target, predicted))
    assert np.isnan(ends(found)).all()


def test_tensors_and_lists_are_taken():
    target, predicted = sample()
    expected = interval(target, predicted, resamples=20)
    assert interval(torch.tensor(target), torch.tensor(predicted), resamples=20) == expected
    assert interval(target.tolist(), predicted.tolist(), resamples=20) == expected


def test_a_comparison_is_paired():
    target, first = sample()
    _, second = sample(seed=1, slope=0.3)
    found = compare(target, first, second, resamples=300)
    slow = [one_by_one(target, predicted, pearson, resamples=300) for predicted in (first, second)]
    differences = (slow[0] - slow[1]).mean(1)
    assert found.difference == pytest.approx(mean_pearson(target, first) - mean_pearson(target, second))
    np.testing.assert_allclose(ends(found), np.quantile(differences, [0.025, 0.975]), atol=1e-9)
    assert found.wins == np.mean(differences > 0)


@pytest.mark.parametrize("statistic", [pearson, ccc, mse, mae])
@pytest.mark.parametrize("targets", [1, 5, 6])
def test_a_run_is_no_better_than_itself(statistic, targets):
    target, predicted = sample(clips=4588, targets=targets)
    found = compare(target, predicted, predicted, statistic=statistic, resamples=20)
    assert found == Comparison(difference=0.0, low=0.0, high=0.0, wins=0.5, clips=4588, spread=0.0, chance=1.0)
    assert found.verdict == "no difference can be told at n = 4,588"


@pytest.mark.parametrize("statistic", [pearson, mse])
def test_the_better_one_wins_whatever_the_direction_of_the_score(statistic):
    target, _ = sample(clips=500)
    noise = np.random.default_rng(2).normal(0, 1, target.shape)
    good, bad = target + 0.1 * noise, target + 0.5 * noise
    found = compare(target, good, bad, statistic=statistic, resamples=100)
    assert found.verdict == "first is better"
    assert found.wins == 1.0
    back = compare(target, bad, good, statistic=statistic, resamples=100)
    assert back.verdict == "second is better"
    assert (back.difference, back.wins) == (-found.difference, 0.0)


def test_runs_may_differ_in_their_number_of_seeds():
    target, first = sample()
    _, second = sample(seed=1, slope=0.3)
    found = compare(target, np.stack([first, first, first]), second, resamples=100)
    np.testing.assert_allclose(ends(found), ends(compare(target, first, second, resamples=100)), atol=1e-12)


def test_a_comparison_with_a_constant_prediction_tells_nothing():
    target, predicted = sample()
    found = compare(target, predicted, np.zeros_like(target), resamples=20)
    assert np.isnan([found.difference, found.low, found.high, found.wins]).all()
    assert found.verdict == "no difference can be told at n = 60"


def test_clips_without_any_label_are_not_counted():
    target, predicted = sample()
    target[:10] = np.nan
    target[10, 0] = np.nan
    assert compare(target, predicted, predicted, resamples=5).clips == 50


def test_results_are_plain_numbers_and_plain_json():
    target, first = sample()
    difference = compare(target, first, first[:, ::-1], resamples=20)
    for number in (
        difference.spread,
        *dataclasses.astuple(difference)[:4],
        *dataclasses.astuple(interval(target, first))[:3],
    ):
        assert type(number) is float
    plain = json.loads(json.dumps(difference.as_json(), allow_nan=False))
    assert set(plain) == {
        *("difference", "low", "high", "wins", "spread", "chance", "clips", "verdict", "clips_to_tell")
    }
    assert set(interval(target, first, resamples=5).as_json()) == {"value", "low", "high"}


@pytest.mark.parametrize(
    ("target", "predicted"), [((4,), (4, 1)), ((4, 2), (4, 3)), ((4, 2), (2, 2)), ((), ()), ((2, 4, 2), (2, 4, 2))]
)
def test_shapes_that_do_not_fit_are_told(target, predicted):
    with pytest.raises(UsageError, match="and predicted"):
        interval(np.zeros(target), np.zeros(predicted))


def test_groups_of_another_length_are_told():
    with pytest.raises(UsageError, match="for 60 clips"):
        interval(*sample(), groups=np.zeros(59))


@pytest.mark.parametrize("wrong", [{"level": 95}, {"level": 0}, {"resamples": 0}])
def test_calls_that_make_no_interval_are_told(wrong):
    with pytest.raises(UsageError, match="make no interval"):
        interval(*sample(), **wrong)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    draw, held, truth = np.random.default_rng(0), [], 0.5
    for seed in range(400):
        x, noise = draw.normal(size=(2, 150))
        found = interval(x, truth * x + np.sqrt(1 - truth**2) * noise, resamples=300, seed=seed)
        held.append(found.low <= truth <= found.high)
    assert 0.92 < np.mean(held) < 0.98


def test_nothing_is_said_to_be_better_when_nothing_is():
    draw, told = np.random.default_rng(1), []
    for seed in range(200):
        target, first, second = draw.normal(size=(3, 150))
        found = compare(target, target + first, target + second, resamples=300, seed=seed)
        told.append(found.verdict in ("first is better", "second is better"))
    assert 0.01 < np.mean(told) < 0.1


def test_the_clips_that_it_takes_are_those_that_tell_as_often_as_was_asked():
    """Planted: at the number of clips that is given, a true difference is told in about 80 % of samples."""
    draw = np.random.default_rng(3)

    def sample_of(clips):
        truth = draw.normal(size=clips)
        good, bad = truth + 1.2 * draw.normal(size=clips), truth + 1.5 * draw.normal(size=clips)
        return truth, good, bad

    pilots = [compare(*sample_of(2000), resamples=400) for _ in range(10)]
    true = np.corrcoef(*sample_of(400_000)[:2])[0, 1] - 1 / np.sqrt(1 + 1.5**2)
    clips = int(np.mean([pilot.clips_to_tell(true) for pilot in pilots]))
    told = np.mean([compare(*sample_of(clips), resamples=400, seed=i).low > 0 for i in range(200)])
    assert 0.7 < told < 0.9


def test_no_number_of_clips_tells_no_difference():
    target, predicted = sample()
    assert np.isnan(compare(target, predicted, predicted, resamples=20).clips_to_tell())
    assert np.isnan(compare(target, predicted, np.zeros_like(target), resamples=20).clips_to_tell(0.01))


def test_the_chance_of_no_difference_is_uniform_where_there_is_none():
    draw = np.random.default_rng(4)
    chances = []
    for i in range(200):
        truth = draw.normal(size=300)
        one, other = (truth + draw.normal(size=300) for _ in range(2))
        chances.append(compare(truth, one, other, resamples=400, seed=i).chance)
    assert 0.02 < np.mean(np.array(chances) < 0.1) < 0.18
    assert 0.4 < np.median(chances) < 0.6


def test_correcting_for_many_comparisons_is_holm_s():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    np.testing.assert_array_equal(holm([np.nan, 0.02]), [np.nan, 0.02])
    assert holm([]).shape == (0,)


# ------------------------------------------------------------------------------------- two groupings


def crossed(clips, people, scripts, seed, *, effect=1.0):
    """Draw clips whose error is in part the person's and in part the script's: predictions of known quality."""
    draw = np.random.default_rng(seed)
    who, what = draw.integers(people, size=clips), draw.integers(scripts, size=clips)
    target = draw.normal(size=clips)
    shared = effect * (draw.normal(size=people)[who] + draw.normal(size=scripts)[what])
    return target, target + shared * target + draw.normal(size=clips), np.column_stack([who, what])


def test_two_groupings_spread_the_draws_to_the_sum_of_both_variances():
    target, predicted, groups = crossed(400, 30, 40, 0)
    _, together = np.unique(groups, axis=0, return_inverse=True)
    spreads = []
    for way in (groups[:, 0], groups[:, 1], together.reshape(-1)):
        sample = resampling.sample_of(target, [predicted], way)
        spreads.append(resampling.bootstrap(sample, pearson, 2_000, 0)[1][0, :, 0].std())
    found = interval(target, predicted, groups=groups, resamples=2_000)
    alone = [interval(target, predicted, groups=groups[:, way], resamples=2_000) for way in (0, 1)]
    expected = np.sqrt(spreads[0] ** 2 + spreads[1] ** 2 - spreads[2] ** 2)
    wider = int(spreads[1] > spreads[0])
    scale = expected / spreads[wider]
    assert scale > 1
    assert found.low == pytest.approx(found.value - scale * (found.value - alone[wider].low))
    assert found.high == pytest.approx(found.value + scale * (alone[wider].high - found.value))


def test_two_groupings_hold_the_truth_where_one_does_not():
    truth = pearson(*crossed(400_000, 60_000, 60_000, 99, effect=1.5)[:2])
    held = {"people": 0, "both": 0}
    for seed in range(150):
        target, predicted, groups = crossed(480, 80, 25, seed, effect=1.5)
        for name, way in (("people", groups[:, 0]), ("both", groups)):
            found = interval(target, predicted, groups=way, resamples=200)
            held[name] += found.low <= truth <= found.high
    assert held["both"] > held["people"] + 8
    assert held["both"] / 150 > 0.86


def test_two_groupings_of_which_one_is_the_clip_are_the_other():
    target, predicted, groups = crossed(200, 20, 20, 1)
    alone = interval(target, predicted, groups=groups[:, 0], resamples=500)
    found = interval(target, predicted, groups=np.column_stack([groups[:, 0], np.arange(200)]), resamples=500)
    assert found.value == alone.value
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_a_comparison_and_a_gap_take_two_groupings_too():
    target, predicted, groups = crossed(300, 25, 25, 2)
    other = predicted + np.random.default_rng(0).normal(size=300)
    one, both = (compare(target, predicted, other, groups=way, resamples=500) for way in (groups[:, 0], groups))
    assert both.difference == one.difference
    assert both.high - both.low >= one.high - one.low - 1e-12
    itself = compare(target, predicted, predicted, groups=groups, resamples=200)
    assert (itself.difference, itself.low, itself.high) == (0.0, 0.0, 0.0)
    with pytest.raises(UsageError, match=r"groups is \(300, 3\)"):
        interval(target, predicted, groups=np.zeros((300, 3)))


def test_a_gap_is_the_difference_of_the_scores_of_both_sets() -> None:
    draw = np.random.default_rng(0)
    true = draw.normal(size=(60, 2))
    said = true + draw.normal(size=true.shape) * np.where(np.arange(60) < 35, 0.2, 2.0)[:, None]
    inside = np.arange(60) < 35
    true[5] = np.nan  # a clip without a label does not count
    one, other = (pearson(*both).mean() for both in _known_of(true, said, inside))
    apart = gap((true[inside], said[inside]), (true[~inside], said[~inside]), resamples=300)
    within = gap_within(true, said, inside, resamples=300)
    for found in (apart, within):
        assert found.difference == pytest.approx(one - other)
        assert found.low < one - other < found.high
        assert found.clips == 59
        assert found.low > 0
    assert (within.wins, apart.wins) == (1.0, 1.0)
    seeds = np.stack([said, said])  # the same system twice is no news
    assert gap_within(true, seeds, inside, resamples=300).difference == pytest.approx(one - other)


def _known_of(true, said, inside):
    for flags in (inside, ~inside):
        known = flags & ~np.isnan(true).any(axis=1)
        yield true[known], said[known]


def test_a_smaller_difference_takes_more_clips_and_its_own_is_asked_by_default():
    target, better = sample(clips=200)
    found = compare(target, better, better + np.random.default_rng(0).normal(0, 0.3, better.shape), resamples=300)
    assert found.clips_to_tell() == found.clips_to_tell(found.difference) > 0
    assert found.clips_to_tell(found.difference / 2) == pytest.approx(4 * found.clips_to_tell(), rel=0.05)
    assert found.clips_to_tell(power=0.9) > found.clips_to_tell()
