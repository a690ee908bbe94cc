"""Checks of the files: are they there, whole and of one kind; what is in them that should not be, or not twice.

In goes the ``Material``, out come findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mimetic.auditing.findings import Finding, count, in_short
from mimetic.auditing.material import Material, is_usual, lacking, listed
from mimetic.auditing.packets import Stream
from mimetic.faces import CROP_NAME
from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import Clip, StoreError
from mimetic.store import Store
from mimetic.words import WORD_SUFFIXES

SHORT = 0.5
"""Seconds."""

LONG, TIMES_LONGER = 40.0, 5.0
"""Seconds from which on a clip is long, if it is also so many times longer than the middle one."""

SILENT = -60.0
"""Decibels of full scale: a quiet room with an open microphone is louder."""

APART, APART_SHARE = 0.5, 0.1
"""Seconds, and share of the longer track, by which picture and sound may differ; they may begin so far apart too."""

RATE_FACTOR, RATE_PICTURES = 1.5, 8
"""How far a claimed frame rate may be off, and the pictures that it takes to tell."""


def check_files(material: Material) -> Iterator[Finding]:
    """Look at everything that is about files."""
    yield from _unreadable(material)
    yield from _damage(material)
    yield from _tracks(material)
    yield from _timing(material)
    yield from _faces(material)
    yield from _duplicates(material)
    yield from _unlisted(material.dataset.clips)
    yield from _side_files(material)
    yield from _crops(material.dataset.clips)


def _unreadable(material: Material) -> Iterator[Finding]:
    missing = {fact.clip: "" for fact in material.facts if not fact.there}
    yield from listed("missing file", "listed, and not there", missing)
    reasons = {fact.clip: f"({fact.reason})" for fact in material.facts if fact.there and fact.reason}
    yield from listed("unreadable", "that cannot be read", reasons)


def _damage(material: Material) -> Iterator[Finding]:
    cut = {fact.clip: told for _, fact in material.readable if (told := _cut_off(fact.picture, fact.sound))}
    yield from listed("truncated", "cut off before the end that the header claims", cut)
    others = [fact for _, fact in material.readable if fact.damage and fact.clip not in cut]
    yield from listed("damaged", "with damage inside", {fact.clip: f"({'; '.join(fact.damage)})" for fact in others})


def _cut_off(picture: Stream | None, sound: Stream | None) -> str:
    """Say what is missing at a file's end; empty where nothing is."""
    for noun, track in (("picture", picture), ("sound", sound)):
        if track is None:
            continue
        if track.claimed_packets and track.packets < 0.95 * track.claimed_packets - 1:
            return f"({noun}: {track.packets:,} of {track.claimed_packets:,} packets)"
        if track.claimed_seconds and track.seconds < 0.9 * track.claimed_seconds - 0.5:
            return f"({noun}: {track.seconds:.1f} of {track.claimed_seconds:.1f} s)"
        if track.partial:
            return f"({noun}: a packet is cut off)"
    return ""


def _tracks(material: Material) -> Iterator[Finding]:
    facts = [fact for _, fact in material.readable]
    yield from lacking("no picture", "without a picture", {fact.clip: fact.picture is not None for fact in facts})
    yield from lacking("no sound", "without a sound track", {fact.clip: fact.sound is not None for fact in facts})
    silent = [fact for fact in facts if fact.loudness is not None and fact.loudness < SILENT]
    yield from listed("silent", f"in which nothing is above {SILENT:.0f} dB", {fact.clip: "" for fact in silent})


def _timing(material: Material) -> Iterator[Finding]:
    whole = [fact for _, fact in material.readable if not _cut_off(fact.picture, fact.sound)]
    timed = {fact.clip: fact.seconds for fact in whole if fact.seconds and not _is_still(fact.picture, fact.sound)}
    short = {id_: f"({seconds:.3f} s)" for id_, seconds in timed.items() if seconds < SHORT}
    yield from listed("short", f"shorter than {SHORT:g} s", short)
    limit = max(LONG, TIMES_LONGER * float(np.median(list(timed.values()) or [0.0])))
    long = sorted(((seconds, id_) for id_, seconds in timed.items() if seconds > limit), reverse=True)
    yield from listed("long", f"longer than {limit:.0f} s", {id_: f"({seconds:,.0f} s)" for seconds, id_ in long})
    apart = {fact.clip: told for fact in whole if (told := _apart(fact.picture, fact.sound))}
    yield from listed("picture and sound differ", "whose picture and sound are not of one time", apart)
    rates = {fact.clip: told for fact in whole if (told := _wrong_rate(fact.picture))}
    yield from listed("frame rate", "claiming a frame rate that the timestamps do not show", rates)


def _is_still(picture: Stream | None, sound: Stream | None) -> bool:
    return sound is None and picture is not None and picture.packets == 1


def _apart(picture: Stream | None, sound: Stream | None) -> str:
    if picture is None or sound is None or _is_still(picture, None):
        return ""
    late = sound.start - picture.start
    allowed = max(APART, APART_SHARE * max(picture.seconds, sound.seconds))
    if abs(picture.seconds - sound.seconds) > allowed:
        return f"(picture {picture.seconds:.1f} s, sound {sound.seconds:.1f} s)"
    return f"(the sound starts {abs(late):.1f} s {'after' if late > 0 else 'before'} it)" if abs(late) > APART else ""


def _wrong_rate(picture: Stream | None) -> str:
    if picture is None or picture.packets < RATE_PICTURES or not picture.rate:
        return ""
    worst = max(picture.claimed_rates, key=lambda rate: abs(np.log(rate / picture.rate)), default=picture.rate)
    is_off = not 1 / RATE_FACTOR < worst / picture.rate < RATE_FACTOR
    return f"(claims {worst:,.0f} a second, shows {picture.rate:.1f})" if is_off else ""


def _faces(material: Material) -> Iterator[Finding]:
    looked = {fact.clip: fact.faces for _, fact in material.readable if fact.faces}
    nobody = {id_: "" for id_, faces in looked.items() if not any(faces)}
    yield from listed("no face", "with no face in any picture looked at", nobody)
    crowds = {id_: max(faces) for id_, faces in looked.items() if np.mean([n > 1 for n in faces]) > 0.5}
    several = {id_: f"({number} faces)" for id_, number in crowds.items()}
    yield from listed("several faces", "with more than one face in most pictures looked at", several)


# ------------------------------------------------------------------------------------------ twice, or nowhere


def _duplicates(material: Material) -> Iterator[Finding]:
    rows = {id_: row for row, id_ in enumerate(material.ids)}
    alike: dict[tuple[str | None, ...], list[int]] = {}
    for _, fact in material.readable:
        key = tuple(track.digest if track else None for track in (fact.picture, fact.sound))
        if any(key):
            alike.setdefault(key, []).append(rows[fact.clip])
    groups = [group for group in alike.values() if len(group) > 1]
    across = [group for group in groups if material.is_across(group)]
    within = [group for group in groups if group not in across]
    yield from _alike("duplicate across parts", material, across)
    yield from _alike("duplicate", material, within)


def _alike(check: str, material: Material, groups: list[list[int]]) -> Iterator[Finding]:
    if groups:
        clips = tuple(material.ids[row] for group in groups for row in group)
        told = [in_short([material.named(row) for row in group], between=" = ") for group in groups]
        message = f"{count(len(clips))} with the content of another, byte by byte: {in_short(told, between='; ')}"
        yield Finding(check=check, message=message, clips=clips)


def _unlisted(clips: Iterable[Clip]) -> Iterator[Finding]:
    folders: dict[Path, set[str]] = {}
    for clip in clips:
        if clip.path is not None:
            folders.setdefault(clip.path.parent, set()).add(clip.path.stem)
    found = [
        file.name
        for folder, stems in folders.items()
        for file in _files(folder)
        if file.suffix.lower() in MEDIA_SUFFIXES and file.stem not in stems
    ]
    if found:
        message = f"{count(len(found), 'media file')} that no table lists: {in_short(found)}"
        yield Finding(check="unlisted file", message=message, clips=tuple(found))


def _files(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if path.is_file() and not path.name.startswith(".")]


def _side_files(material: Material) -> Iterator[Finding]:
    clips = material.dataset.clips
    stems = {clip.words.stem for clip in clips if clip.words is not None}
    folders = sorted({clip.words.parent for clip in clips if clip.words is not None})
    words = [file for folder in folders for file in _files(folder) if file.suffix.lower() in WORD_SUFFIXES]
    faces = {clip.faces for clip in clips if clip.faces is not None}
    crops = [path for parent in sorted({face.parent for face in faces}) for path in sorted(parent.iterdir())]
    for noun, names in (
        ("transcript", [file.name for file in words if file.stem not in stems]),
        ("face folder", [path.name for path in crops if _is_strange(path, faces)]),
        ("stored id", _stored(material)),
    ):
        if names:
            message = f"{count(len(names), noun)} without a clip: {in_short(names)}"
            yield Finding(check="unmatched side file", message=message, clips=tuple(names))


def _is_strange(path: Path, known: set[Path]) -> bool:
    return path.is_dir() and path not in known and not path.name.startswith(".")


def _stored(material: Material) -> list[str]:
    """List the clips that the data set's store has features of, and the data set does not have."""
    place, known = material.dataset.store, set(material.ids)
    if place is None or not place.is_dir():
        return []
    store, strange = Store(place), set[str]()
    for key in store.keys():  # noqa: SIM118 - a store is no mapping
        try:
            strange |= set(store[key]) - known
        except StoreError:  # what is wrong with a store, `mimetic store verify` tells
            continue
    return sorted(strange)


def _crops(clips: Iterable[Clip]) -> Iterator[Finding]:
    """Look for clips without crops in the parts whose clips mostly have some, and for files that are no crops."""
    junk: dict[str, str] = {}
    has: dict[str | None, dict[str, bool]] = {}
    for clip in clips:
        names = [path.name for path in _files(clip.faces)] if clip.faces is not None else []
        crops = [name for name in names if CROP_NAME.fullmatch(name)]
        has.setdefault(clip.part, {})[clip.id] = bool(crops)
        if others := sorted(set(names) - set(crops)):
            junk[clip.id] = f"({in_short(others)})"
    usual = {id_: there for part in has.values() if is_usual(part) for id_, there in part.items()}
    yield from lacking("no face crops", "without face crops", usual)
    yield from listed("junk", "with files among the face crops that are none", junk)
