"""A pretrained extractor without a model: sound in windows, mean and power of each, so that any mistake shows."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mimetic.features import Feature, feature
from mimetic.features.hashed import HashedWords
from mimetic.models import Inputs, ModelEntry, Rows
from mimetic.records import Extraction, NoStream, Sound, Track, Words

WINDOW = 1600
DIM = 300


class Toy:
    """``batches``: a file that gets a line with the costs of every batch."""

    budget = 4 * WINDOW

    def __init__(self, folder: Path, *, batches: str = "", troubled: str = "") -> None:
        self._batches, self._troubled = batches, troubled

    def begin(self) -> Windows:
        return Refusing() if self._troubled == "refuses" else Windows()

    def load(self, device: str) -> ToyModel:
        return ToyModel(self._batches, self._troubled)


class Windows:
    def __init__(self) -> None:
        self._tail = np.zeros(0, np.float32)

    def add(self, piece: Sound) -> Iterable[Inputs]:
        self._tail = np.concatenate([self._tail, piece.samples])
        while len(self._tail) >= WINDOW:
            window, self._tail = self._tail[:WINDOW], self._tail[WINDOW:]
            yield Inputs(arrays={"samples": window}, cost=WINDOW, valid=np.array([True, False]))

    def finish(self) -> Iterable[Inputs]:
        if len(self._tail):
            yield Inputs(arrays={"samples": self._tail}, cost=len(self._tail), group="rest")


class Refusing(Windows):
    """Refuses the clip when it has seen all of it."""

    def finish(self) -> Iterable[Inputs]:
        raise NoStream("too short to be a toy")
        yield


class ToyModel:
    def __init__(self, batches: str, troubled: str) -> None:
        self._batches, self._troubled = batches, troubled

    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        if self._batches:
            with Path(self._batches).open("a") as file:
                file.write(" ".join(str(inputs.cost) for inputs in batch) + "\n")
        if self._troubled == "raises":
            raise ZeroDivisionError("by nothing")
        if self._troubled == "aborts" or (self._troubled == "short" and any(of.cost < 600 for of in batch)):
            os.abort()
        return [self._rows(inputs.arrays["samples"]) for inputs in batch]

    def _rows(self, samples: np.ndarray) -> Rows:
        values = np.full((1, DIM), samples.mean(), np.float32)
        values[0, 1] = (samples**2).mean()
        return Rows(values=values, notes={"peak": np.array([np.abs(samples).max()], np.float32)})


class Letters(Toy):
    """Words: one row, the weighted mean of its letters' numbers."""

    def begin(self) -> LetterPreparation:
        return LetterPreparation()

    def load(self, device: str) -> LetterModel:
        return LetterModel()


class LetterPreparation:
    def add(self, piece: Words) -> Iterable[Inputs]:
        for word in piece.text.split():
            yield Inputs(arrays={"letters": np.frombuffer(word.encode(), np.uint8)}, cost=1, weight=len(word))

    def finish(self) -> Iterable[Inputs]:
        return ()


class LetterModel:
    def __call__(self, batch: Sequence[Inputs]) -> list[Rows]:
        return [Rows(values=np.full((1, DIM), inputs.arrays["letters"].mean(), np.float32)) for inputs in batch]


def toy(key: str = "toy", **options: object) -> Feature:
    entry = ModelEntry(
        target="toy_model:Toy", about="", view="audio", modality="audio", dim=DIM, rate=20.0, model=str(Path.cwd())
    )
    return Feature(key=key, entry=entry, options=options, view_options={}, pooled=None)


def letters() -> Feature:
    entry = ModelEntry(
        target="toy_model:Letters", about="", view="words", modality="text", dim=DIM, rate=0.0, model=str(Path.cwd())
    )
    return Feature(key="letters", entry=entry, options={}, view_options={})


class Deadly(HashedWords):
    """Words, one of which ends the process that reads them, another the one above it; ``slow`` ones take their time."""

    def begin(self) -> DeadlyExtraction:
        return DeadlyExtraction(super().begin())


class DeadlyExtraction:
    def __init__(self, inner: Extraction) -> None:
        self._inner = inner

    def add(self, piece: Words) -> None:
        if "abort" in piece.text:
            os.abort()
        if "poison" in piece.text:
            os.kill(os.getppid(), signal.SIGKILL)
        if "slow" in piece.text:
            time.sleep(0.3)
        self._inner.add(piece)

    def finish(self) -> Track:
        return self._inner.finish()


def deadly() -> Feature:
    entry = dataclasses.replace(feature("words-hashed").entry, target="toy_model:Deadly")
    return dataclasses.replace(feature("words-hashed"), key="deadly", entry=entry)
