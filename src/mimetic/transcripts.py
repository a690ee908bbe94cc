"""The words of all clips in one place: a CSV or JSON file gives texts by clip id, a folder side files by clip."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from mimetic.encodings import read_text
from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, ClipError
from mimetic.subtitles import TEXT_NAMES, collapsed, words_from_json
from mimetic.words import WORD_SUFFIXES

ID_COLUMNS = ("filename", "clip", "id", "video_id", "file")
"""How the column with the clips' ids may be called, in any case."""


def read_table(path: Path) -> dict[str, str]:
    """Give the words of many clips by id, from one CSV or JSON file.

    A CSV has a column of ``ID_COLUMNS`` and one of ``TEXT_NAMES``. A JSON file is an object of texts (or of whisper's
    results) by id, or a list of records with the CSV's names. An id is what is written, never a number, without
    the suffix of a media file; an empty text is a fact, and what is ``null`` or left out is missing.

    Raises
    ------
    BadData
        for a file that is none of these, and for an id that stands twice; a CSV's line is named.
    """
    try:
        text = read_text(path).text
    except ClipError as error:
        raise BadData(
            f"{path}: {error}", remedy="It has to be a CSV or JSON file with the words of all clips."
        ) from None
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)
    table: dict[str, str] = {}
    for where, name, words in rows:
        id_ = name.strip()
        if PurePath(id_).suffix.lower() in MEDIA_SUFFIXES:
            id_ = str(PurePath(id_).with_suffix(""))
        if not id_:
            raise BadData(f"{where}: a row without an id", remedy="Every row names its clip.")
        if id_ in table:
            raise BadData(f"{where}: the id {id_!r} stands twice", remedy="Every clip has one row.")
        table[id_] = collapsed(words)
    return table


Row = tuple[str, str, str]
"""Where it stands, an id and a text."""


def _csv_rows(path: Path, text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        columns = [_column(path, header, names) for names in (ID_COLUMNS, TEXT_NAMES)]
        name, words = map(header.index, columns)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if cells and len(cells) != len(header):
                remedy = "A text with a comma in it stands in double quotes."
                raise BadData(f"{where}: {len(cells)} cells under {len(header)} columns", remedy=remedy)
            if cells:
                yield where, cells[name], cells[words]
    except csv.Error as error:
        raise BadData(f"{path}, line {reader.line_num}: {error}", remedy="Save it as CSV in UTF-8.") from None


def _json_rows(path: Path, text: str) -> Iterator[Row]:
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path} is no JSON ({error})", remedy="Write an object of texts by id.") from None
    if not isinstance(value, dict | list):
        raise BadData(f"{path} holds a single value", remedy="Write an object of texts by id.")
    entries = value.items() if isinstance(value, dict) else (_record(path, *item) for item in enumerate(value, 1))
    for name, entry in entries:
        words = words_from_json(entry)
        if words is not None:
            yield str(path), name, words.text
        elif entry is not None:
            raise BadData(f"{path}: {name!r} has no text", remedy="An entry is a text, or what whisper wrote.")


def _record(path: Path, number: int, record: Any) -> tuple[str, Any]:
    if not isinstance(record, dict):
        raise BadData(f"{path}, record {number}: not an object", remedy='Write {"id": ..., "text": ...}.')
    name = record[_column(path, record, ID_COLUMNS)]
    if not isinstance(name, str):
        remedy = "Write ids in quotes, as the clips are called: a number loses its zeros."
        raise BadData(f"{path}, record {number}: the id {name!r} is not a string", remedy=remedy)
    return name, record[_column(path, record, TEXT_NAMES)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for name, value in pairs:
        if name in seen:
            raise ValueError(f"{name!r} stands twice")
        seen[name] = value
    return seen


def _column(path: Path, header: Iterable[str], names: Sequence[str]) -> str:
    by_name = {column.strip().lower(): column for column in header}
    for name in names:
        if name in by_name:
            return by_name[name]
    raise BadData(f"{path} has no column {' or '.join(names)}", remedy=f"Its columns: {', '.join(header) or 'none'}.")


# ------------------------------------------------------------------------------------- a folder of files


def with_side_files(clips: Sequence[Clip], folder: Path) -> tuple[Clip, ...]:
    """Give the clips with their side files below a folder; one that has none there stays as it is.

    A file belongs to the clip whose id is its path below the folder without the suffix: ``a/b.srt`` to ``a/b`` and to
    ``a/b.mp4``, ``a/b.mp4.json`` to ``a/b.mp4`` alone. Else ``b.srt`` belongs to the only clip that is called ``b`` or
    ``b.mp4`` in whatever folder. Of several, the first of ``WORD_SUFFIXES`` counts.

    Raises
    ------
    BadData
        if no clip has a file there.
    """
    files = _side_files(folder)
    names = [_names_of(clip.id) for clip in clips]
    bare = Counter(last for *_, last in names)
    places = [
        next((files[name] for name in (*full, *([last] if bare[last] == 1 else [])) if name in files), None)
        for *full, last in names
    ]
    if not any(places):
        some = ", ".join(list(files)[:3]) or "none"
        raise BadData(
            f"{folder} has words of none of the clips", remedy=f"Files are called by clip id; there are: {some}."
        )
    pairs = zip(clips, places, strict=True)
    return tuple(replace(clip, words=place, text=None) if place else clip for clip, place in pairs)


def side_file(folder: Path, id_: str) -> Path:
    """Give where a clip's words are written below a folder: ``<id>.json``, with what would lead elsewhere escaped."""
    return folder / f"{_written(id_)}.json"


def _side_files(folder: Path) -> dict[str, Path]:
    found = [path for path in folder.rglob("*") if path.suffix.lower() in WORD_SUFFIXES and path.is_file()]
    ranked = sorted(found, key=lambda path: (-WORD_SUFFIXES.index(path.suffix.lower()), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in ranked if path.name[0] != "."}


def _names_of(id_: str) -> tuple[str, ...]:
    """Give what a clip's file may be called, the most exact first; the last is its bare name."""
    path = PurePosixPath(id_)
    stem = str(path.with_suffix("")) if path.suffix.lower() in MEDIA_SUFFIXES else id_
    return _written(id_), id_, stem, PurePosixPath(stem).name


def _written(id_: str) -> str:
    """Escape the characters that no file's name may have on some system, and the steps that lead out of a folder."""
    escaped = re.sub(r'[%<>:"\\|?*\x00-\x1f]', lambda match: f"%{ord(match[0]):02X}", id_)
    return "/".join(step.replace(".", "%2E") if step.strip(".") == "" else step for step in escaped.split("/")).lstrip(
        "/"
    )
