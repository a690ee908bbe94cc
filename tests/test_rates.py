"""Rates fall where they should, and a training ends when it has learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mimetic.recipes import Fit
from mimetic.training.rates import Rates

STEPS = 10


def rates(fit: Fit) -> tuple[Rates, torch.optim.Optimizer]:
    optimiser = torch.optim.SGD(
        [
            {"params": [torch.zeros(1, requires_grad=True)], "lr": 1.0},
            {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.05},
        ]
    )
    return Rates(optimiser, fit, steps=STEPS), optimiser


def run(fit: Fit, scores: list[float | None]) -> tuple[list[float], list[bool]]:
    """Go through epochs with these scores; give the rate of each epoch's last step and which were the best."""
    moved, optimiser = rates(fit)
    told, best = [], []
    for score in scores:
        for _ in range(STEPS):
            moved.step()
        told.append(optimiser.param_groups[0]["lr"])
        assert optimiser.param_groups[1]["lr"] == pytest.approx(0.05 * told[-1])
        best.append(moved.judge(score))
        if moved.stop:
            break
    return told, best


def test_the_plateau_is_torch_s() -> None:
    scores = [0.1, 0.2, 0.2, 0.19, 0.2, 0.2, 0.2, 0.3, *[0.3] * 9]
    told, _ = run(Fit(plateau=3, patience=99), scores)
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        theirs, mode="max", factor=0.5, patience=3, threshold=1e-4, threshold_mode="abs"
    )
    expected = []
    for score in scores:
        expected.append(theirs.param_groups[0]["lr"])
        plateau.step(score)
    assert told == expected
    assert min(told) < 1.0


def test_a_training_ends_after_its_patience_and_a_gain_within_noise_is_none() -> None:
    _, best = run(Fit(patience=3), [0.1, 0.2, 0.20005, 0.2, 0.2, 0.9])
    assert best == [True, True, False, False, False]


def test_a_cosine_rises_in_a_line_and_falls_to_nothing() -> None:
    told, _ = run(Fit(epochs=5, warmup=1, schedule="cosine", patience=99), [None] * 5)
    assert told[0] == pytest.approx(1.0)
    assert np.all(np.diff(told) < 0)
    assert 0 < told[-1] < 0.01


def test_at_a_fifth_of_a_cosine_nearly_all_of_the_rate_is_left() -> None:
    told, _ = run(Fit(epochs=50, warmup=1, schedule="cosine", patience=99), [None] * 10)
    assert told[9] == pytest.approx(0.92, abs=0.01)
