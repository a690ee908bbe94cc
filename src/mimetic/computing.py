"""Pretrained models on a device: a batch of inputs goes in, rows come out, or what went wrong with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext

from mimetic.assembling import Batch
from mimetic.devices import full_precision, one_thread
from mimetic.features import Feature
from mimetic.models import Model, ModelEntry, Rows
from mimetic.parallel import Lost
from mimetic.records import MimeticError

Answer = tuple[list[Rows] | Lost, float]
"""What a model makes of a batch, and the processor seconds it took."""


class Models:
    """The pretrained models of some features, on a device; each is loaded when its first batch comes."""

    def __init__(self, features: Sequence[Feature], device: str) -> None:
        self._extractors = {f.key: f.make() for f in features if isinstance(f.entry, ModelEntry)}
        self._exact = {f.key for f in features if f.options.get("precision", "fp32") == "fp32"}
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
                    self._loaded[batch.key] = self._extractors[batch.key].load(self._device)
            with one_thread(), full_precision() if batch.key in self._exact else nullcontext():
                return self._loaded[batch.key](batch.inputs), time.process_time() - started
        except MimeticError:
            raise
        except Exception as error:
            return Lost(f"{type(error).__name__}: {str(error).splitlines()[0]}"), time.process_time() - started
