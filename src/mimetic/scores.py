"""``metric(target, predicted)``: arrays ``(clip, target)`` in, one number a target out; ``(clip,)`` in, one number out.

The loss and the metric are the same code: every function takes numpy arrays (computed in float64) and torch tensors
(differentiable, on their device, never waiting for it), and this file imports no torch. A missing label (NaN) is left
out of its column. What is not defined is NaN, never zero: a correlation with a constant, an error over no clips.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mimetic.records import UsageError, find

Array = Any
"""A numpy array or a torch tensor; both arguments of a metric are of one kind."""

Metric = Callable[..., Array]
"""Takes target, predicted and, where some clips count more than others, their weights ``(clip,)``."""

_NOISE = 4.0
"""A column is constant if its deviation is below so many units of rounding (epsilon) of its root mean square."""


# -------------------------------------------------------------------------------------------- agreement


def pearson(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give Pearson's correlation of each column: the challenge's measure.

    ``target`` and ``predicted`` are ``(clip,)`` or ``(clip, target)``, ``weights`` ``(clip,)``: a clip of weight 2
    counts as two. NaN where either side is constant: exactly, or up to rounding (a standard deviation below four units
    of rounding of the column's own size). The formula is the two-pass one, so a large mean costs no digits.

    >>> round(float(pearson([0.0, 0.5, 1.0], [0.1, 0.4, 0.5])), 4)
    0.9608
    >>> float(pearson([0.0, 0.5, 1.0], [0.2, 0.2, 0.2]))
    nan

    Raises
    ------
    UsageError
        if the shapes differ, or have more than two dimensions.
    """
    target, predicted, known = _columns(target, predicted)
    x, y = _centred(target, known, weights), _centred(predicted, known, weights)
    defined = _varies(x, target) & _varies(y, predicted)
    # Where undefined, the root is taken of 1: its gradient stays finite, and is then multiplied by zero.
    spread_x = _where(defined, _sum(x * x, weights), 1.0) ** 0.5
    spread_y = _where(defined, _sum(y * y, weights), 1.0) ** 0.5
    r = (_sum(x * y, weights) / spread_x / spread_y).clip(-1.0, 1.0)
    return _where(defined, r, float("nan"))[()]


def ccc(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give Lin's concordance of each column, with population variances.

    ``2 cov / (var_target + var_predicted + (mean_target - mean_predicted)^2)`` (Lin 1989, Biometrics 45:255): Pearson's
    correlation, lowered by what differs in scale and in mean. NaN where both sides are constant; where only one is, it
    is 0 by the formula. Arguments are ``pearson``'s.

    >>> round(float(ccc([0.0, 0.5, 1.0], [0.5, 1.0, 1.5])), 4)
    0.5714

    Raises
    ------
    UsageError
        if the shapes differ, or have more than two dimensions.
    """
    target, predicted, known = _columns(target, predicted)
    x, y = _centred(target, known, weights), _centred(predicted, known, weights)
    defined = _varies(x, target) | _varies(y, predicted)
    count = _count(known, weights)
    gap = _sum(target - predicted, weights) / count
    total = _where(defined, _sum(x * x + y * y, weights) / count + gap * gap, 1.0)
    return _where(defined, 2.0 * _sum(x * y, weights) / count / total, float("nan"))[()]


def mean_pearson(target: Array, predicted: Array) -> float:
    """Give the challenge's score: the mean of the columns' correlations.

    NaN if any column's is undefined: counting it as zero, or leaving it out, would score another task. (The
    correlation of the flattened arrays is another measure, and not this one.)
    """
    return float(pearson(target, predicted).mean())


# ------------------------------------------------------------------------------------------------ error


def mse(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give the mean squared error of each column; NaN where no label is known."""
    target, predicted, known = _columns(target, predicted)
    return _mean((target - predicted) ** 2, known, weights)


def mae(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give the mean absolute error of each column; NaN where no label is known."""
    target, predicted, known = _columns(target, predicted)
    return _mean(abs(target - predicted), known, weights)


def huber(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give the Huber error of each column, with its corner at 1; NaN where no label is known.

    Half the square of small differences, ``|d| - 1/2`` of those above 1: smooth L1, as torch has it. On labels within
    [0, 1] it is half the squared error; it earns its place on ratings of 0 to 100.
    """
    target, predicted, known = _columns(target, predicted)
    size = abs(target - predicted)
    small = size.clip(None, 1.0)
    return _mean(small * (size - 0.5 * small), known, weights)


def deviance(target: Array, predicted: Array, weights: Array = None) -> Array:
    """Give half the binomial deviance of each column; NaN where no label is known.

    ``y log(y / p) + (1 - y) log((1 - y) / (1 - p))``, McCullagh and Nelder 1989, section 4.4.4: 0 where y is p. Of
    labels that are shares of raters, with their number as weight, the likelihood itself. Both sides are shares: what
    lies outside 0 and 1 counts as its end.
    """
    target, predicted, known = _columns(target, predicted)
    y, p = target.clip(0.0, 1.0), predicted.clip(_SURE, 1.0 - _SURE)
    return _mean((_relative(y, p) + _relative(1.0 - y, 1.0 - p)) * known, known, weights)


def _relative(y: Array, p: Array) -> Array:
    """Give ``y log(y / p)``, 0 where y is."""
    log = np.log if isinstance(y, np.ndarray | np.generic) else sys.modules["torch"].log
    return y * (log(_where(y > 0, y, 1.0)) - log(p))


_SURE = 1e-6
"""No predicted share is surer than this: the deviance of a single clip stays below 14."""

# ----------------------------------------------------------------------------------------------- tables

AGREEMENTS: dict[str, Metric] = {"pearson": pearson, "ccc": ccc}
"""More is better, 1 is the best; they enter a loss as ``1 - r``."""

ERRORS: dict[str, Metric] = {"mse": mse, "mae": mae, "huber": huber, "deviance": deviance}
"""Less is better, 0 is the best."""

METRICS: dict[str, Metric] = {**AGREEMENTS, **ERRORS}
"""Every name that a loss may be mixed from."""


def mixture(weights: Mapping[str, float], *, columns: Array = None) -> Metric:
    """Give the loss that is a weighted sum of metrics, such as the poster's ``{"ccc": 0.7, "mse": 0.3}``.

    Each term is averaged over the columns in which it is defined: a column that is constant in a batch, or has no label
    in it, is left out. Without any, the term is 0 with a gradient of zero. Nothing waits for the device.

    Parameters
    ----------
    weights
        of the metrics.
    columns
        ``(target,)`` how much each column counts, if not all the same.

    Raises
    ------
    UnknownName
        if a name is not in ``METRICS``.
    UsageError
        if there is no term at all.
    """
    if not weights:
        raise UsageError("a loss needs at least one term", remedy=f"There are: {', '.join(METRICS)}.")
    terms = {name: find(METRICS, name, "loss") for name in weights}

    def loss(target: Array, predicted: Array, clips: Array = None) -> Array:
        values = {name: metric(target, predicted, clips) for name, metric in terms.items()}
        costs = {name: 1.0 - value if name in AGREEMENTS else value for name, value in values.items()}
        total = sum(weights[name] * _mean_defined(cost, columns) for name, cost in costs.items())
        # Predictions that are NaN must not pass for columns that are left out: they are added, times nothing.
        return total + 0.0 * _columns(target, predicted)[1].sum()

    return loss


def _mean_defined(values: Array, columns: Array) -> Array:
    defined = values == values
    if columns is None:
        return _where(defined, values, 0.0).sum() / defined.sum().clip(1)
    total = (defined * columns).sum()
    return (_where(defined, values, 0.0) * columns).sum() / _where(total > 0, total, 1.0)


# --------------------------------------------------------------------------------- for numpy and torch


def _columns(target: Array, predicted: Array) -> tuple[Array, Array, Array]:
    """Give target, predicted and which labels are known, along ``clip`` first; what is unknown is 0 in both."""
    target, predicted = _floating(target), _floating(predicted)
    if target.shape != predicted.shape or target.ndim not in (1, 2):
        message = f"target is {tuple(target.shape)} and predicted {tuple(predicted.shape)}"
        raise UsageError(message, remedy="Give both as (clip,) or both as (clip, target).")
    known = target == target
    return _where(known, target, 0.0), _where(known, predicted, 0.0), known


def _floating(values: Array) -> Array:
    """Give a tensor in its own precision, single at least; anything else as a float64 array."""
    torch = sys.modules.get("torch")  # where nothing has imported it, nothing is a tensor
    if torch is None or not isinstance(values, torch.Tensor):
        return np.asarray(values, dtype=np.float64)
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def _where(condition: Array, values: Array, otherwise: float) -> Array:
    if isinstance(values, np.ndarray | np.generic):
        return np.where(condition, values, otherwise)
    return values.where(condition, otherwise)


def _sum(values: Array, weights: Array) -> Array:
    """Add up each column, every clip by its weight if they have any."""
    if weights is None:
        return values.sum(0)
    return (values * (weights if values.ndim == 1 else weights[:, None])).sum(0)


def _count(known: Array, weights: Array) -> Array:
    """Give what the sum of each column's known values is divided by for their mean; 1 where there are none."""
    count = _sum(known, weights)
    return count.clip(1) if weights is None else _where(count > 0, count, 1.0)


def _mean(values: Array, known: Array, weights: Array) -> Array:
    """Average the known values of each column (the others are 0)."""
    return _where(known.sum(0) > 0, _sum(values, weights) / _count(known, weights), float("nan"))[()]


def _centred(values: Array, known: Array, weights: Array) -> Array:
    """Take each column's mean off; 0 where unknown.

    Twice: the first mean is off by its own rounding, which would make a constant column seem to vary.
    """
    count = _count(known, weights)
    for _ in range(2):
        values = (values - _sum(values, weights) / count) * known
    return values


def _varies(centred: Array, values: Array) -> Array:
    """Tell which columns vary by more than the rounding of their values, and by enough to divide by."""
    finfo = np.finfo if isinstance(values, np.ndarray) else sys.modules["torch"].finfo
    precision = finfo(values.dtype)
    noise = (_NOISE * float(precision.eps)) ** 2 * (values**2).sum(0)
    return (centred**2).sum(0) > noise + float(precision.tiny)
