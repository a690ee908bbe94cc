"""What an encoder takes of every clip, made once and kept on disk: clips and a feature in, ``Inputs`` by clip out.

::

    FOLDER/<digest>/inputs.bin     all arrays, one behind the other
                   /index.json     where each lies, and what else an ``Inputs`` says

An epoch reads arrays from a mapped file instead of decoding clips again: tokens, windows of sound, crops.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mimetic.extraction import source_of
from mimetic.features import Feature
from mimetic.models import Inputs
from mimetic.reading import ClipReader
from mimetic.records import Clip, Json
from mimetic.store import digest

ARRAYS, INDEX = "inputs.bin", "index.json"
ALIGNED = 64
"""Bytes that an array's place is a multiple of."""


class Prepared:
    """The inputs of some clips, mapped; clips are counted as they were given."""

    def __init__(self, folder: Path) -> None:
        self._index: list[list[Json]] = json.loads((folder / INDEX).read_text("utf-8"))
        path = folder / ARRAYS
        self._bytes = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, clip: int) -> list[Inputs]:
        return [self._inputs(told) for told in self._index[clip]]

    def cost(self, clip: int) -> int:
        """Say what a clip adds to a batch."""
        return sum(int(told["cost"]) for told in self._index[clip])

    def _inputs(self, told: Json) -> Inputs:
        return Inputs(
            arrays={name: self._array(*place) for name, place in told["arrays"].items()},
            cost=told["cost"],
            group=_hashable(told["group"]),
            valid=None if told["valid"] is None else np.array(told["valid"], np.bool_),
            keep=(told["keep"][0], told["keep"][1]),
            weight=told["weight"],
            unit=told["unit"],
        )

    def _array(self, dtype: str, shape: list[int], start: int) -> np.ndarray[Any, Any]:
        kind = np.dtype(dtype)
        stop = start + kind.itemsize * int(np.prod(shape, dtype=np.int64))
        # A copy: torch wants to own what it may write to, and a page of the map is read once an epoch.
        return np.array(self._bytes[start:stop].view(kind).reshape(shape))


def _hashable(group: Any) -> Any:
    return tuple(map(_hashable, group)) if isinstance(group, list) else group


def prepare(
    clips: Sequence[Clip],
    feature: Feature,
    folder: Path,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Prepared:
    """Make the inputs of every clip, unless they are there; one that cannot be read has none."""
    place = folder / f"{feature.name}-{digest([feature.identity, sources_of(clips, feature)])}"
    if not place.is_dir():
        _write(clips, feature, place, progress)
    return Prepared(place)


def sources_of(clips: Sequence[Clip], feature: Feature) -> list[list[str]]:
    """Give each clip's id and the fingerprint of what its inputs are made from."""
    return [[clip.id, source_of(clip, feature.entry.view, feature.view_options)] for clip in clips]


def _write(clips: Sequence[Clip], feature: Feature, place: Path, progress: Callable[[int, int], None]) -> None:
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    index: list[list[Json]] = []
    try:
        with (beside / ARRAYS).open("wb") as file:
            for done, lines in enumerate(_lines(clips, feature, file), 1):
                index.append(lines)
                progress(done, len(clips))
            file.flush()
            os.fsync(file.fileno())
        (beside / INDEX).write_text(json.dumps(index), "utf-8")
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _lines(clips: Sequence[Clip], feature: Feature, file: Any) -> Iterator[list[Json]]:
    reader = ClipReader([feature])
    for clip in clips:
        yield [_put(message[1], file) for message in reader(clip) if isinstance(message, tuple)]


def _put(inputs: Inputs, file: Any) -> Json:
    arrays: Json = {}
    for name, array in inputs.arrays.items():
        file.write(b"\0" * (-file.tell() % ALIGNED))
        arrays[name] = [array.dtype.str, list(array.shape), file.tell()]
        file.write(np.ascontiguousarray(array).data)
    return {
        "arrays": arrays,
        "cost": inputs.cost,
        "group": inputs.group,
        "valid": None if inputs.valid is None else inputs.valid.tolist(),
        "keep": list(inputs.keep),
        "weight": inputs.weight,
        "unit": inputs.unit,
    }
