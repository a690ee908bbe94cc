"""Before an extraction: pretrained networks are converted for the backend that was chosen, and tried on some clips.

In go features, a few clips and a folder; out comes, for each feature, which backend computes it, where the converted
network lies, and how far its rows are from those of float32. A network that cannot be converted, or whose copy does not
give what it gives, stays with torch, and that is said.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mimetic.backends import AUTO, BACKENDS, Backend, Compute, Converted, Feed, is_convertible, put_in
from mimetic.devices import one_thread
from mimetic.features import Feature
from mimetic.models import Inputs
from mimetic.reading import ClipReader
from mimetic.records import Clip, Json
from mimetic.weights import computing

if TYPE_CHECKING:
    from torch import nn

CLOSE = 1e-4
"""How far a copy's rows may be from float32's, in shares of the largest value where that is above 1."""

LOOKED_AT, TEXTS_LOOKED_AT = 24, 512
"""Clips that are read for a sample; texts cost nothing to read."""

MEASURED = {"frames": 32, "faces": 32, "audio": 8, "words": 64}
"""Inputs of a feature, by its view, that ranges are measured on; as many again are compared."""

SECONDS = 0.5
"""Processor seconds that ``auto`` gives each backend for a feature, once it has computed once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be converted, by which backend each, and where to: pickled on the way to the process that does it."""

    features: tuple[Feature, ...]
    backends: Mapping[str, str]
    places: Mapping[str, Path]
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """What came of it, for one feature: who computes, and what is to be recorded."""

    converted: Converted
    told: Json


def convert(order: Order) -> dict[str, Ready]:
    """Convert every feature's network that has one.

    Raises
    ------
    MissingWeights
        if a model's files are not to be had.
    """
    with one_thread():
        sample = _sample(order)
        return {feature.key: _ready(feature, sample.get(feature.key, ()), order) for feature in order.features}


def _sample(order: Order) -> dict[str, list[Inputs]]:
    """Read inputs from the first clips, for those features that need some."""
    needing = [f for f in order.features if order.backends[f.key] == AUTO or precision_of(f) != "fp32"]
    texts = [feature for feature in needing if feature.entry.view == "words"]
    others = [feature for feature in needing if feature not in texts]
    return {**_inputs(texts, order.clips[:TEXTS_LOOKED_AT]), **_inputs(others, order.clips[:LOOKED_AT])}


def _inputs(features: Sequence[Feature], clips: Sequence[Clip]) -> dict[str, list[Inputs]]:
    """Read as many inputs as are asked for of each feature, if there are."""
    found: dict[str, list[Inputs]] = {feature.key: [] for feature in features}
    count = {feature.key: 2 * MEASURED[feature.entry.view] for feature in features}
    reader = ClipReader(features)
    for clip in clips if features else ():
        for message in reader(clip):
            if isinstance(message, tuple) and _size(found[message[0]]) < count[message[0]]:
                found[message[0]].append(message[1])
        if all(_size(inputs) >= count[key] for key, inputs in found.items()):
            break
    return found


def _size(inputs: Sequence[Inputs]) -> int:
    """Count pictures, windows or chunks."""
    return sum(len(each.arrays["pictures"]) if "pictures" in each.arrays else 1 for each in inputs)


def precision_of(feature: Feature) -> str:
    """Tell what a feature's model computes in."""
    return str(feature.options.get("precision", "fp32"))


def _ready(feature: Feature, sample: Sequence[Inputs], order: Order) -> Ready:
    precision, backend = precision_of(feature), order.backends[feature.key]
    if backend == "torch":
        return _in_torch(feature, sample)
    model = feature.exact.make().load("cpu")
    if not is_convertible(model):
        return _in_torch(feature, sample, "its model is no single network")
    feeds = [feed for inputs in sample if inputs.cost for feed in model.feeds([inputs])]
    if backend == AUTO and not feeds:
        return _in_torch(feature, sample, "there was nothing to try it on")
    best = _fastest if backend == AUTO else _told
    converted, told = best(model, feeds, precision, backend, order.places[feature.key])
    if converted.folder is None:
        return _in_torch(feature, sample, told.pop("reason", ""), told)
    return Ready(converted, {"backend": converted.backend, "version": _version(converted.backend), **told})


def _in_torch(feature: Feature, sample: Sequence[Inputs], reason: str = "", told: Json | None = None) -> Ready:
    """Leave a network with torch; where it computes in less than float32, tell how far that is from it."""
    precision = precision_of(feature)
    told = {"backend": "torch", "version": _version("torch"), **({"reason": reason} if reason else {}), **(told or {})}
    if precision != "fp32" and sample:
        pairs = zip(*(_rows_of(each, sample) for each in (feature.make(), feature.exact.make())), strict=True)
        told |= {"precision": precision, "distance": distance(pairs)}
    return Ready(Converted(precision=precision), told)


def _rows_of(extractor: Any, sample: Sequence[Inputs]) -> Iterator[NDArray[np.float32]]:
    model = extractor.load("cpu")
    for inputs in sample:
        (rows,) = model([inputs])
        yield rows.values


def _told(model: Any, feeds: Sequence[Feed], precision: str, backend: str, folder: Path) -> tuple[Converted, Json]:
    """Convert for one backend."""
    try:
        told, _ = _convert(model, feeds, precision, backend, folder)
    except Exception as error:  # whatever a converter says: torch computes everything
        return Converted(), {"reason": f"{backend} does not convert it: {type(error).__name__}: {_line(error)}"}
    return Converted(backend, precision, folder), told


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _convert(model: Any, feeds: Sequence[Feed], precision: str, backend: str, folder: Path) -> tuple[Json, Compute]:
    """Convert, and compare with torch: in float32 on the examples, else on those of the sample that set no range.

    Raises
    ------
    ValueError
        if the copy does not give what the network gives.
    """
    made: Backend = BACKENDS[backend].load()(precision)
    measured, compared = feeds[: len(feeds) // 2], feeds[len(feeds) // 2 :]
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    made.write(model.graph, model.examples(), measured, beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    compute = made.open(folder)
    if precision == "fp32":
        for example in model.examples():
            _check_equal(compute(*example), _torch(model.graph, example))
        return {"precision": precision}, compute
    pairs = ((_flat(compute(*feed)), _flat(_torch(model.graph, feed))) for feed in compared)
    return {"precision": precision, "distance": distance(pairs)}, compute


def _torch(graph: nn.Module, feed: Feed) -> Any:
    import torch

    with computing(torch.device("cpu"), "fp32"):
        return graph(*feed)


def _flat(given: Any) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = given[0].numpy().reshape(-1, given[0].shape[-1])
    return rows


def _check_equal(given: Any, known: Any) -> None:
    for one, other in zip(given, known, strict=True):
        if one.shape != other.shape or float((one - other).abs().max()) > CLOSE * max(1.0, float(other.abs().max())):
            raise ValueError("its copy gives other rows")


def _fastest(model: Any, feeds: Sequence[Feed], precision: str, _: str, folder: Path) -> tuple[Converted, Json]:
    """Convert for every backend that is installed, and keep the one whose processor seconds are the fewest."""
    seconds: dict[str, float] = {}
    results: dict[str, tuple[Converted, Json]] = {}
    some = feeds[:1]
    for backend, entry in BACKENDS.items():
        if backend == "torch" or precision not in entry.precisions or not entry.is_there:
            continue
        place = folder.with_name(f"{folder.name}.{backend}")
        converted, told = _told(model, feeds, precision, backend, place)
        if converted.folder is not None:
            results[backend] = converted, told
            seconds[backend] = _seconds(entry.load()(precision).open(place), some)
    if precision in BACKENDS["torch"].precisions:
        put_in(model, Converted(precision=precision))
        seconds["torch"] = _in_torch_seconds(model.graph, some, precision)
        results["torch"] = Converted(), {}
    best = min(seconds, key=seconds.__getitem__)
    for backend, (converted, _told_of) in results.items():
        if backend != best and converted.folder is not None:
            shutil.rmtree(converted.folder)
    return results[best][0], {**results[best][1], "measured": {name: float(f"{s:.4g}") for name, s in seconds.items()}}


def _in_torch_seconds(graph: nn.Module, feeds: Sequence[Feed], precision: str) -> float:
    import torch

    with computing(torch.device("cpu"), precision):
        return _seconds(graph, feeds)


def _seconds(compute: Compute, feeds: Sequence[Feed]) -> float:
    """Give the processor seconds of one round over the feeds: the best of as many as fit."""
    best, spent = float("inf"), 0.0
    for feed in feeds:
        compute(*feed)
    while spent < SECONDS:
        started = time.process_time()
        for feed in feeds:
            compute(*feed)
        took = time.process_time() - started
        best, spent = min(best, took), spent + took
    return best


def distance(pairs: Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Json:
    """Tell how far rows ``(time, dim)`` are from those of float32: the cosine of each, without what all have in common.

    Each column's mean (of float32's rows) is taken away first: states share a large part, beside which any error is
    small. The median, the fifth percentile and the lowest of them are given.
    """
    both = [np.concatenate(rows).astype(np.float64) for rows in zip(*pairs, strict=True)]
    if not both or len(both[0]) < 3:
        return {"rows": len(both[0]) if both else 0, "median": None, "fifth": None, "lowest": None}
    given, known = (rows - both[1].mean(axis=0) for rows in both)
    cosines = (given * known).sum(axis=1) / (np.linalg.norm(given, axis=1) * np.linalg.norm(known, axis=1))
    median, fifth, lowest = np.quantile(cosines, [0.5, 0.05, 0.0])
    return {"rows": len(known), "median": float(median), "fifth": float(fifth), "lowest": float(lowest)}


def _version(backend: str) -> str:
    return version({"onnx": "onnxruntime"}.get(backend, backend))
