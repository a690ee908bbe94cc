"""Many models as one: folds, mixtures, calibration, and intervals that hold what they promise."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mimetic.records import BadData, BadRun
from mimetic.runs import Outcome
from mimetic.scores import pearson
from mimetic.stacking import (
    MIXTURES,
    Margins,
    calibrate,
    choose_mixture,
    conformal,
    deal_folds,
    fit_mixture,
    join_folds,
    predict_out_of_fold,
)


def test_groups_stay_together_and_folds_are_of_like_size() -> None:
    groups = np.random.default_rng(0).integers(0, 40, size=300)
    folds = deal_folds(groups, 5)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert np.ptp(np.bincount(folds)) <= 10
    np.testing.assert_array_equal(folds, deal_folds(groups, 5))
    assert (folds != deal_folds(np.arange(300), 5)).any()
    with pytest.raises(BadData, match="1 groups"):
        deal_folds(np.zeros(10), 5)


def test_fewer_groups_than_folds_make_fewer_folds() -> None:
    assert sorted(set(deal_folds([7, 7, 8], 5).tolist())) == [0, 1]


def test_nobody_predicts_a_clip_that_it_has_seen() -> None:
    folds = deal_folds(np.arange(20), 4)

    def fit_predict(learn: np.ndarray, held: np.ndarray) -> np.ndarray:
        assert not set(learn) & set(held)
        return np.full((len(held), 1), float(len(learn)))

    assert predict_out_of_fold(fit_predict, folds).tolist() == [[15.0]] * 20


def noisy(clips: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three models of two targets: a good one, one that knows something else, and noise."""
    draw = np.random.default_rng(seed)
    one, other = draw.normal(size=(2, clips, 2))
    labels = 5 + one + other + 0.5 * draw.normal(size=(clips, 2))
    return np.stack([one, 0.3 * other + 2, draw.normal(size=(clips, 2))]), labels


@pytest.mark.parametrize("how", MIXTURES)
def test_a_mixture_is_better_than_its_members(how: str) -> None:
    members, labels = noisy()
    fresh, others = noisy(seed=1)
    mixed = fit_mixture(members, labels, how).mix(fresh)
    assert pearson(others, mixed).mean() > max(pearson(others, one).mean() for one in fresh)
    assert abs(mixed.mean() - others.mean()) < 0.5


def test_weights_are_never_negative_where_they_must_not_be() -> None:
    members, labels = noisy()
    assert (fit_mixture(np.stack([*members, -members[0]]), labels).weights >= 0).all()


def test_a_missing_label_is_left_out_and_a_target_that_nobody_knows_keeps_an_order() -> None:
    members, labels = noisy()
    labels[::2, 0] = np.nan
    labels[:, 1] = 3.0
    mixture = fit_mixture(members, labels)
    assert np.isfinite(mixture.mix(members)).all()
    assert mixture.mix(members)[:, 1].std() > 0
    np.testing.assert_allclose(mixture.mix(members)[:, 1].mean(), 3.0)


def test_the_choice_is_the_best_member_where_no_mixture_beats_it() -> None:
    draw = np.random.default_rng(0)
    labels = draw.normal(size=(200, 1))
    members = np.stack([labels + 0.01 * draw.normal(size=labels.shape), draw.normal(size=labels.shape)])
    folds = deal_folds(np.arange(200), 5)
    best, _, fair, scores = choose_mixture(members, labels, folds)
    assert scores[best] == max(scores.values())
    assert scores[best] >= scores["0"]
    assert pearson(labels, fair)[0] > 0.99


def test_calibration_leaves_pearson_as_it_is() -> None:
    draw = np.random.default_rng(0)
    labels = draw.normal(size=(300, 2))
    predicted = np.stack([0.1 * labels[:, 0] + 0.1 * draw.normal(size=300), 50 - labels[:, 1]], axis=1)
    slope, intercept = calibrate(labels, predicted)
    assert (slope > 0).all()
    np.testing.assert_allclose(pearson(labels, slope * predicted + intercept), pearson(labels, predicted))
    assert ((slope * predicted + intercept - labels) ** 2).mean(axis=0)[0] < ((predicted - labels) ** 2).mean(axis=0)[0]


def test_nine_in_ten_new_labels_lie_within_their_interval() -> None:
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        labels = draw.exponential(size=(150, 2))
        margins = conformal(labels[:100], np.full((100, 2), 0.5), source="test")
        ends = margins.around(np.full((50, 2), 0.5))
        covered.append(((labels[100:] >= ends[..., 0]) & (labels[100:] <= ends[..., 1])).mean(axis=0))
    np.testing.assert_allclose(np.mean(covered, axis=0), [0.9, 0.9], atol=0.02)


def test_intervals_end_where_the_scale_ends() -> None:
    draw = np.random.default_rng(0)
    shares, scale, free = draw.random(60), draw.integers(1, 8, size=60), draw.normal(size=60)
    margins = conformal(np.stack([shares, scale, free], axis=1), draw.normal(size=(60, 3)), source="test")
    assert (margins.low[:2], margins.high[:2]) == ((0.0, 1.0), (1.0, 7.0))
    assert margins.high[2] == np.inf
    assert Margins.from_json(json.loads(json.dumps(margins.as_json()))) == margins


def test_too_few_residuals_promise_nothing() -> None:
    assert conformal(np.zeros((5, 1)), np.ones((5, 1)), source="test").half == (np.inf,)


def outcome(parts: str) -> Outcome:
    rows = np.arange(len(parts), dtype=float)[:, None]
    names = {"t": "train", "v": "valid"}
    ids = tuple(map(str, range(len(parts))))
    return Outcome(
        clips=ids,
        parts=tuple(names[p] for p in parts),
        true=rows,
        predicted=-rows,
        presence=np.ones((len(parts), 1), bool),
    )


def test_runs_on_folds_become_predictions_of_all_clips() -> None:
    joined = join_folds([outcome("vvtt"), outcome("ttvv")])
    assert joined.clips == ("0", "1", "2", "3")
    with pytest.raises(BadRun, match="each clip once"):
        join_folds([outcome("vvtt"), outcome("tvvt")])
