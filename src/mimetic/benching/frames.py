"""The field's way of extraction, written out: what its code does with a clip, step by step, at its usual settings.

Every frame becomes a JPEG file; those that a model needs are opened one by one, for each model again, and go through
``transformers``' own processor; batches are of one clip; sound is taken from the file in a second pass, into a WAV
file; networks are torch's, in float32, as they come and with as many threads as torch takes; one clip after the other.
Faces are the middle of the frame, as they are for ours here; what is handcrafted is computed by the same code.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from mimetic.benching.measuring import Cost
from mimetic.benching.workloads import WARM
from mimetic.faces import FaceView
from mimetic.features import Feature
from mimetic.models import ModelEntry
from mimetic.parallel import processors
from mimetic.records import SAMPLE_RATE, Clip, Frames, Sound, Words
from mimetic.weights import computing

QUALITY = 95
"""Of the JPEG files, as OpenCV writes them when not told."""

Rows = dict[str, np.ndarray[Any, Any]]


def extract_theirs(clips: Sequence[Clip], features: Sequence[Feature], folder: Path) -> Cost:
    """Extract the clips' features; the first clip is not counted."""
    import torch

    torch.set_num_threads(processors())  # what torch does where nobody tells it
    cost = Cost()
    folder.mkdir(parents=True, exist_ok=True)
    extractors = {feature.key: feature.make() for feature in features}
    models = {f.key: extractors[f.key].load("cpu") for f in features if isinstance(f.entry, ModelEntry)}
    for clip in clips:
        if clip.id == WARM:
            _extract(clip, features, extractors, models, folder / WARM)
    with cost.measured("extract"):
        for clip in clips:
            if clip.id != WARM:
                rows = _extract(clip, features, extractors, models, folder / clip.id)
                np.savez(folder / f"{clip.id}.npz", **{key.partition("+")[0]: each for key, each in rows.items()})
    cost.facts["rows"] = {key: len(each) for key, each in rows.items()}
    return cost


def _extract(
    clip: Clip, features: Sequence[Feature], extractors: dict[str, Any], models: dict[str, Any], folder: Path
) -> Rows:
    rate, count = _dump_frames(clip, folder)
    return {
        feature.key: _rows(list(_pieces(clip, feature, folder, rate, count)), extractors[feature.key], models, feature)
        for feature in features
    }


def _dump_frames(clip: Clip, folder: Path) -> tuple[float, int]:
    """Write every frame of the clip as a JPEG file; give frames a second, and how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    assert clip.path is not None
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        count = 0
        for frame in container.decode(stream):
            frame.to_image().save(  # type: ignore[no-untyped-call]
                folder / f"{count:06d}.jpg", quality=QUALITY
            )
            count += 1
        return float(stream.average_rate or 25), count


def _pieces(clip: Clip, feature: Feature, folder: Path, rate: float, count: int) -> Iterator[Any]:
    """Give a feature's view of the clip in one piece."""
    if feature.entry.view == "words":
        yield Words(text=clip.text or "", source="given")
    elif feature.entry.view == "audio":
        yield Sound(samples=_sound(clip, folder))
    else:
        step = rate / feature.sampling
        wanted = [min(count - 1, int(number * step)) for number in range(max(1, round(count / step)))]
        images = np.stack([np.asarray(Image.open(folder / f"{number:06d}.jpg").convert("RGB")) for number in wanted])
        times = np.arange(len(images)) / feature.sampling
        piece = Frames(images=images, times=times, valid=np.ones(len(images), np.bool_))
        yield (
            piece
            if feature.entry.view == "frames"
            else FaceView(detector="centre", size=int(feature.view_options["size"])).begin(clip).add(piece)
        )


def _sound(clip: Clip, folder: Path) -> np.ndarray[Any, Any]:
    """Write the clip's sound as a WAV file, and read it."""
    path = folder / "sound.wav"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(clip.path)) as container, wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        for frame in container.decode(audio=0):
            for piece in resampler.resample(frame):
                file.writeframes(piece.to_ndarray().tobytes())
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return samples.astype(np.float32) / 32768


def _rows(pieces: Sequence[Any], extractor: Any, models: dict[str, Any], feature: Feature) -> Any:
    import torch

    with computing(torch.device("cpu"), "fp32"):
        if feature.entry.modality == "vision" and feature.key in models:
            pixels = _processor(feature)(images=list(pieces[0].images), return_tensors="pt")["pixel_values"]
            return models[feature.key].graph(pixels)[0].numpy()
        on_its_way = extractor.begin()
        ready = [inputs for piece in pieces for inputs in on_its_way.add(piece) or ()]
        if feature.key not in models:
            return on_its_way.finish().values
        model = models[feature.key]
        return np.concatenate([model([inputs])[0].values for inputs in [*ready, *on_its_way.finish()]])


@cache
def _processor_in(folder: Path) -> Any:
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]


def _processor(feature: Feature) -> Any:
    """Give ``transformers``' own, made once."""
    return _processor_in(feature.checkpoint)
