"""Names of a source and clips in, which name is whose out: by id alone, never by order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from mimetic.foreign import READERS
from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip

SUFFIXES = frozenset({*MEDIA_SUFFIXES, *READERS})


def join(clips: Sequence[Clip], names: Iterable[str], path: Path) -> tuple[dict[str, str], list[str]]:
    """Give which name of the source is which clip's, and the names that are nobody's.

    A name is a clip's if a spelling of it is the id; else if one is a spelling of the id, and of no other clip's.

    Raises
    ------
    BadData
        if two names are one clip's.
    """
    exact = {clip.id for clip in clips}
    loose: dict[str, str | None] = {}
    for clip in clips:
        for spelling in {_loosely(spelling) for spelling in _spellings(clip.id)}:
            loose[spelling] = None if spelling in loose else clip.id
    places: dict[str, str] = {}
    strangers: list[str] = []
    for name in names:
        spellings = list(_spellings(name))
        owners = [s for s in spellings if s in exact] or [owner for s in spellings if (owner := loose.get(_loosely(s)))]
        if not owners:
            strangers.append(name)
        elif owners[0] in places:
            message = f"{path} has two entries for the clip {owners[0]!r}: {places[owners[0]]} and {name}"
            raise BadData(message, remedy="Leave one of them out.")
        else:
            places[owners[0]] = name
    return places, strangers


def _spellings(name: str) -> Iterator[str]:
    """Give a name as it is, without the suffixes of files, and with fewer and fewer of its folders."""
    yield name
    forms = [PurePosixPath(name.replace("\\", "/"))]
    while forms[-1].suffix.lower() in SUFFIXES:
        forms.append(forms[-1].with_suffix(""))
    for depth in range(len(forms[0].parts)):
        yield from ("/".join(form.parts[depth:]) for form in forms)


def _loosely(spelling: str) -> str:
    """Write a number without its zeros: 00012, 12 and 12.0 are one."""
    folder, slash, last = spelling.rpartition("/")
    number = last.removesuffix(".0")
    return f"{folder}{slash}{int(number)}" if number.isdecimal() else spelling
