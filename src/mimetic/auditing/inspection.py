"""One clip becomes facts: what its file claims, what its packets show, what is heard, how many faces are seen.

In goes a ``Clip``, out come its ``Facts``, small enough to be kept for every clip of a data set. Counting and timing
need packets alone, which costs a few milliseconds a clip; pictures and sound are decoded only for what cannot be
told otherwise: silence, faces, and damage inside the packets. Of a long clip the first minute is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mimetic.auditing.packets import Stream, read_tracks
from mimetic.detectors import DETECTORS, Detection, Detector
from mimetic.media import Media
from mimetic.parallel import Lost, unordered
from mimetic.pieces import PIECE_FRAMES, SHORTEST
from mimetic.records import SAMPLE_RATE, Clip, ClipError, NoStream, Sound
from mimetic.words import read_words

EVERY = 5
"""Of the sixteen pictures that are taken of a clip, faces are counted in each fifth."""

DECODED = 60.0
"""Seconds of a clip that are decoded at most."""

WINDOW = SAMPLE_RATE // 5
"""Samples over which loudness is measured: a fifth of a second, about a syllable."""

SILENCE = -120.0
"""Decibels that stand for nothing at all."""

BESIDE = 0.25
"""Share of the largest face's area from which on another face counts: a poster in the background does not."""

LIMIT = 120.0
"""Processor seconds that one clip may take before it is given up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of one clip's files.

    ``reason`` says why the media file told nothing (``None``: it did), ``there`` whether it exists at all. ``damage``
    is what went wrong without stopping it. ``loudness`` is the loudest fifth of a second in dB of full scale,
    ``faces`` their number in each picture looked at; both ``None`` where nobody looked. ``words`` is the transcript;
    where it is ``None``, ``words_reason`` says why, and it is empty where there is simply none.
    """

    clip: str
    there: bool = True
    reason: str | None = None
    picture: Stream | None = None
    sound: Stream | None = None
    damage: tuple[str, ...] = ()
    loudness: float | None = None
    faces: tuple[int, ...] | None = None
    words: str | None = None
    words_reason: str = ""

    @property
    def seconds(self) -> float:
        """How long the clip is: the longer of its tracks."""
        return max((track.seconds for track in (self.picture, self.sound) if track), default=0.0)


@dataclass(frozen=True, slots=True)
class Inspector:
    """Makes the function that inspects clips; pickled on its way to a worker.

    ``decode`` tells whether pictures and sound are decoded, ``detector`` who counts faces in them (``None``: nobody).
    """

    decode: bool = True
    detector: str | None = None

    def __call__(self) -> Callable[[Clip], Facts]:
        """Load the detector, and give the function."""
        detector: Detector | None = DETECTORS[self.detector].load()() if self.detector else None
        return lambda clip: inspect(clip, decode=self.decode, detector=detector)


def has_detector() -> bool:
    """Tell whether faces can be counted: whether mediapipe is installed."""
    return find_spec("mediapipe") is not None


def inspect_all(
    make: Callable[[], Callable[[Clip], Facts]],
    clips: Sequence[Clip],
    *,
    workers: int,
    limit: float = LIMIT,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Facts]:
    """Inspect clips in worker processes; give their facts in the clips' order.

    A clip that takes its worker down, or more than its time, is one whose ``reason`` says so.
    """
    facts = [Facts(clip=clip.id) for clip in clips]
    progress(0, len(clips))
    for done, (index, found) in enumerate(unordered(make, clips, workers=workers, limit=limit), start=1):
        facts[index] = Facts(clip=clips[index].id, reason=found.reason) if isinstance(found, Lost) else found
        progress(done, len(clips))
    return facts


def inspect(clip: Clip, *, decode: bool, detector: Detector | None) -> Facts:
    """Give one clip's facts; whatever is wrong with its files is among them."""
    facts = _with_words(Facts(clip=clip.id), clip)
    if clip.path is None:
        return facts
    if not clip.path.exists():
        return replace(facts, there=False, reason="no such file")
    try:
        picture, sound, damage = read_tracks(clip.path)
        facts = replace(facts, picture=picture, sound=sound, damage=damage)
        return _with_content(facts, clip.path, detector) if decode else facts
    except ClipError as error:
        return replace(facts, reason=str(error))
    except Exception as error:  # whatever it is, it is this clip's trouble, and not the others'
        return replace(facts, reason=f"{type(error).__name__}: {error}")


def _with_words(facts: Facts, clip: Clip) -> Facts:
    try:
        return replace(facts, words=read_words(clip).text)
    except NoStream:
        return facts
    except ClipError as error:
        return replace(facts, words_reason=str(error))


# --------------------------------------------------------------------------------------------- content


def _with_content(facts: Facts, path: Path, detector: Detector | None) -> Facts:
    heard, seen = _Loudness(), _Faces(detector)
    with Media(path) as media:
        rates = [PIECE_FRAMES / min(max(facts.seconds, SHORTEST), DECODED)] if media.has_picture else []
        for _, piece in media.decode(rates=rates, sound=media.has_sound):
            if isinstance(piece, Sound):
                heard.add(piece.samples)
            else:
                seen.add(piece.images)
            if facts.seconds > DECODED and (seen.looks >= PIECE_FRAMES or heard.seconds > 2 * DECODED):
                break
    reasons = [reason for view, reason in media.reasons.items() if _promised(facts, view)]
    return replace(
        facts,
        reason="; ".join(reasons) or None,
        damage=tuple(dict.fromkeys((*facts.damage, *media.warnings))),
        loudness=heard.loudest,
        faces=tuple(seen.counts) if seen.counts else None,
    )


def _promised(facts: Facts, view: str) -> bool:
    """Tell whether packets were there for a view that gave nothing."""
    track = facts.picture if view == "frames" else facts.sound
    return track is not None and track.packets > 0


class _Loudness:
    """The loudest fifth of a second, and how much was heard; a rest that is shorter counts as one."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.loudest: float | None = None

    def add(self, samples: NDArray[np.float32]) -> None:
        for start in range(0, len(samples), WINDOW):
            power = float(np.mean(np.square(samples[start : start + WINDOW], dtype=np.float64)))
            level = max(SILENCE, 10 * np.log10(power)) if power else SILENCE
            self.loudest = level if self.loudest is None else max(self.loudest, level)
        self.seconds += len(samples) / SAMPLE_RATE


class _Faces:
    """How many faces some of the pictures show."""

    def __init__(self, detector: Detector | None) -> None:
        self._detector = detector
        self.looks = 0
        self.counts: list[int] = []

    def add(self, images: NDArray[np.uint8]) -> None:
        for image in images:
            if self._detector is not None and self.looks % EVERY == 0:
                self.counts.append(_count(self._detector.detect(image)))
            self.looks += 1


def _count(faces: Sequence[Detection]) -> int:
    largest = max((face.area for face in faces), default=0.0)
    return sum(face.area >= BESIDE * largest for face in faces)
