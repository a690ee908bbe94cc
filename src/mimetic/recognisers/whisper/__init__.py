"""Whisper through transformers: windows of up to 30 s go in, from several clips at once; segments come out.

A clip is walked through: a window begins where the text of the last one broke off, and never in silence. The decoding
is OpenAI's (greedy, then warmer where a text loops or is unlikely), but windows share a batch only where none needs
padding, and chance is drawn for each alone: a clip's text does not depend on the others'. (Transformers' own
``generate`` draws for a batch at once, and conditions all of it if the first clip has said something.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizer
from transformers.modeling_outputs import BaseModelOutput

from mimetic.checkpoints import read_config
from mimetic.recognisers import SURE, TEMPERATURES, Manner, Segment
from mimetic.recognisers.whisper.texts import TICK, Written, best, split
from mimetic.recognisers.whisper.vocabulary import Vocabulary
from mimetic.records import SAMPLE_RATE, UsageError
from mimetic.voices import Heard

WINDOW = 30.0
"""Seconds that the model hears at once."""

REST = 0.5
"""Seconds at the end of a stretch that are not asked about again: they are the margin it was given, and no words."""

COOL = 0.5
"""The temperature above which a text is not shown to the next window; nor is one that loops."""

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(slots=True)
class _Walk:
    """A clip on its way through the model: how far it has been heard, and what it has said."""

    key: int
    heard: Heard
    at: float = 0.0
    language: str = ""
    said: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    @property
    def window(self) -> tuple[float, float] | None:
        """The next window's start and end; ``None`` where all has been heard."""
        for start, end in self.heard.voices:
            if self.at <= start or end - self.at > REST:
                first = max(start, self.at)
                return first, min(end, first + WINDOW)
        return None

    @property
    def samples(self) -> NDArray[np.float32]:
        """What is heard in the next window."""
        assert self.window is not None
        start, end = (round(seconds * SAMPLE_RATE) for seconds in self.window)
        return self.heard.samples[start:end]

    def chance(self, temperature: float) -> torch.Generator:
        """Give the dice for the next window: the same ones wherever it is thrown."""
        assert self.window is not None
        return torch.Generator().manual_seed(round(self.window[0] / TICK) * 100 + round(temperature * 10))


class Whisper:
    """A Whisper checkpoint as ``transformers`` writes it.

    Raises
    ------
    UsageError
        if the folder holds another kind of model, cannot be read, or the model does not know the language.
    """

    def __init__(self, folder: Path, manner: Manner) -> None:
        if (kind := read_config(folder).get("model_type")) != "whisper":
            raise UsageError(f"{folder} holds no Whisper, but {kind or 'another model'}", remedy="Give its checkpoint.")
        self._manner = manner
        try:
            with _quiet():
                self._extractor = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
                tokenizer = WhisperTokenizer.from_pretrained(folder, local_files_only=True)
                model: Any = WhisperForConditionalGeneration.from_pretrained(
                    folder, dtype=DTYPES[manner.precision], local_files_only=True
                )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise UsageError(f"{folder} cannot be read ({reason})", remedy="Fetch the checkpoint again.") from None
        self._model: Any = model.to(manner.device).eval()
        self._vocabulary = Vocabulary(tokenizer, model.generation_config, model.config.max_target_positions)
        self._language = self._vocabulary.code_of(manner.language)

    def __call__(self, clips: Iterable[tuple[int, Heard]]) -> Iterator[tuple[int, tuple[Segment, ...]]]:
        """Yield every clip's segments, as soon as it has been walked through; another takes its place in the batch."""
        waiting = iter(clips)
        walks: list[_Walk] = []
        while True:
            while len(walks) < self._manner.batch and (clip := next(waiting, None)) is not None:
                walks.append(_Walk(*clip))
                if walks[-1].window is None:
                    yield walks.pop().key, ()
            if not walks:
                return
            self._hear(walks)
            yield from ((walk.key, tuple(walk.segments)) for walk in walks if walk.window is None)
            walks = [walk for walk in walks if walk.window is not None]

    @torch.inference_mode()
    def _hear(self, walks: Sequence[_Walk]) -> None:
        """Hear and write down the next window of each."""
        sounds = [walk.samples for walk in walks]
        features = self._extractor(sounds, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        features = features.to(self._manner.device, self._model.dtype)
        hidden = self._model.get_encoder()(features).last_hidden_state
        silences = self._judge(hidden, walks)
        for walk, written, silence in zip(walks, self._read(hidden, walks, silences), silences, strict=True):
            self._take(walk, written, silence)

    def _judge(self, hidden: Tensor, walks: Sequence[_Walk]) -> list[float]:
        """Settle each window's language; give the probability that nobody speaks in it."""
        start = torch.full((len(walks), 1), self._vocabulary.start, device=hidden.device)
        logits = self._model(encoder_outputs=BaseModelOutput(hidden), decoder_input_ids=start).logits[:, 0].float()
        for walk, row in zip(walks, logits, strict=True):
            code, probability = self._vocabulary.hear_language(row)
            if self._language or not walk.language or probability >= SURE:
                walk.language = self._language or code
        return [float(p) for p in logits.softmax(-1)[:, self._vocabulary.no_speech]]

    def _read(self, hidden: Tensor, walks: Sequence[_Walk], silences: Sequence[float]) -> list[Written]:
        """Write down what the windows say, warmer and warmer where it does not hold."""
        prompts = [self._vocabulary.prompt(walk.language, walk.said) for walk in walks]
        tries: list[list[Written]] = [[] for _ in walks]
        rows = list(range(len(walks)))
        for temperature in TEMPERATURES:
            for alike in _of_a_length(rows, prompts):
                chances = [walks[row].chance(temperature) for row in alike]
                texts = self._write(hidden[alike], [prompts[row] for row in alike], temperature, chances)
                for row, written in zip(alike, texts, strict=True):
                    tries[row].append(written)
            rows = [row for row in rows if not tries[row][-1].holds(silences[row])]
        return [best(texts, silence) for texts, silence in zip(tries, silences, strict=True)]

    def _write(
        self, hidden: Tensor, prompts: Sequence[list[int]], temperature: float, chances: Sequence[torch.Generator]
    ) -> list[Written]:
        """Write one token after the other, at one temperature, until every text has ended or its room is full."""
        tokens = step = torch.tensor(prompts, device=hidden.device)
        rules, end = self._vocabulary.rules(tokens.shape[1], hidden.device), self._vocabulary.end
        total = torch.zeros(len(prompts), device=hidden.device)
        ended = torch.zeros(len(prompts), dtype=torch.bool, device=hidden.device)
        cache: Any = None
        for _ in range(self._vocabulary.room):
            out = self._model(
                encoder_outputs=BaseModelOutput(hidden), decoder_input_ids=step, past_key_values=cache, use_cache=True
            )
            cache, scores = out.past_key_values, rules(tokens, out.logits[:, -1].float())
            chosen = _pick(scores, temperature, chances).masked_fill(ended, end)
            total += scores.log_softmax(-1).gather(1, chosen[:, None])[:, 0].masked_fill(ended, 0.0)
            step = chosen[:, None]
            tokens = torch.cat([tokens, step], dim=1)
            ended |= chosen == end
            if ended.all():
                break
        rows = tokens[:, len(prompts[0]) :].tolist()
        return [self._written(row, gained, temperature) for row, gained in zip(rows, total.tolist(), strict=True)]

    def _written(self, row: list[int], gained: float, temperature: float) -> Written:
        end = self._vocabulary.end
        tokens = tuple(row[: row.index(end)] if end in row else row)
        return Written(
            tokens=tokens,
            text=self._vocabulary.text(tokens).strip(),
            logprob=gained / (len(tokens) + 1),
            temperature=temperature,
        )

    def _take(self, walk: _Walk, written: Written, silence: float) -> None:
        """Add a window's segments to the clip's, and move on."""
        assert walk.window is not None
        start, end = walk.window
        cuts, done = split(written.tokens, self._vocabulary.first_time, end - start)
        if written.is_silence(silence):
            cuts, done = [], end - start
        for first, last, tokens in cuts:
            if text := self._vocabulary.text(tokens).strip():
                walk.segments.append(
                    Segment(
                        start=start + first,
                        end=start + max(first, last),
                        text=text,
                        language=walk.language,
                        no_speech_prob=silence,
                        avg_logprob=written.logprob,
                        compression_ratio=written.ratio,
                        temperature=written.temperature,
                    )
                )
                walk.said += tokens
        if not self._manner.condition or written.temperature > COOL or not written.holds(silence):
            walk.said.clear()
        walk.at = start + done


def _of_a_length(rows: Sequence[int], prompts: Sequence[list[int]]) -> list[list[int]]:
    """Group rows whose prompts are equally long: so none needs padding, which rounds differently."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        groups[len(prompts[row])].append(row)
    return list(groups.values())


def _pick(scores: Tensor, temperature: float, chances: Sequence[torch.Generator]) -> Tensor:
    """Give the most likely token of each row, or a random one by its own dice."""
    if not temperature:
        return scores.argmax(-1)
    odds = (scores / temperature).softmax(-1).cpu()
    drawn = [torch.multinomial(row, 1, generator=chance) for row, chance in zip(odds, chances, strict=True)]
    return torch.cat(drawn).to(scores.device)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep ``transformers`` from reporting on stderr."""
    logging = import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
