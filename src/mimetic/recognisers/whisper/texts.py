"""What Whisper wrote in a window: its tokens, how far to trust them, and where they cut the window into segments."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mimetic.recognisers import LOOPS, SILENT, UNLIKELY

TICK = 0.02
"""Seconds between two time tokens."""

STEP = 1.0
"""Seconds by which a window at least moves on: a model that stutters cannot stand still."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A window's tokens and text, without the token that ends them; ``logprob`` is the mean with it."""

    tokens: tuple[int, ...]
    text: str
    logprob: float
    temperature: float

    @property
    def ratio(self) -> float:
        """How much smaller the text gets when it is packed."""
        return packing(self.text)

    def is_silence(self, silence: float) -> bool:
        """Tell whether the words are invented: they are unlikely, and that nobody speaks is not."""
        return silence > SILENT and self.logprob < UNLIKELY

    def holds(self, silence: float) -> bool:
        """Tell whether to leave it at that: it neither loops nor is too unlikely, or nobody speaks."""
        return self.is_silence(silence) or (self.ratio <= LOOPS and self.logprob >= UNLIKELY)


def packing(text: str) -> float:
    """Give the compression ratio of a text by zlib: 1 for an empty one, above 2.4 for a loop."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 1.0


def best(tries: Sequence[Written], silence: float) -> Written:
    """Give the try that holds; else the most likely of those that do not loop; else the one that loops least."""
    if tries[-1].holds(silence):
        return tries[-1]
    straight = [written for written in tries if written.ratio <= LOOPS]
    return max(straight, key=lambda written: written.logprob) if straight else min(tries, key=lambda w: w.ratio)


Cut = tuple[float, float, tuple[int, ...]]
"""Start and end in seconds of the window, and the tokens between."""


def split(tokens: Sequence[int], first_time: int, seconds: float) -> tuple[list[Cut], float]:
    """Cut a window's tokens into segments; tell how many seconds of the window they account for.

    Two time tokens in a row end a segment and begin the next. What follows the last such pair broke off at the
    window's end, and is heard again in the next window, which begins there; a single time token at the very end
    says that nothing follows. Without a pair (or with one within ``STEP``, which would not get on) all is one segment.
    ``first_time`` is the token of 0.00 s; all above it are times.
    """
    is_time = [token >= first_time for token in tokens]
    pairs = [at for at in range(1, len(tokens)) if is_time[at - 1] and is_time[at]]
    closed = is_time[-2:] == [False, True]
    done = seconds if closed or not pairs else min(seconds, TICK * (tokens[pairs[-1] - 1] - first_time))
    if not pairs or done < min(STEP, seconds):
        pairs, closed, done = [], True, seconds
    bounds = [0, *pairs, *([len(tokens)] if closed else [])]
    parts = [tuple(tokens[start:end]) for start, end in pairwise(bounds)]
    return [_cut(part, first_time, seconds) for part in parts], done


def _cut(part: tuple[int, ...], first_time: int, seconds: float) -> Cut:
    times = [TICK * (token - first_time) for token in part if token >= first_time]
    start = min(times[0], seconds) if times else 0.0
    end = min(times[-1], seconds) if len(times) > 1 else seconds
    return start, end, part
