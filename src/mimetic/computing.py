"""Pretrained models on a device: a batch of inputs goes in, rows come out, or what went wrong with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from mimetic.assembling import Batch
from mimetic.backends import Converted, put_in
from mimetic.devices import full_precision, one_thread
from mimetic.features import Feature
from mimetic.models import Model, ModelEntry, Rows
from mimetic.parallel import Lost
from mimetic.records import MimeticError

TORCH: Mapping[str, Converted] = {}
"""Nothing is converted."""

Answer = tuple[list[Rows] | Lost, float]
"""What a model makes of a batch, and the processor seconds it took."""


class Models:
    """The pretrained models of some features, on a device; each is loaded when its first batch comes.

    ``converted`` tells which of them another backend computes; the others torch does.
    """

    def __init__(self, features: Sequence[Feature], device: str, converted: Mapping[str, Converted] = TORCH) -> None:
        self._exact = {f.key for f in features if f.options.get("precision", "fp32") == "fp32"}
        self._converted = converted
        made = {f.key: f.exact if self._by(f.key).folder else f for f in features if isinstance(f.entry, ModelEntry)}
        self._extractors = {key: feature.make() for key, feature in made.items()}
        self._device = device
        self._loaded: dict[str, Model] = {}

    @property
    def budgets(self) -> dict[str, int]:
        """What a batch of each feature may cost."""
        return {key: int(extractor.budget) for key, extractor in self._extractors.items()}

    def __call__(self, batch: Batch) -> Answer:
        """Give the rows of a batch. What goes wrong is its clips' trouble, unless it is the whole model's."""
        started = time.process_time()
        try:
            if batch.key not in self._loaded:
                with one_thread():
                    self._loaded[batch.key] = self._load(batch.key)
            with one_thread(), full_precision() if batch.key in self._exact else nullcontext():
                return self._loaded[batch.key](batch.inputs), time.process_time() - started
        except MimeticError:
            raise
        except Exception as error:
            told = next(iter(str(error).splitlines()), "")
            return Lost(f"{type(error).__name__}: {told}"), time.process_time() - started

    def _by(self, key: str) -> Converted:
        exact = Converted() if key in self._exact else Converted(precision="bf16")
        return self._converted.get(key, exact)

    def _load(self, key: str) -> Model:
        model: Model = self._extractors[key].load(self._device)
        if self._device == "cpu":
            put_in(model, self._by(key))
        return model
