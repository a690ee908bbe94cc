"""What extraction cannot do without: the forward passes on what already lies in memory, and one bare decoding.

The networks, their backend and precision are those that ours uses; batches are of whatever size is fastest. Handcrafted
features are computed on pieces in memory. Decoding is that of every frame and all sound, with nothing done to them but
that the frames which are looked at become RGB of the size that the network takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import av
import numpy as np
from PIL import Image

from mimetic.backends import Converted, put_in
from mimetic.benching.measuring import Cost
from mimetic.benching.workloads import WARM
from mimetic.features import Feature
from mimetic.media import Media
from mimetic.models import Inputs, ModelEntry
from mimetic.reading import ClipReader
from mimetic.records import Clip, Sound
from mimetic.weights import computing

BATCHES = (4, 8, 16, 32)
"""Pictures at once that are tried."""


def compute_bare(clips: Sequence[Clip], features: Sequence[Feature], converted: Mapping[str, Converted]) -> Cost:
    """Measure ``compute`` and ``decode`` of all clips but the first, which everything is warmed up with."""
    import torch

    torch.set_num_threads(1)
    cost = Cost()
    counted = [clip for clip in clips if clip.id != WARM]
    models = [feature for feature in features if isinstance(feature.entry, ModelEntry)]
    work = [_passes(feature, counted, converted.get(feature.key, Converted())) for feature in models]
    work += [_handcrafted(feature, counted) for feature in features if feature not in models]
    sizes = {feature.sampling: 224 for feature in models if feature.entry.view in ("frames", "faces")}
    with cost.measured("compute"):
        for each in work:
            each()
    with cost.measured("decode"):
        for clip in counted:
            _decode(clip, sizes)
    return cost


def _passes(feature: Feature, clips: Sequence[Clip], converted: Converted) -> Any:
    """Give what computes all of a feature's forward passes, its tensors ready."""
    import torch

    made = feature.exact if converted.folder else feature
    model = made.make().load("cpu")
    put_in(model, converted)
    reader = ClipReader([feature])
    inputs = [message[1] for clip in clips for message in reader(clip) if isinstance(message, tuple)]
    feeds = _best(model, _feeds(model, inputs))

    def compute() -> None:
        with computing(torch.device("cpu"), converted.precision if not converted.folder else "fp32"):
            for feed in feeds:
                model.graph(*feed)

    compute()
    return compute


def _feeds(model: Any, inputs: Sequence[Inputs]) -> list[list[tuple[Any, ...]]]:
    """Give the inputs in batches of each size; sound goes window by window."""
    import torch

    if "pictures" not in inputs[0].arrays:
        return [list(model.feeds(inputs))]
    pictures = torch.cat([feed[0] for feed in model.feeds(inputs)])
    return [[(batch,) for batch in torch.split(pictures, size)] for size in BATCHES]


def _best(model: Any, choices: Sequence[list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """Give the batches that cost least for each of their rows, by one batch of each kind."""
    costs = []
    for feeds in choices:
        model.graph(*feeds[0])
        started = time.process_time()
        model.graph(*feeds[0])
        costs.append((time.process_time() - started) / len(feeds[0][0]))
    return choices[int(np.argmin(costs))]


def _handcrafted(feature: Feature, clips: Sequence[Clip]) -> Any:
    """Give what computes a feature without a model from pieces that are decoded."""
    extractor = feature.make()
    pieces = [list(_pieces(feature, clip)) for clip in clips]

    def compute() -> None:
        for each in pieces:
            on_its_way = extractor.begin()
            for piece in each:
                on_its_way.add(piece)
            on_its_way.finish()

    compute()
    return compute


def _pieces(feature: Feature, clip: Clip) -> Iterator[Any]:
    heard = feature.entry.view == "audio"
    assert clip.path is not None
    with Media(clip.path) as media:
        for _, piece in media.decode(rates=() if heard else (feature.sampling,), sound=heard):
            if heard == isinstance(piece, Sound):
                yield piece


def _decode(clip: Clip, sizes: Mapping[float, int]) -> None:
    assert clip.path is not None
    with av.open(str(clip.path)) as container:
        streams = [*container.streams.video[:1], *container.streams.audio[:1]]
        rate, count = float(container.streams.video[0].average_rate or 25), 0
        for frame in container.decode(streams):
            if isinstance(frame, av.VideoFrame):
                for sampling, size in sizes.items():
                    if int(count * sampling / rate) != int((count - 1) * sampling / rate):
                        Image.fromarray(frame.to_ndarray(format="rgb24")).resize((size, size), Image.Resampling.BICUBIC)
                count += 1
