"""Sound becomes the hidden states of a pretrained speech model: wav2vec 2.0, HuBERT, WavLM or data2vec-audio.

In go pieces of ``Sound`` (16 kHz mono) and a checkpoint's folder; out come 50 rows a second. Row ``k`` describes the
25 ms that begin at ``k / 50`` seconds; an unfinished one at the end is left out.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from mimetic.checkpoints import read_config
from mimetic.features.speech.windows import FIELD, STRIDE, Windows
from mimetic.models import IN_TORCH, Model
from mimetic.records import SAMPLE_RATE, Json, UsageError

FAMILIES = ("wav2vec2", "hubert", "wavlm", "data2vec-audio")
"""What ``config.json`` calls the models that are built alike: convolutions over samples, then a transformer."""

_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # of all of them, where config.json is silent
_NUM_LAYERS = 12


class Speech:
    """A speech model, one of its layers or the mean of several.

    Parameters
    ----------
    folder
        with ``config.json``, the weights and, best, ``preprocessor_config.json``, which says whether sound is brought
        to mean 0 and variance 1; where it is silent, it is.
    precision
        ``fp32``; or ``bf16`` or ``fp16``, which the transformer is brought to. (fp16 on a CPU is ten times slower.)
    layers
        which of what ``transformers`` calls ``hidden_states``: a number (``6``), or the mean of several
        (``9:10:11``). 0 is what enters the first layer, ``k`` what leaves the ``k``-th, ``-1`` what leaves the last;
        ``all`` is the mean of them all. ``last`` is the model's output: in models that normalise before each layer
        (the large ones) it is ``-1`` after one more normalisation. What no layer asked for needs is not computed.
    heads
        whether the scores of the checkpoint's regression head are columns too, after the states.

    A checkpoint with a regression head of audEERING's kind (``classifier.dense``, ``classifier.out_proj``) has its
    scores as notes of the track, named by its ``id2label``: arousal, dominance, valence. The head was trained on the
    mean over a clip; here it is applied to every row.

    Raises
    ------
    UsageError
        if the folder holds another kind of model, or it has no such layer.
    """

    budget = 60 * SAMPLE_RATE

    def __init__(self, folder: Path, *, precision: str = "fp32", layers: str = "last", heads: bool = False) -> None:
        config = read_config(folder)
        _check(folder, config)
        if precision not in IN_TORCH:
            raise UsageError(f"the precision is {precision!r}", remedy=f"There are: {', '.join(IN_TORCH)}.")
        self._layers = _parse(layers, config.get("num_hidden_layers", _NUM_LAYERS))
        self._normalise = _normalises(folder)
        self._folder, self._precision, self._heads = folder, precision, heads

    def begin(self) -> Windows:
        """Start on a clip."""
        return Windows(normalise=self._normalise)

    def load(self, device: str) -> Model:
        """Read the weights.

        Raises
        ------
        UsageError
            if the checkpoint lacks some, or the head that is asked for.
        """
        from mimetic.features.speech.network import open_speech

        return open_speech(
            self._folder, precision=self._precision, layers=self._layers, heads=self._heads, device=device
        )


def _check(folder: Path, config: Json) -> None:
    """Refuse what does not turn 16 kHz into 50 rows a second."""
    kind = config.get("model_type")
    if kind not in FAMILIES:
        remedy = f"It has to be one of {', '.join(FAMILIES)}."
        raise UsageError(f"{folder} holds a model of type {kind!r}, not one of speech", remedy=remedy)
    kernels, strides = config.get("conv_kernel", _KERNELS), config.get("conv_stride", _STRIDES)
    steps = [math.prod(strides[:i]) for i in range(len(strides))]
    field = 1 + sum((kernel - 1) * step for kernel, step in zip(kernels, steps, strict=True))
    if (math.prod(strides), field) != (STRIDE, FIELD) or config.get("add_adapter"):
        told = f"{folder} does not give a row of {FIELD} samples for every {STRIDE}"
        raise UsageError(told, remedy="Its convolutions, or an adapter behind it, are others than the published ones'.")


def _normalises(folder: Path) -> bool:
    """Tell whether the checkpoint wants its sound at mean 0 and variance 1; so it is, unless something says no."""
    told: Json = {}
    for name in ("processor_config.json", "preprocessor_config.json"):  # the second is older, and goes before
        if (file := folder / name).is_file():
            read: Json = json.loads(file.read_text("utf-8"))
            told |= read.get("feature_extractor", read)
    if (rate := told.get("sampling_rate", SAMPLE_RATE)) != SAMPLE_RATE:
        remedy = f"There are models for {SAMPLE_RATE} Hz only."
        raise UsageError(f"{folder} wants sound at {rate} Hz", remedy=remedy)
    return bool(told.get("do_normalize", True))


def _parse(layers: str, count: int) -> tuple[int, ...]:
    """Give the numbers of the layers, counted from 0, in order; none stands for the model's output.

    >>> _parse("-1:9:10", 12)
    (9, 10, 12)
    """
    if layers == "last":
        return ()
    if layers == "all":
        return tuple(range(count + 1))
    try:
        chosen = [int(part) for part in layers.split(":")]
    except ValueError:
        chosen = [count + 1]
    if not all(-count - 1 <= layer <= count for layer in chosen):
        remedy = f"There are: last, all, numbers from 0 to {count} or from {-count - 1} to -1, and several with colons."
        raise UsageError(f"the model has no layers {layers!r}", remedy=remedy)
    return tuple(sorted({layer % (count + 1) for layer in chosen}))
