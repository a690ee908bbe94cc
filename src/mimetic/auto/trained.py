"""A recipe's network as a member: trained on arrays as they are, their time included; and how networks are put away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from mimetic.auto.members import Arrays, Floats
from mimetic.fitting import Fitted
from mimetic.modalities import Modalities
from mimetic.network import Network
from mimetic.recipes import as_json, from_json
from mimetic.records import Json


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trained:
    """A recipe's network."""

    kind: ClassVar[str] = "recipe"
    fit: Fitted

    @property
    def name(self) -> str:
        """What it is."""
        return self.fit.recipe.name

    def predict(self, clips: Modalities) -> Floats:
        """Give ``(clip, target)``."""
        return self.fit.predict(clips)

    def saved(self) -> tuple[Json, Arrays]:
        """Give the recipe as JSON, what was learned as arrays."""
        return describe([self.fit]), arrays_of([self.fit])

    @classmethod
    def restored(cls, config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Trained:
        """Build it from what ``saved`` gave."""
        (fit,) = restore(config, arrays)
        return cls(fit=fit)


def describe(fits: Sequence[Fitted]) -> Json:
    """Give what networks of one recipe have in common, as JSON."""
    first = fits[0]
    return {
        "recipe": as_json(first.recipe),
        "modalities": list(first.modalities),
        "widths": list(first.widths),
        "targets": len(first.level),
        "networks": len(fits),
    }


def arrays_of(fits: Sequence[Fitted]) -> dict[str, NDArray[Any]]:
    """Give the weights of networks, and each one's scale, as arrays by name."""
    arrays: dict[str, NDArray[Any]] = {}
    for place, fit in enumerate(fits):
        arrays |= {f"{place}.{name}": value.numpy() for name, value in fit.network.state_dict().items()}
        arrays |= {f"{place}:level": fit.level, f"{place}:spread": fit.spread}
    return arrays


def restore(config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> tuple[Fitted, ...]:
    """Build networks from what ``describe`` and ``arrays_of`` gave."""
    recipe = from_json(config["recipe"], where="a saved model")
    fits = []
    for place in range(config["networks"]):
        network = Network(recipe, config["widths"], config["targets"])
        own = {name.partition(".")[2]: value for name, value in arrays.items() if name.startswith(f"{place}.")}
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in own.items()})
        fits.append(
            Fitted(
                recipe=recipe,
                modalities=tuple(config["modalities"]),
                widths=tuple(config["widths"]),
                network=network.eval(),
                level=arrays[f"{place}:level"],
                spread=arrays[f"{place}:spread"],
            )
        )
    return tuple(fits)
