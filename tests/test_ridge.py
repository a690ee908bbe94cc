"""Ridge regression: as scikit-learn's, by every way to solve it; and fair."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge as Regression

import mimetic.ridge as module
from mimetic.ridge import fit_ridge


def made(clips: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(clips, columns)) * draw.uniform(0.1, 5, columns) + 3
    labels = (values - 3)[:, :4] @ draw.normal(size=(4, 2)) + draw.normal(size=(clips, 2))
    return values, labels, np.arange(clips) % 5


@pytest.mark.parametrize(("clips", "columns"), [(120, 10), (60, 200)])
def test_weights_and_held_out_predictions_are_scikit_learn_s(clips: int, columns: int) -> None:
    values, labels, folds = made(clips, columns)
    found, predicted = fit_ridge(values, labels, folds)
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    for target, alpha in enumerate(found.alphas):
        whole = Regression(alpha=alpha).fit(scaled, labels[:, target])
        np.testing.assert_allclose(found.predict(values)[:, target], whole.predict(scaled), atol=1e-4)
        for fold in range(5):
            part = Regression(alpha=alpha).fit(scaled[folds != fold], labels[folds != fold, target])
            np.testing.assert_allclose(predicted[folds == fold, target], part.predict(scaled[folds == fold]), atol=1e-4)


def test_sparse_columns_are_solved_alike_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels, folds = made(80, 30)
    sparse = csr_matrix(np.where(np.abs(values) > 4, values, 0.0))
    by_pairs = fit_ridge(sparse, labels, folds)
    monkeypatch.setattr(module, "FEW", 10)
    by_steps = fit_ridge(sparse, labels, folds)
    np.testing.assert_allclose(by_pairs[0].alphas, by_steps[0].alphas)
    np.testing.assert_allclose(by_pairs[1], by_steps[1], atol=0.02)


def test_a_missing_label_leaves_its_clip_out_of_that_target_alone() -> None:
    values, labels, folds = made(100, 8)
    gappy = labels.copy()
    gappy[::3, 1] = np.nan
    whole, _ = fit_ridge(values, labels, folds)
    found, predicted = fit_ridge(values, gappy, folds)
    known, _ = fit_ridge(values[~np.isnan(gappy[:, 1])], labels[~np.isnan(gappy[:, 1])], folds[~np.isnan(gappy[:, 1])])
    np.testing.assert_allclose(found.weights[:, 0], whole.weights[:, 0])
    np.testing.assert_allclose(found.alphas[1], known.alphas[1], rtol=0.2)
    assert np.isfinite(predicted).all()


def test_a_constant_column_and_a_target_without_labels_do_no_harm() -> None:
    values, labels, folds = made(50, 6)
    values[:, 2], labels[:, 1] = 7.0, np.nan
    found, predicted = fit_ridge(values, labels, folds)
    assert found.weights[2, 0] == pytest.approx(0, abs=1e-9)
    assert not found.weights[:, 1].any()
    assert np.isfinite(predicted).all()


def test_held_out_predictions_do_not_know_their_own_labels() -> None:
    values, labels, folds = made(100, 8)
    _, predicted = fit_ridge(values, labels, folds)
    changed = labels.copy()
    changed[folds == 2] += 100 * np.random.default_rng(1).normal(size=changed[folds == 2].shape)
    alphas, again = fit_ridge(values, changed, folds)
    same = np.isclose(alphas.alphas, fit_ridge(values, labels, folds)[0].alphas)
    np.testing.assert_allclose(again[folds == 2][:, same], predicted[folds == 2][:, same])


def test_of_very_many_columns_one_fold_chooses_and_the_rest_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels, folds = made(150, 60)
    labels[::7, 1] = np.nan
    all_choose, predicted = fit_ridge(values, labels, folds)
    monkeypatch.setattr(module, "WIDE", 50)
    one_chooses, quickly = fit_ridge(values, labels, folds)
    same = all_choose.alphas == one_chooses.alphas
    assert same.any()
    np.testing.assert_allclose(quickly[:, same], predicted[:, same], atol=1e-9)
    np.testing.assert_allclose(one_chooses.weights[:, same], all_choose.weights[:, same], atol=1e-9)
    assert np.isfinite(quickly).all()
