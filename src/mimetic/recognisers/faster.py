"""Whisper through CTranslate2: clips go in one after the other, segments come out.

The decoding is faster-whisper's own (a beam of five); the stretches of speech are ours, as for every recogniser. A
clip's language is that of its first window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mimetic.recognisers import Manner, Segment
from mimetic.records import MissingExtra, UnknownName, UsageError
from mimetic.voices import Heard

COPIED = ("tokenizer.json", "preprocessor_config.json")
"""What faster-whisper needs of the checkpoint beside what the converter makes."""

TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "int8": "int8"}


class FasterWhisper:
    """A Whisper checkpoint that ``ct2-transformers-converter`` has brought into CTranslate2's form.

    Raises
    ------
    MissingExtra
        if faster-whisper is not installed.
    UsageError
        if the folder holds no such model, or it does not know the language or the precision.
    """

    def __init__(self, folder: Path, manner: Manner) -> None:
        if not (folder / "model.bin").is_file():
            remedy = f"ct2-transformers-converter --model {folder} --output_dir NEW --copy_files {' '.join(COPIED)}"
            raise UsageError(f"{folder} holds no model of CTranslate2 (model.bin)", remedy=remedy)
        self._manner = manner
        self._model = _open(folder, manner)
        if manner.language and manner.language not in (known := self._model.supported_languages):
            raise UnknownName("language", manner.language, known)

    def __call__(self, clips: Iterable[tuple[int, Heard]]) -> Iterator[tuple[int, tuple[Segment, ...]]]:
        """Yield every clip's segments; a clip without speech has none, and the model is not asked."""
        for key, heard in clips:
            yield key, tuple(self._segments(heard)) if heard.voices else ()

    def _segments(self, heard: Heard) -> Iterator[Segment]:
        found, told = self._model.transcribe(
            heard.samples,
            language=self._manner.language or None,
            condition_on_previous_text=self._manner.condition,
            clip_timestamps=[second for stretch in heard.voices for second in stretch],
        )
        for segment in found:
            yield Segment(
                start=segment.start,
                end=segment.end,
                text=segment.text.strip(),
                language=told.language,
                no_speech_prob=segment.no_speech_prob,
                avg_logprob=segment.avg_logprob,
                compression_ratio=segment.compression_ratio,
                temperature=segment.temperature,
            )


def _open(folder: Path, manner: Manner) -> Any:
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        raise MissingExtra("the speech recogniser 'faster-whisper'", "asr") from None
    kind, _, number = manner.device.partition(":")
    try:
        return WhisperModel(
            str(folder), device=kind, device_index=int(number or 0), compute_type=TYPES[manner.precision]
        )
    except (RuntimeError, ValueError) as error:
        remedy = "It computes on cpu and cuda; --precision int8 is for every machine."
        raise UsageError(f"CTranslate2 cannot open {folder} ({error})", remedy=remedy) from None
