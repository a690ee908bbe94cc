"""How fast a network learns from step to step, and when it has learned: validation scores in, rates and the end out."""

from __future__ import annotations

import math

import torch

from mimetic.recipes import Fit
from mimetic.records import Json

IMPROVEMENT = 1e-4
"""What a validation score must gain to count as better."""


class Rates:
    """Moves an optimiser's rates: halved where validation stands still, or along a half cosine after a warm-up."""

    def __init__(self, optimiser: torch.optim.Optimizer, fit: Fit, *, steps: int) -> None:
        self._optimiser, self._fit, self._steps = optimiser, fit, steps
        self._full = [float(group["lr"]) for group in optimiser.param_groups]
        self._step = 0
        self._best = -math.inf
        self._stale = self._waited = 0

    @property
    def state(self) -> Json:
        """Where it stands, to be gone on from."""
        return {
            "full": self._full,
            "step": self._step,
            "best": self._best,
            "stale": self._stale,
            "waited": self._waited,
        }

    @state.setter
    def state(self, told: Json) -> None:
        self._full, self._step = told["full"], told["step"]
        self._best, self._stale, self._waited = told["best"], told["stale"], told["waited"]
        self._set(1.0)

    @property
    def stop(self) -> bool:
        """Whether it has been without a better score for as long as it may be."""
        return self._waited >= self._fit.patience

    def step(self) -> None:
        """Set the rates of the step that follows."""
        if self._fit.schedule == "cosine":
            self._set(_cosine(self._step, warmup=self._fit.warmup * self._steps, end=self._fit.epochs * self._steps))
        self._step += 1

    def judge(self, score: float | None) -> bool:
        """Take an epoch's validation score; tell whether it is the best so far. The first one always is."""
        score = -math.inf if score is None else score
        if score > self._best + IMPROVEMENT or self._step <= self._steps:
            self._best, self._stale, self._waited = score, 0, 0
            return True
        self._stale, self._waited = self._stale + 1, self._waited + 1
        if self._fit.schedule == "plateau" and self._stale > self._fit.plateau:
            self._stale = 0
            self._full = [0.5 * rate for rate in self._full]
            self._set(1.0)
        return False

    def _set(self, share: float) -> None:
        for group, full in zip(self._optimiser.param_groups, self._full, strict=True):
            group["lr"] = share * full


def _cosine(step: int, *, warmup: float, end: int) -> float:
    """Give the share of the full rate: rising in a line to 1, then falling along half a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, end - warmup)))
