"""Metrics against SciPy and against definitions written the slow way; losses against their gradients."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from mimetic.records import UnknownName, UsageError
from mimetic.scores import AGREEMENTS, ERRORS, METRICS, ccc, huber, mae, mean_pearson, mixture, mse, pearson

every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


def pair(clips=40, targets=3, seed=0):
    draw = np.random.default_rng(seed)
    target = draw.random((clips, targets))
    return target, 0.4 * target + 0.5 * draw.random((clips, targets))


def tensors(*arrays, dtype=torch.float64):
    return tuple(torch.tensor(array, dtype=dtype) for array in arrays)


def slow_ccc(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    cov = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / len(x)
    var_x = sum((a - mean_x) ** 2 for a in x) / len(x)
    var_y = sum((b - mean_y) ** 2 for b in y) / len(y)
    return 2 * cov / (var_x + var_y + (mean_x - mean_y) ** 2)


def slow_deviance(x, y):
    """Twice the difference of log-likelihoods, halved, one clip at a time; every side within its ends."""
    total = 0.0
    for label, share in zip(np.clip(x, 0, 1), np.clip(y, 1e-6, 1 - 1e-6), strict=True):
        total += stats.entropy([label, 1 - label], [share, 1 - share])
    return total / len(x)


SLOW = {
    "pearson": lambda x, y: stats.pearsonr(x, y).statistic,
    "ccc": slow_ccc,
    "mse": lambda x, y: sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / len(x),
    "mae": lambda x, y: sum(abs(a - b) for a, b in zip(x, y, strict=True)) / len(x),
    "deviance": slow_deviance,
    "huber": lambda x, y: float(torch.nn.functional.smooth_l1_loss(*tensors(x, y))),
}


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_each_column_is_what_the_slow_definition_gives(name, scale):
    target, predicted = (scale * values for values in pair())
    slow = [SLOW[name](x, y) for x, y in zip(target.T, predicted.T, strict=True)]
    np.testing.assert_allclose(METRICS[name](target, predicted), slow, rtol=1e-12)


@every_metric
def test_torch_and_numpy_agree(metric):
    target, predicted = pair()
    target[3, 1] = np.nan
    np.testing.assert_allclose(metric(*tensors(target, predicted)).numpy(), metric(target, predicted), rtol=1e-12)


@every_metric
def test_one_dimension_gives_a_number(metric):
    target, predicted = pair()
    columns = metric(target, predicted)
    assert columns.shape == (3,)
    assert np.ndim(metric(target[:, 0], predicted[:, 0])) == 0
    assert metric(target[:, 0], predicted[:, 0]) == pytest.approx(columns[0], rel=1e-12)
    assert metric(*tensors(target[:, 0], predicted[:, 0])).shape == ()


@every_metric
def test_a_missing_label_is_left_out_of_its_column_alone(metric):
    target, predicted = pair()
    full = metric(target, predicted)
    target[[2, 5], 1] = np.nan
    predicted[5, 1] = np.nan  # nothing is asked of it
    kept = ~np.isnan(target[:, 1])
    found = metric(target, predicted)
    assert found[1] == pytest.approx(metric(target[kept, 1], predicted[kept, 1]), rel=1e-12)
    np.testing.assert_array_equal(found[[0, 2]], full[[0, 2]])


@every_metric
def test_a_column_without_labels_is_not_defined(metric):
    target, predicted = pair()
    target[:, 1] = np.nan
    for found in (metric(target, predicted), metric(*tensors(target, predicted)).numpy()):
        np.testing.assert_array_equal(np.isnan(found), [False, True, False])


@every_metric
def test_no_clips_give_nothing_defined(metric):
    assert np.isnan(metric(np.empty((0, 2)), np.empty((0, 2)))).all()


@every_metric
def test_a_prediction_that_is_not_a_number_shows(metric):
    target, predicted = pair()
    predicted[0, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(metric(target, predicted)), [False, True, False])


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -1e9, 1e-300])
@pytest.mark.parametrize("clips", [1, 2, 4588])
def test_a_constant_column_has_no_pearson(constant, clips):
    target, predicted = pair(clips)
    predicted[:, 1] = constant
    for found in (pearson(target, predicted)[1], pearson(predicted, target)[1]):
        assert np.isnan(found)
    assert torch.isnan(pearson(*tensors(target, predicted, dtype=torch.float32))[1])


def test_rounding_noise_is_no_variance():
    target, predicted = pair()
    predicted[:, 1] = 0.3 + np.spacing(0.3) * np.random.default_rng(1).integers(-1, 2, len(target))
    np.testing.assert_array_equal(np.isnan(pearson(target, predicted)), [False, True, False])


def test_a_small_variance_on_a_large_mean_is_one():
    target, predicted = pair()
    np.testing.assert_allclose(pearson(target, 1e6 + 1e-3 * predicted), pearson(target, predicted), rtol=1e-5)
    np.testing.assert_allclose(pearson(target, 1e-100 * predicted), pearson(target, predicted), rtol=1e-12)


def test_one_clip_has_an_error_and_no_correlation():
    target, predicted = np.array([[0.5]]), np.array([[0.2]])
    assert np.isnan(pearson(target, predicted)).all()
    assert np.isnan(ccc(target, predicted)).all()
    assert mse(target, predicted) == pytest.approx(0.09)
    assert mae(target, predicted) == pytest.approx(0.3)


def test_ccc_with_a_constant_side_is_zero_and_with_two_is_not_defined():
    target, predicted = pair()
    target[:, 0] = 0.25
    target[:, 1], predicted[:, 1] = 0.1, 0.1
    found = ccc(target, predicted)
    assert found[0] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found[1])


def test_pearson_ignores_shift_and_scale():
    target, predicted = pair()
    expected = pearson(target, predicted)
    np.testing.assert_allclose(pearson(3 * target - 7, 0.01 * predicted + 40), expected, rtol=1e-9)
    np.testing.assert_allclose(pearson(target, -predicted), -expected, rtol=1e-12)


def test_ccc_of_equals_is_one_and_falls_with_shift_and_scale():
    target, _ = pair()
    np.testing.assert_array_equal(ccc(target, target), 1.0)
    assert (ccc(target, target + 0.1) < 1).all()
    assert (ccc(target, 0.5 * target) < 1).all()


@pytest.mark.parametrize("metric", AGREEMENTS.values(), ids=AGREEMENTS)
def test_an_agreement_is_symmetric_and_within_one(metric):
    target, predicted = pair()
    np.testing.assert_allclose(metric(target, predicted), metric(predicted, target), rtol=1e-12)
    assert (abs(metric(target, target * 3)) <= 1).all()


@pytest.mark.parametrize("metric", ERRORS.values(), ids=ERRORS)
def test_an_error_of_equals_is_zero(metric):
    target, _ = pair()
    np.testing.assert_array_equal(metric(target, target), 0.0)


def test_huber_is_half_the_squared_error_of_labels_within_one():
    target, predicted = pair()
    np.testing.assert_allclose(huber(target, predicted), mse(target, predicted) / 2)


def test_the_mean_pearson_is_over_columns_and_never_over_the_flattened():
    target, predicted = pair()
    target, predicted = target * [1, 10, 100], predicted * [1, 10, 100]
    columns = [stats.pearsonr(x, y).statistic for x, y in zip(target.T, predicted.T, strict=True)]
    assert mean_pearson(target, predicted) == pytest.approx(np.mean(columns))
    assert type(mean_pearson(target, predicted)) is float


def test_one_undefined_column_leaves_no_mean_pearson():
    target, predicted = pair()
    predicted[:, 2] = 0.5
    assert np.isnan(mean_pearson(target, predicted))


@pytest.mark.parametrize("shapes", [((4,), (4, 1)), ((4, 2), (4, 3)), ((4, 2), (3, 2)), ((2, 4, 2), (2, 4, 2))])
def test_shapes_that_do_not_fit_are_told(shapes):
    with pytest.raises(UsageError, match=r"target is \(.*\) and predicted \(.*\. Give both as"):
        pearson(*map(np.zeros, shapes))
    with pytest.raises(UsageError):
        pearson(*map(torch.zeros, shapes))


def test_half_precision_is_computed_in_single():
    target, predicted = pair()
    found = pearson(*tensors(target, predicted, dtype=torch.bfloat16))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), pearson(target, predicted), atol=0.01)
    assert pearson(*tensors(target, predicted, dtype=torch.float32)).dtype == torch.float32


def test_the_metrics_import_no_torch():
    code = "import sys, mimetic.scores as s; s.pearson([0., 1.], [0., 2.]); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ----------------------------------------------------------------------------------------------- losses


@every_metric
def test_gradients_are_those_of_finite_differences(metric):
    target, predicted = tensors(*pair(7))
    target[2, 0] = torch.nan
    assert torch.autograd.gradcheck(lambda values: metric(target, values), predicted.requires_grad_())


def test_the_mixture_is_the_weighted_sum():
    target, predicted = pair()
    expected = 0.7 * np.mean(1 - ccc(target, predicted)) + 0.3 * np.mean(mse(target, predicted))
    loss = mixture({"ccc": 0.7, "mse": 0.3})
    assert float(loss(*tensors(target, predicted))) == pytest.approx(expected, rel=1e-12)
    assert loss(*tensors(target, predicted)).shape == ()


@pytest.mark.parametrize("name", METRICS)
def test_a_column_that_is_not_defined_in_the_batch_is_left_out(name):
    target, predicted = pair()
    fewer = mixture({name: 1.0})(*tensors(target[:, [0, 2]], predicted[:, [0, 2]]))
    target[:, 1] = np.nan
    values, wanted = tensors(target, predicted)
    loss = mixture({name: 1.0})(values, wanted.requires_grad_())
    loss.backward()
    assert loss.item() == pytest.approx(fewer.item(), rel=1e-12)
    assert torch.isfinite(wanted.grad).all()
    assert (wanted.grad[:, 1] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_column_in_the_batch_gives_pearson_no_gradient(dtype):
    target, predicted = tensors(*pair(16), dtype=dtype)
    target[:, 1] = 0.1
    loss = mixture({"pearson": 1.0})(target, predicted.requires_grad_())
    loss.backward()
    assert loss.item() == pytest.approx((1 - pearson(target, predicted))[[0, 2]].mean().item())
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[:, 1] == 0).all()
    assert (predicted.grad[:, [0, 2]] != 0).all()


@pytest.mark.parametrize("clips", [1, 8])
@pytest.mark.parametrize("name", AGREEMENTS)
def test_a_batch_in_which_nothing_is_defined_costs_nothing(name, clips):
    predicted = torch.full((clips, 3), 0.2, requires_grad=True)
    loss = mixture({name: 1.0})(torch.full((clips, 3), 0.7), predicted)
    loss.backward()
    assert loss.item() == 0
    assert (predicted.grad == 0).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-12, 1.0])
def test_a_collapsing_network_keeps_finite_gradients(scale):
    target, predicted = tensors(*pair(16), dtype=torch.float32)
    predicted = (predicted * scale).requires_grad_()
    mixture({"pearson": 0.5, "ccc": 0.5})(target, predicted).backward()
    assert torch.isfinite(predicted.grad).all()


def test_a_loss_never_waits_for_its_device():
    nowhere = torch.empty(16, 3, device="meta")  # has no values: to look at one is an error
    assert mixture(dict.fromkeys(METRICS, 1.0))(nowhere, nowhere).device.type == "meta"


def test_predictions_that_are_not_numbers_do_not_pass_for_a_perfect_loss():
    target, predicted = tensors(*pair())
    assert torch.isnan(mixture({"pearson": 1.0})(target, predicted * torch.nan))


def test_unknown_names_are_told_with_the_nearest():
    with pytest.raises(UnknownName, match=r"no loss 'person'.*pearson"):
        mixture({"person": 1.0})
    with pytest.raises(UsageError, match="at least one term"):
        mixture({})


@every_metric
def test_a_clip_of_weight_two_is_two_clips(metric):
    target, predicted = pair()
    target[3, 1] = np.nan
    weights = np.array([2.0, 1.0, 3.0, 0.0] * 10)
    twice = [np.repeat(side, weights.astype(int), axis=0) for side in (target, predicted)]
    expected = metric(*twice)
    np.testing.assert_allclose(metric(target, predicted, weights), expected, rtol=1e-9)
    np.testing.assert_allclose(metric(*tensors(target, predicted, weights)), expected, rtol=1e-9)
    np.testing.assert_allclose(metric(target[:, 0], predicted[:, 0], weights), expected[0], rtol=1e-9)
    np.testing.assert_allclose(
        metric(target, predicted, weights / 1_000), expected, rtol=1e-6
    )  # only their ratios count


def test_columns_of_a_loss_count_by_their_weight():
    target, predicted = pair()
    each = (target - predicted) ** 2
    loss = mixture({"mse": 1.0}, columns=np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(loss(target, predicted), (each[:, 0].mean() + 3 * each[:, 2].mean()) / 4)
    target[:, 2] = np.nan  # of what is left, the share
    np.testing.assert_allclose(loss(target, predicted), each[:, 0].mean())
    target[:, 0] = np.nan
    assert loss(target, predicted) == 0.0


@pytest.mark.parametrize("columns", [None, np.array([0.25])])
def test_a_loss_of_one_column_is_that_column_s(columns):
    target, predicted = pair(targets=1)
    loss = mixture({"mse": 0.5, "ccc": 2.0}, columns=columns)
    expected = 0.5 * mse(target, predicted)[0] + 2.0 * (1 - ccc(target, predicted)[0])
    np.testing.assert_allclose(loss(target, predicted), expected)


@pytest.mark.parametrize("metric", ERRORS.values(), ids=ERRORS)
def test_clips_that_do_not_count_cost_nothing(metric):
    target, predicted = pair()
    assert (metric(target, predicted, np.zeros(len(target))) == 0).all()
