"""What transcripts look like: the text of a file goes in, ``Words`` come out.

SubRip, WebVTT, TTML, the JSON of whisper and its kin, plain text. Subtitles are read as found in the wild: what is
broken in a cue costs its time, not its text. Nothing in a file is ever executed, expanded or fetched.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from mimetic.records import ClipError, Words

TEXT_NAMES = ("text", "words", "transcript", "transcription")
"""What the text is called in JSON, and in a table of words."""

Cue = tuple[float | None, float | None, str]
"""Start and end in seconds (``None``: not known) and what is said between them, whitespace collapsed."""


def collapsed(text: str) -> str:
    """Give the text with single spaces, and without the half characters that JSON can hold and UTF-8 cannot."""
    return " ".join(text.encode(errors="replace").decode().split())


def _timed(cues: Iterable[Cue]) -> Words:
    """Join the cues; those that say something and know their time are segments. An end is never before its start."""
    said = [cue for cue in cues if cue[2]]
    segments = tuple((s, max(s, e), text) for s, e, text in said if s is not None and e is not None)
    return Words(text=" ".join(text for _, _, text in said), segments=segments)


# ------------------------------------------------------------------------------------------ subtitles

_TIME = r"(?:(\d{1,4})\s*:\s*)?(\d{1,2})\s*:\s*(\d{1,2}(?:[.,]\d*)?)"
_TIMING = re.compile(rf"\s*{_TIME}\s*-{{1,2}}>\s*{_TIME}")
_NUMBER = re.compile(r"\s*\d+\s*")
_ASIDE = re.compile(r"(WEBVTT|NOTE|STYLE|REGION)\b")
_BREAK = re.compile(r"<br\s*/?>|\\[Nnh]", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}|&#\d{8,};?", re.IGNORECASE)


def _plain(text: str) -> Words:
    return Words(text=collapsed(text))


def _subtitles(text: str) -> Words:
    """Read SubRip and WebVTT alike: blocks between blank lines, in them lines with times and lines with words.

    A block without times is a comment, or else the rest of the cue before it, which had a blank line in it or a
    time that is none.
    """
    cues: list[tuple[float, float, list[str]]] = []
    lines = [line.rstrip() for line in text.splitlines()]
    for block in re.split(r"\n{2,}", "\n".join(lines).strip("\n")):
        found = list(_block(block.split("\n")))
        if not found and cues and not _ASIDE.match(block):
            cues[-1][2].extend(_unnumbered(block.split("\n")))
        cues.extend(found)
    if not cues and not _ASIDE.match(text.lstrip()):
        raise ClipError("the transcript has no line with times")
    return _timed((start, end, _unmarked(said)) for start, end, said in cues)


def _block(lines: Sequence[str]) -> Iterator[tuple[float, float, list[str]]]:
    """Give the cues of one block; there are several where the blank lines between them are missing."""
    timings = {row: match for row, line in enumerate(lines) if (match := _TIMING.match(line))}
    ends = [*list(timings)[1:], len(lines)]
    for (row, match), end in zip(timings.items(), ends, strict=False):
        said = list(lines[row + 1 : end])
        if end < len(lines) and said and _NUMBER.fullmatch(said[-1]):
            said.pop()
        yield _clock(*match.groups()[:3]), _clock(*match.groups()[3:]), said


def _unnumbered(lines: list[str]) -> list[str]:
    return lines[1:] if _NUMBER.fullmatch(lines[0]) else lines


def _clock(hours: str | None, minutes: str, seconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))


def _unmarked(lines: Iterable[str]) -> str:
    """Take tags, times and styles out; a line that should have been times is no speech either."""
    text = "\n".join(line for line in lines if "-->" not in line)
    return collapsed(html.unescape(_MARKUP.sub("", _BREAK.sub(" ", text))))


# ----------------------------------------------------------------------------------------- timed text

_OFFSET = re.compile(r"(\d{1,15}(?:\.\d*)?)(h|ms|m|s|f|t)?")
_CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,4}(?:\.\d*)?)(?::(\d{1,4}))?")


def _timed_text(text: str) -> Words:
    """Read TTML: one cue a paragraph. Times are those of the paragraph; what its parents add is nothing in practice.

    A document that declares a type or an entity is refused: a transcript needs none, an attack does.
    """
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ClipError("the transcript declares a document type, which is not read")
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError as error:
        raise ClipError(f"the transcript is not well-formed XML ({error})") from None
    if _local(root.tag) != "tt":
        raise ClipError("the transcript is XML, but no timed text")
    rates = {_local(name): float(value) for name, value in root.items() if re.fullmatch(r"[1-9]\d{0,8}", value)}
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
    units |= {"f": 1 / rates.get("frameRate", 30.0), "t": 1 / rates.get("tickRate", 1.0)}
    return _timed(_paragraph(element, units) for element in root.iter() if _local(element.tag) == "p")


def _paragraph(element: ElementTree.Element, units: Mapping[str, float]) -> Cue:
    for inner in element.iter():
        if _local(inner.tag) == "br":
            inner.text = " "
    begin, end, duration = (_ttml_time(element.get(name, ""), units) for name in ("begin", "end", "dur"))
    if end is None and begin is not None and duration is not None:
        end = begin + duration
    return begin, end, collapsed("".join(element.itertext()))


def _ttml_time(text: str, units: Mapping[str, float]) -> float | None:
    if match := _OFFSET.fullmatch(text.strip()):
        return float(match[1]) * units[match[2] or "s"]
    if match := _CLOCK.fullmatch(text.strip()):
        return _clock(match[1], match[2], match[3]) + int(match[4] or 0) * units["f"]
    return None


def _local(name: str) -> str:
    return name.rpartition("}")[2]


# ----------------------------------------------------------------------------------------------- JSON


def _json(text: str) -> Words:
    try:
        words = words_from_json(json.loads(text))
    except (ValueError, RecursionError):
        raise ClipError("the transcript is not JSON") from None
    if words is None:
        raise ClipError("the transcript is JSON without a text or segments")
    return words


def words_from_json(value: Any) -> Words | None:
    """Read what whisper, WhisperX and whisper-timestamped write, a list of segments, or no more than a text."""
    if isinstance(value, str):
        return Words(text=collapsed(value))
    if isinstance(value, list):
        return _timed(map(_segment, value)) if all(isinstance(item, dict) for item in value) else None
    if not isinstance(value, dict):
        return None
    segments = value.get("segments")
    words = words_from_json(segments) if isinstance(segments, list) else None
    text = next((value[name] for name in TEXT_NAMES if isinstance(value.get(name), str)), None)
    if text is None:
        return words
    return Words(text=collapsed(text), segments=words.segments if words else ())


def _segment(segment: Mapping[str, Any]) -> Cue:
    """Read a segment; a text or a time that it lacks is that of its words (``text`` in whisper-timestamped's)."""
    text, start, end = segment.get("text"), _json_time(segment.get("start")), _json_time(segment.get("end"))
    told = segment.get("words")
    words = [word for word in told if isinstance(word, dict)] if isinstance(told, list) else []
    if not isinstance(text, str):
        text = " ".join(str(word.get("word", word.get("text", ""))) for word in words)
    starts, ends = ([t for w in words if (t := _json_time(w.get(name))) is not None] for name in ("start", "end"))
    return (
        min(starts, default=None) if start is None else start,
        max(ends, default=None) if end is None else end,
        collapsed(text),
    )


def _json_time(value: Any) -> float | None:
    """Give seconds; NaN, infinity and what is no number are not known."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None


READERS: Mapping[str, Callable[[str], Words]] = {
    ".txt": _plain,
    ".srt": _subtitles,
    ".vtt": _subtitles,
    ".ttml": _timed_text,
    ".xml": _timed_text,
    ".json": _json,
}
