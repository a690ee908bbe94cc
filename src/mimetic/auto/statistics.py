"""Clip statistics with ridge: the line that any other system has to beat, in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mimetic.auto.members import Arrays, Floats
from mimetic.modalities import Modalities
from mimetic.pooling import Pooling
from mimetic.records import Json
from mimetic.ridge import Ridge, fit_ridge


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Statistics:
    """Mean, deviation, minimum and maximum of each column, and a ridge. What is missing is what the mean clip has."""

    kind: ClassVar[str] = "statistics"
    pooling: Pooling
    fill: NDArray[np.float32]
    ridge: Ridge

    @property
    def name(self) -> str:
        """What it is, and of which modalities."""
        return f"ridge on {' + '.join(name for name, _, _ in self.pooling.blocks)}"

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        return self.ridge.predict(_columns(self.pooling, clips, self.fill))

    def saved(self) -> tuple[Json, Arrays]:
        """Give the blocks as JSON; what was learned as arrays."""
        learned = {"weights": self.ridge.weights, "intercept": self.ridge.intercept, "alphas": self.ridge.alphas}
        return {"blocks": [list(block) for block in self.pooling.blocks]}, {"fill": self.fill, **learned}

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Statistics:
        """Build it from what ``saved`` gave."""
        pooling = Pooling(tuple((str(name), int(width), int(count)) for name, width, count in config["blocks"]))
        ridge = Ridge(**{name: arrays[name] for name in ("weights", "intercept", "alphas")})
        return cls(pooling=pooling, fill=arrays["fill"], ridge=ridge)


def fit_statistics(
    clips: Modalities, names: Sequence[str], labels: Floats, folds: NDArray[np.intp]
) -> tuple[Statistics, Floats]:
    """Fit a ridge on the statistics of some modalities; give it with its fair predictions, ``(clip, target)``."""
    pooling = Pooling.of(clips, names)
    rows, has = pooling.pool(clips)
    counts = np.maximum(has.sum(axis=0), 1)[pooling.owners()]
    fill = (rows.sum(axis=0, dtype=np.float64) / counts).astype(np.float32)
    ridge, predicted = fit_ridge(_filled(pooling, rows, has, fill), labels, folds)
    return Statistics(pooling=pooling, fill=fill, ridge=ridge), predicted


def _columns(pooling: Pooling, clips: Modalities, fill: NDArray[np.float32]) -> NDArray[np.float32]:
    rows, has = pooling.pool(clips)
    return _filled(pooling, rows, has, fill)


def _filled(
    pooling: Pooling, rows: NDArray[np.float32], has: NDArray[np.bool_], fill: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Put the mean where a modality is missing, and one column a modality that says whether it was there."""
    return np.hstack([np.where(has[:, pooling.owners()], rows, fill), has.astype(np.float32)])
