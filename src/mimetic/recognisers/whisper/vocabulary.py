"""Whisper's own tokens: what begins a text, what a language is called, which tokens may follow which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    SuppressTokensAtBeginLogitsProcessor,
    SuppressTokensLogitsProcessor,
    WhisperTimeStampLogitsProcessor,
    WhisperTokenizer,
)
from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

from mimetic.records import UnknownName, UsageError

Rules = Callable[[Tensor, Tensor], Tensor]
"""Tokens so far and scores of the next, in rows; scores come out."""


class Vocabulary:
    """The tokens of a checkpoint, by its tokenizer and its generation config.

    Parameters
    ----------
    places
        how many tokens the decoder can hold; half of them are for what a window says, the others for what was said.

    Attributes
    ----------
    start, end, no_speech, first_time
        the tokens that begin and end a text, say that nobody speaks, and stand for 0.00 s.
    room
        how many tokens a window may say.

    Raises
    ------
    UsageError
        if the checkpoint has no time tokens.
    """

    def __init__(self, tokenizer: WhisperTokenizer, config: GenerationConfig, places: int) -> None:
        self._tokenizer: Any = tokenizer
        self._config: Any = config
        without_times = getattr(config, "no_timestamps_token_id", None)
        if without_times is None:
            remedy = "Its generation_config.json has to name no_timestamps_token_id, as those on the hub do."
            raise UsageError("the Whisper checkpoint does not tell its time tokens", remedy=remedy)
        self.start, self.end = int(config.decoder_start_token_id), int(config.eos_token_id)
        self.first_time, self.no_speech = without_times + 1, without_times - 1
        self.room = places // 2
        languages = getattr(config, "lang_to_id", {}) if getattr(config, "is_multilingual", True) else {}
        self._languages = {token.strip("<|>"): number for token, number in languages.items()}

    def code_of(self, language: str) -> str:
        """Give the code of a language that was told by code or by name; empty for none.

        Raises
        ------
        UnknownName
            if the checkpoint does not know it.
        """
        code = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
        known = self._languages or {"en": 0}
        if code and code not in known:
            raise UnknownName("language", language, known)
        return code

    def hear_language(self, logits: Tensor) -> tuple[str, float]:
        """Give the most likely language after ``start`` and its probability; English of a model with no other.

        ``logits`` is ``(token,)``.
        """
        if not self._languages:
            return "en", 1.0
        codes, numbers = list(self._languages), list(self._languages.values())
        probability, at = logits[numbers].softmax(-1).max(-1)
        return codes[int(at)], float(probability)

    def prompt(self, language: str, said: Sequence[int]) -> list[int]:
        """Give the tokens before a window's own: what was said before it, if anything, then language and task."""
        before: list[int] = []
        if said and (mark := getattr(self._config, "prev_sot_token_id", None)) is not None:
            before = [mark, *said[-(self.room - 5) :]]
        if not self._languages:
            return [*before, self.start]
        return [*before, self.start, self._languages[language], self._config.task_to_id["transcribe"]]

    def rules(self, begin: int, device: torch.device) -> Rules:
        """Give what forbids tokens after a prompt of ``begin`` tokens: times come in pairs and never go back."""
        marks = range(self.end + 1, self.first_time)
        never = sorted({*marks, *(self._config.suppress_tokens or ())})
        at_first = self._config.begin_suppress_tokens or [self.end]
        steps: list[Any] = [
            SuppressTokensLogitsProcessor(never, device=str(device)),
            SuppressTokensAtBeginLogitsProcessor(at_first, begin, device=str(device)),
            WhisperTimeStampLogitsProcessor(self._config, begin_index=begin),
        ]
        return lambda tokens, scores: reduce(lambda so_far, step: step(tokens, so_far), steps, scores)

    def text(self, tokens: Sequence[int]) -> str:
        """Give the words, without times and marks."""
        return str(self._tokenizer.decode([token for token in tokens if token < self.end]))
