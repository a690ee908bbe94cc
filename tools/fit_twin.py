"""Derive the simulated twin's fitted numbers, and print them: biases, scales and correlations of the strengths.

A label is k / n of n raters who each see an emotion with probability Phi(bias + scale * z), z standard normal. The
mean fixes the bias for any scale; the scale is a compromise between the real deviation and the real share of non-zero
labels, in relative terms; and strengths have to correlate more than their labels do, which is solved by quadrature.

    python tools/fit_twin.py
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr, ndtri

from mimetic.datasets.simulated import world

REAL = {
    "Admiration": (0.1785, 0.2497, 0.447),
    "Amusement": (0.1253, 0.2180, 0.364),
    "Determination": (0.0968, 0.1876, 0.325),
    "Empathic Pain": (0.0215, 0.0957, 0.101),
    "Excitement": (0.1420, 0.2284, 0.382),
    "Joy": (0.1157, 0.2125, 0.325),
}
"""Mean, deviation and share of non-zero labels of the real training part."""

LABELS = {
    ("Excitement", "Joy"): 0.229,
    ("Determination", "Joy"): -0.143,
    ("Determination", "Excitement"): -0.132,
    ("Admiration", "Determination"): -0.121,
    ("Amusement", "Determination"): -0.106,
    ("Empathic Pain", "Excitement"): -0.097,
}
"""Correlations of the real labels; all others are below .09 in size."""

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(101)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
RATERS = np.array(world.RATERS)


def bias_of(mean: float, scale: float) -> float:
    """Give the bias at which the mean is right."""
    return float(np.sqrt(1 + scale**2) * ndtri(mean))


def moments(mean: float, scale: float) -> tuple[float, float]:
    """Give the labels' deviation and share above zero."""
    p = ndtr(bias_of(mean, scale) + scale * NODES)
    scatter = (WEIGHTS * p * (1 - p)).sum() * (1 / RATERS).mean()
    spread = (WEIGHTS * p**2).sum() - mean**2
    zero = np.mean([(WEIGHTS * (1 - p) ** n).sum() for n in RATERS])
    return float(np.sqrt(scatter + spread)), float(1 - zero)


def scale_of(emotion: str) -> float:
    """Give the scale between the one that the deviation asks for and the one that the share above zero does."""
    mean, deviation, above = REAL[emotion]

    def misfit(scale: float) -> float:
        found = moments(mean, scale)
        return (found[0] / deviation - 1) ** 2 + (found[1] / above - 1) ** 2

    return float(minimize_scalar(misfit, bounds=(0.3, 2.5), method="bounded").x)


def strengths_correlation(one: str, other: str, wanted: float, scales: dict[str, float]) -> float:
    """Give the correlation of two strengths whose labels correlate as wanted."""
    sides = [(REAL[e][0], bias_of(REAL[e][0], scales[e]), scales[e]) for e in (one, other)]
    deviations = [moments(REAL[e][0], scales[e])[0] for e in (one, other)]

    def labels(r: float) -> float:
        x, y = NODES[:, None], r * NODES[:, None] + np.sqrt(1 - r**2) * NODES[None]
        (m1, b1, s1), (m2, b2, s2) = sides
        joint = (WEIGHTS[:, None] * WEIGHTS[None] * ndtr(b1 + s1 * x) * ndtr(b2 + s2 * y)).sum()
        return float((joint - m1 * m2) / np.prod(deviations) - wanted)

    return float(brentq(labels, -0.999, 0.999))


def main() -> None:
    """Print what ``world.py`` holds, beside what is derived here."""
    scales = {emotion: scale_of(emotion) for emotion in REAL}
    print("emotion          bias   in world     scale   in world   deviation  above 0")  # noqa: T201
    for i, (emotion, scale) in enumerate(scales.items()):
        deviation, above = moments(REAL[emotion][0], scale)
        held = f"{world.BIASES[i]:9.4f} {scale:9.4f} {world.SCALES[i]:9.4f}"
        print(f"{emotion:14} {bias_of(REAL[emotion][0], scale):7.4f} {held} {deviation:9.4f} {above:9.3f}")  # noqa: T201
    for pair, wanted in LABELS.items():
        found = strengths_correlation(*pair, wanted, scales)
        print(f"{' and '.join(pair):30} {found:7.4f}, in world {world.CORRELATED[pair]:7.4f}")  # noqa: T201


if __name__ == "__main__":
    main()
