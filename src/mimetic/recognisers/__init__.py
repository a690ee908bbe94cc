"""Speech becomes text: sounds with their stretches of speech go in, segments with times and doubts come out.

A recogniser is made once from a checkpoint's folder, then given clip after clip; what a clip says does not depend on
those beside it. To add one: a file here, a line in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from mimetic.records import Entry
from mimetic.voices import Heard

SURE = 0.5
"""The probability from which on a window's own language is believed, and not that of the window before it."""

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""What a window is tried at, until its text neither loops nor is too unlikely."""

LOOPS, UNLIKELY, SILENT = 2.4, -1.0, 0.6
"""Whisper's own thresholds: a compression ratio above the first is a loop, a mean log probability below the second is
too low, and with a probability of silence above the third such a window says nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """What is said between two times, in seconds of the clip, and how sure the model was of it.

    ``avg_logprob`` is the mean log probability of a token, ``no_speech_prob`` that of there being no speech,
    ``compression_ratio`` how much smaller the text gets when it is packed; all three are of the window of up to 30
    seconds that the segment is from, as is the ``temperature``.
    """

    start: float
    end: float
    text: str
    language: str
    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float
    temperature: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How speech is read.

    ``language`` is a code (``en``); empty: the one that is heard. ``condition`` tells that what was said before is
    shown to the model: steadier names, at the risk that a mistake goes on. ``batch`` is windows at a time.
    """

    language: str = ""
    condition: bool = False
    precision: str = "fp32"
    device: str = "cpu"
    batch: int = 8


class Recogniser(Protocol):
    """A speech recogniser with its weights. Made from a folder and a ``Manner``."""

    def __call__(self, clips: Iterable[tuple[int, Heard]]) -> Iterator[tuple[int, tuple[Segment, ...]]]:
        """Yield every clip's segments in order of time, as they are ready; clips are taken as they are needed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecogniserEntry(Entry):
    """A recogniser: ``target`` makes one, ``model`` is the checkpoint that it opens if none is told."""

    model: str
    precisions: tuple[str, ...]


RECOGNISERS: Mapping[str, RecogniserEntry] = {
    "transformers": RecogniserEntry(
        target="mimetic.recognisers.whisper:Whisper",
        about="Whisper by transformers: windows of several clips in a batch",
        model="openai/whisper-small",
        precisions=("fp32", "bf16", "fp16"),
    ),
    "faster-whisper": RecogniserEntry(
        target="mimetic.recognisers.faster:FasterWhisper",
        about="Whisper by CTranslate2: a clip at a time, fast on processors (int8)",
        model="Systran/faster-whisper-small",
        precisions=("fp32", "bf16", "fp16", "int8"),
        licence="MIT",
        extra="asr",
    ),
}
"""Speech recognisers by name."""
