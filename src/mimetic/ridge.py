"""Linear regression with a penalty, for every penalty at once: columns and labels in, weights and fair predictions out.

``minimise |y - Xw - b|^2 + alpha |w|^2`` (Hoerl and Kennard 1970, Technometrics 12:55), each target with the alpha that
has the least squared error over folds; of very many columns, on one of them. Normal equations are added up once, and a
fold's share is taken off: so a fold costs one factorisation an alpha, of columns or of clips, whichever are fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix, issparse

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Matrix = Any
"""``(clip, column)``: a dense array of floats, or a sparse one in rows."""

PENALTIES = np.logspace(-2, 3, 9)
"""Alphas as shares of the mean squared length of a clip's row, so that they suit any number and scale of columns."""

AT_ONCE = 4096
"""Rows whose products are added up in float32, before the sums are in float64."""

WIDE = 2_048
"""Dense columns (and clips) above which one fold alone chooses the alphas: a solution costs their cube."""

FEW = 3_000
"""Clips up to which sparse columns are solved through the products of all pairs of clips."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ridge:
    """A fitted regression: ``weights`` ``(column, target)``, ``intercept`` and ``alphas`` ``(target,)``."""

    weights: Floats
    intercept: Floats
    alphas: Floats

    def predict(self, values: Matrix) -> Floats:
        """Give ``(clip, target)``."""
        predicted: Floats = values @ self.weights + self.intercept
        return predicted


def fit_ridge(values: Matrix, labels: Floats, folds: Rows) -> tuple[Ridge, Floats]:
    """Fit one regression a target, and predict each fold from the others.

    Parameters
    ----------
    values
        ``(clip, column)``, without NaN. Dense columns are standardised over all clips first; sparse ones stay.
    labels
        ``(clip, target)``; NaN where nobody said: the clip is then left out of that target.
    folds
        ``(clip,)`` numbers from 0. Clips of one person, or script, belong into one fold.

    Returns
    -------
    the regression fitted on all labelled clips, and ``(clip, target)`` predictions of each clip by one that has not
    seen its fold (of all clips, labelled or not).
    """
    centre, scale = _scaling(values)
    scaled = values if issparse(values) else ((values - centre) / scale).astype(np.float32)
    weights = np.zeros((values.shape[1], labels.shape[1]))
    intercept, alphas = np.zeros(labels.shape[1]), np.zeros(labels.shape[1])
    predicted = np.zeros(labels.shape)
    for columns, known in _patterns(labels):
        of_them = _fit_known(scaled, labels[:, columns], folds, known)
        weights[:, columns], intercept[columns], alphas[columns], predicted[:, columns] = of_them
    weights /= scale[:, None]
    return Ridge(weights=weights, intercept=intercept - centre @ weights, alphas=alphas), predicted


def _scaling(values: Matrix) -> tuple[Floats, Floats]:
    """Give mean and deviation of each column, ``(column,)``; 0 and 1 where they are to stay as they are."""
    if issparse(values):
        return np.zeros(values.shape[1]), np.ones(values.shape[1])
    deviation = values.std(axis=0, dtype=np.float64)
    return values.mean(axis=0, dtype=np.float64), np.where(deviation > 1e-9, deviation, 1.0)


def _patterns(labels: Floats) -> Iterator[tuple[list[int], Rows]]:
    """Yield targets that are known of the same clips together, with those clips; a target without labels is left 0."""
    together: dict[bytes, list[int]] = {}
    for column, known in enumerate((~np.isnan(labels)).T):
        together.setdefault(known.tobytes(), []).append(column)
    for columns in together.values():
        known = np.flatnonzero(~np.isnan(labels[:, columns[0]]))
        if len(known):
            yield columns, known


def _fit_known(values: Matrix, labels: Floats, folds: Rows, known: Rows) -> tuple[Floats, Floats, Floats, Floats]:
    """Fit targets that are known of the same clips: weights, intercept, alphas, and predictions of every clip."""
    system = _system(values[known], labels[known])
    alphas = PENALTIES * max(_mean_square(values[known]), 1e-9)

    def guess(fold: int, alphas: Floats) -> Floats:
        weights, intercept = system.solve(np.flatnonzero(folds[known] == fold), alphas)
        rows = values[folds == fold].astype(np.float64)
        return np.stack([rows @ weight + constant for weight, constant in zip(weights, intercept, strict=True)])

    guesses = {fold: guess(fold, alphas) for fold in _judges(values, folds, known)}
    best = np.sum([_errors(guesses[fold], labels[folds == fold]) for fold in guesses], axis=0).argmin(axis=0)
    chosen, places = np.unique(best, return_inverse=True)
    targets, predicted = np.arange(labels.shape[1]), np.zeros(labels.shape)
    for fold in np.unique(folds).tolist():
        found = guesses[fold][chosen] if fold in guesses else guess(fold, alphas[chosen])
        predicted[folds == fold] = found[places, :, targets].T
    weights, intercept = system.solve(np.zeros(0, np.intp), alphas[chosen])
    return weights[places, :, targets].T, intercept[places, targets], alphas[best], predicted


def _judges(values: Matrix, folds: Rows, known: Rows) -> list[int]:
    """Name the folds that choose the alphas: all, or where each solution takes long, the one of the most labels."""
    numbers, counts = np.unique(folds[known], return_counts=True)
    slow = not issparse(values) and min(len(known), values.shape[1]) > WIDE
    chosen: list[int] = numbers[[counts.argmax()]].tolist() if slow else numbers.tolist()
    return chosen


def _errors(guesses: Floats, labels: Floats) -> Floats:
    """Add up squared errors, ``(alpha, target)``; a clip without a label counts nothing."""
    errors: Floats = np.nan_to_num((guesses - labels) ** 2).sum(axis=1)
    return errors


def _mean_square(values: Matrix) -> float:
    """Give the mean squared distance of rows from their mean."""
    squares = values.multiply(values) if issparse(values) else np.square(values, dtype=np.float64)
    mean = np.asarray(values.mean(axis=0), dtype=np.float64).ravel()
    return float(squares.sum() / values.shape[0] - mean @ mean)


# --------------------------------------------------------------------------------------------- solvers


class _System(Protocol):
    def solve(self, held: Rows, alphas: Floats) -> tuple[Floats, Floats]:
        """Fit all clips but those held out: ``(alpha, column, target)`` weights and ``(alpha, target)`` intercepts."""


def _system(values: Matrix, labels: Floats) -> _System:
    clips, columns = values.shape
    if issparse(values):
        return _Pairs(values, labels) if clips <= FEW else _Steps(values, labels)
    return _Columns(values, labels) if columns <= clips else _Pairs(values, labels)


class _Columns:
    """The normal equations, ``(column, column)``: for more clips than columns."""

    def __init__(self, values: Matrix, labels: Floats) -> None:
        self._values, self._labels = values, labels
        self._all = _moments(values, labels)

    def solve(self, held: Rows, alphas: Floats) -> tuple[Floats, Floats]:
        """Take the held clips' share off, centre, and solve."""
        own = _moments(self._values[held], self._labels[held])
        clips, sums, label_sums, gram, cross = (a - b for a, b in zip(self._all, own, strict=True))
        mean, level = sums / clips, label_sums / clips
        gram = gram - np.outer(mean, sums)
        cross = cross - np.outer(mean, label_sums)
        weights = np.stack([_solve(gram, cross, alpha) for alpha in alphas])
        return weights, level - mean @ weights


def _moments(values: Matrix, labels: Floats) -> tuple[Any, ...]:
    """Add up, over clips: 1, x, y, x x', x y'."""
    columns, targets = values.shape[1], labels.shape[1]
    gram, cross, sums = np.zeros((columns, columns)), np.zeros((columns, targets)), np.zeros(columns)
    for start in range(0, len(values), AT_ONCE):
        rows = values[start : start + AT_ONCE]
        gram += rows.T @ rows
        cross += rows.T @ labels[start : start + AT_ONCE]
        sums += rows.sum(axis=0, dtype=np.float64)
    return float(len(values)), sums, labels.sum(axis=0), gram, cross


def _solve(gram: Floats, cross: Floats, alpha: float) -> Floats:
    """Solve ``(gram + alpha) w = cross``."""
    penalised = gram.copy()
    penalised.flat[:: len(gram) + 1] += alpha
    factor = cho_factor(penalised, lower=True, overwrite_a=True, check_finite=False)
    solution: Floats = cho_solve(factor, cross, check_finite=False)
    return solution


class _Pairs:
    """The dual, ``(clip, clip)``: for more columns than clips. The weights are then sums of clips' rows."""

    def __init__(self, values: Matrix, labels: Floats) -> None:
        self._values = values.astype(np.float64)
        self._labels = labels
        products = self._values @ self._values.T
        self._products: Floats = products.toarray() if issparse(products) else products

    def solve(self, held: Rows, alphas: Floats) -> tuple[Floats, Floats]:
        """Centre the products of the other clips, and solve."""
        kept = np.setdiff1d(np.arange(len(self._labels)), held)
        products, labels = self._products[np.ix_(kept, kept)], self._labels[kept]
        mean = products.mean(axis=0)
        centred = products - mean - mean[:, None] + mean.mean()
        level = labels.mean(axis=0)
        shares = np.hstack([_solve(centred, labels - level, alpha) for alpha in alphas])
        values = self._values[kept]
        weights = (values.T @ shares).reshape(values.shape[1], len(alphas), -1).transpose(1, 0, 2)
        return weights, level - np.asarray(values.mean(axis=0)).ravel() @ weights


class _Steps:
    """Conjugate gradients: for sparse columns of many clips."""

    def __init__(self, values: csr_matrix, labels: Floats) -> None:
        self._values, self._labels = values.astype(np.float64), labels

    def solve(self, held: Rows, alphas: Floats) -> tuple[Floats, Floats]:
        """Fit each alpha by itself."""
        from sklearn.linear_model import Ridge as Regression

        kept = np.setdiff1d(np.arange(len(self._labels)), held)
        fits = [Regression(alpha=alpha, solver="sparse_cg", tol=1e-4) for alpha in alphas]
        for fit in fits:
            fit.fit(self._values[kept], self._labels[kept])
        return np.stack([fit.coef_.T for fit in fits]), np.stack([fit.intercept_ for fit in fits])
