"""What a model of ``auto`` is made of: something that predicts clips, and can be put away as JSON and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mimetic.modalities import Modalities
from mimetic.records import Json

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[np.generic]]


class Member(Protocol):
    """A fitted model of some modalities."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """What it is, and of which modalities."""

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``; what a clip lacks is missing, whatever the reason."""

    def saved(self) -> tuple[Json, Arrays]:
        """Give all of it, as JSON and as arrays by name."""
