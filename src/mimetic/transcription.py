"""Clips become transcripts: a JSON file a clip in a folder, which ``--words FOLDER`` reads.

Each clip's file is written when the clip is done, so a job that was killed goes on where it was. A clip without a voice
in its sound has an empty text, which is a fact; one without sound has no file, and its reason is told. What others
have written is never replaced.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from mimetic.checkpoints import locate, weigh
from mimetic.devices import choose_device
from mimetic.media import fingerprint
from mimetic.parallel import Lost, processors, unordered
from mimetic.recognisers import RECOGNISERS, Manner, Recogniser, Segment
from mimetic.records import Clip, ClipError, Json, NoStream, UnknownName, UsageError, find
from mimetic.store import write_atomically
from mimetic.transcripts import side_file
from mimetic.voices import Heard, hear, identify
from mimetic.words import WORD_SUFFIXES

LIMIT = 900.0
"""Processor seconds that a clip's decoding may take before it is given up."""


@dataclass(slots=True)
class Summary:
    """What a transcription did; ``missing`` and ``failures`` are ``(clip, reason)``.

    Of the ``clips``, ``kept`` had their file already, ``spoken`` have words now, ``silent`` have an empty text now;
    ``missing`` have no sound, and ``failures`` could not be read.
    """

    clips: int = 0
    kept: int = 0
    spoken: int = 0
    silent: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def as_json(self) -> Json:
        """Give the summary as ``--json`` prints it."""
        told = {name: [{"clip": c, "reason": r} for c, r in getattr(self, name)] for name in ("missing", "failures")}
        return {"clips": self.clips, "kept": self.kept, "spoken": self.spoken, "silent": self.silent, **told}


def transcribe(
    clips: Sequence[Clip],
    folder: Path,
    *,
    backend: str = "transformers",
    model: str = "",
    language: str = "",
    condition: bool = False,
    vad: str = "silero",
    precision: str = "fp32",
    device: str = "auto",
    batch: int = 8,
    workers: int | None = None,
    limit: float = LIMIT,
    again: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Summary:
    """Write what is said in the clips below a folder, ``<id>.json`` each.

    Parameters
    ----------
    backend, model
        a name in ``RECOGNISERS``, and a checkpoint's folder or id (the recogniser's own if not told).
    language
        a code (``en``); the one that is heard in each window if not told.
    condition
        show the model what was said before.
    vad
        who tells where somebody speaks: ``silero``, or ``none``, which leaves that to Whisper.
    precision, device, batch
        how the model computes, and how many windows at a time.
    workers, limit
        processes that decode (0 for this one), and the processor seconds that a clip may take there.
    again
        replace transcripts of ours that were made otherwise.
    progress
        called with ``(clips done, clips to do)``.

    Raises
    ------
    UsageError
        before any work: for an unknown name, weights or packages that are missing, and a file that is in the way.
    """
    entry = find(RECOGNISERS, backend, "speech recogniser")
    if precision not in entry.precisions:
        raise UnknownName(f"precision of {backend}", precision, entry.precisions)
    place = locate(model or entry.model, name=f"the recogniser {backend!r}")
    made: Json = {
        "backend": backend,
        "model": model or entry.model,
        "weights": weigh(place),
        "language": language,
        "condition": condition,
        "vad": identify(vad),
        "precision": precision,
    }
    manner = Manner(
        language=language, condition=condition, precision=precision, device=choose_device(device), batch=batch
    )
    work = _Work(folder, made, progress)
    waiting = work.plan(clips, again=again)
    if waiting:
        recogniser: Recogniser = entry.load()(place, manner)
        workers = processors() if workers is None else workers
        work.run(waiting, recogniser, unordered(_Ears(vad), waiting, workers=workers, limit=limit))
    return work.summary


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A clip that gave no sound, and why."""

    reason: str
    is_missing: bool


@dataclass(frozen=True, slots=True)
class _Ears:
    """Makes what hears a clip, in whichever process."""

    vad: str

    def __call__(self) -> Callable[[Clip], Heard | _Unheard]:
        return self.hear

    def hear(self, clip: Clip) -> Heard | _Unheard:
        try:
            return hear(clip, self.vad)
        except ClipError as error:
            return _Unheard(str(error), isinstance(error, NoStream))
        except Exception as error:  # whatever it is, it is this clip's trouble, and not the others'
            return _Unheard(f"{type(error).__name__}: {error}", is_missing=False)


class _Work:
    """A folder that is being filled."""

    def __init__(self, folder: Path, made: Mapping[str, object], progress: Callable[[int, int], None]) -> None:
        self.summary = Summary()
        self._folder, self._made, self._progress = folder, made, progress
        self._done = self._total = 0

    def plan(self, clips: Sequence[Clip], *, again: bool) -> list[Clip]:
        """Give the clips that have no transcript yet; nothing may be in the way of one."""
        waiting, otherwise = [], []
        for clip in clips:
            made = self._found(clip)
            if made is not None and made == self._mark(clip):
                continue
            waiting.append(clip)
            if made is not None:
                otherwise.append(clip.id)
        if otherwise and not again:
            message = f"{self._folder} holds {len(otherwise)} transcripts that were made by another model, with other"
            message += f" options or from other files (the first: {otherwise[0]})"
            raise UsageError(message, remedy="Give another folder; or --again to replace them.")
        self.summary.clips, self.summary.kept = len(clips), len(clips) - len(waiting)
        self._total = len(waiting)
        self._progress(0, self._total)
        return waiting

    def _found(self, clip: Clip) -> Json | None:
        """Give what a clip's file says that it was made by; ``None`` where there is none."""
        place = side_file(self._folder, clip.id)
        found = next((p for p in (place.with_suffix(suffix) for suffix in WORD_SUFFIXES) if p.is_file()), None)
        if found is None:
            return None
        made = _made(found) if found == place else None
        if made is None:
            raise UsageError(f"{found} is there, and not of our making", remedy="Give another folder.")
        return made

    def _mark(self, clip: Clip) -> Json:
        """Give what a transcript of the clip is made by and from, as its file says it."""
        try:
            source = fingerprint(clip.path) if clip.path is not None else "absent"
        except ClipError:
            source = "absent"
        return {**self._made, "source": source}

    def run(
        self, clips: Sequence[Clip], recogniser: Recogniser, heard: Iterator[tuple[int, Heard | _Unheard | Lost]]
    ) -> None:
        """Write the clips' transcripts as they are ready."""
        sounds: dict[int, Heard] = {}
        for index, segments in recogniser(self._spoken(clips, heard, sounds)):
            sound = sounds.pop(index)
            document = _document(segments, sound, {"by": f"mimetic {version('mimetic')}", **self._mark(clips[index])})
            try:
                write_atomically(side_file(self._folder, clips[index].id), document)
            except OSError as error:
                self.summary.failures.append((clips[index].id, f"cannot be written ({error.strerror})"))
            else:
                self.summary.spoken += bool(segments)
                self.summary.silent += not segments
            self._count()

    def _spoken(
        self, clips: Sequence[Clip], heard: Iterator[tuple[int, Heard | _Unheard | Lost]], sounds: dict[int, Heard]
    ) -> Iterator[tuple[int, Heard]]:
        """Pass on what was heard, and note what was not."""
        for index, sound in heard:
            if isinstance(sound, Heard):
                sounds[index] = sound
                yield index, sound
                continue
            is_missing = isinstance(sound, _Unheard) and sound.is_missing
            (self.summary.missing if is_missing else self.summary.failures).append((clips[index].id, sound.reason))
            self._count()

    def _count(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def _made(path: Path) -> Json | None:
    """Give what a file of ours says that it was made by, without the version; ``None`` of any other file."""
    try:
        made = json.loads(path.read_text("utf-8"))["made"]
        by = made.pop("by")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return made if isinstance(by, str) and by.startswith("mimetic ") else None


def _document(segments: Sequence[Segment], heard: Heard, made: Json) -> bytes:
    """Give a transcript's file: what ``read_words`` reads, and beside it what the model was sure of."""
    spoken: dict[str, float] = defaultdict(float)
    for segment in segments:
        spoken[segment.language] += segment.end - segment.start
    content = {
        "text": " ".join(segment.text for segment in segments),
        "language": max(spoken, key=lambda code: spoken[code], default=""),
        "segments": [_rounded(asdict(segment)) for segment in segments],
        "voices": [[round(second, 3) for second in stretch] for stretch in heard.voices],
        "seconds": round(heard.seconds, 3),
        "made": made,
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _rounded(values: Json) -> Json:
    """Round to what is meant: times to milliseconds, the rest to four digits."""
    digits = {"start": 3, "end": 3}
    return {name: round(v, digits.get(name, 4)) if isinstance(v, float) else v for name, v in values.items()}
