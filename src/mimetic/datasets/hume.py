"""The challenge's layout (Hume-Vidmimic2, and what is made like it): a folder in, a Dataset out; and the submission.

::

    ROOT/train_split.csv, valid_split.csv (or val_split.csv)    Filename,<target>,<target>,...
    ROOT/raw/NNNNN.mp4                                          training and validation clips
    ROOT/test_data/raw/NNNNN.mp4 (or test/raw)                  test clips; test_split.csv lists them, without labels
    ROOT/text/NNNNN.{txt,srt,vtt,ttml,json}                     words, where somebody made them
    ROOT/face_images/NNNNN/<n>.jpg                              the organisers' face crops
    ROOT/clips.csv                                              Filename,<column>,...: what else is known of clips

Ids are strings of five digits everywhere: ``12`` and ``12.0`` in a table mean ``00012``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, Dataset
from mimetic.words import WORD_SUFFIXES

ID_COLUMN = "Filename"
ID_DIGITS = 5
TRAIN, VALID, TEST = ("train_split.csv",), ("valid_split.csv", "val_split.csv"), ("test_split.csv",)
TEST_FOLDERS = ("test_data", "test")
NOTE = "truth/README.txt"
FACTS = "clips.csv"


def recognise(path: Path) -> bool:
    """Tell whether the folder holds the challenge's tables."""
    return path.is_dir() and any((path / name).is_file() for name in (*TRAIN, *VALID))


def open_layout(path: Path) -> Dataset:
    """Open the layout.

    Raises
    ------
    BadData
        for a table without targets, a label that is not a number (with its line), an id twice.
    """
    tables = {"train": _first(path, TRAIN), "valid": _first(path, VALID)}
    targets = _targets([table for table in tables.values() if table])
    rows = {part: list(_rows(table)) if table else [] for part, table in tables.items()}
    tests = _test_ids(path)
    _check_ids(path, rows, tests)
    files = _Files(path)
    clips = [files.clip(id_, part) for part in rows for id_, _ in rows[part]]
    clips += [files.clip(id_, "test") for id_ in tests]
    labels = [[values[target] for target in targets] for part in rows for _, values in rows[part]]
    labels += [[np.nan] * len(targets)] * len(tests)
    return Dataset(
        name=path.resolve().name,
        clips=tuple(clips),
        targets=targets,
        labels=np.array(labels, dtype=np.float64).reshape(len(clips), len(targets)),
        store=path / "features",
        note=_note(path),
        columns=_columns(path / FACTS, [clip.id for clip in clips]),
    )


def _note(root: Path) -> str:
    """Give what the maker of a simulated data set says of it."""
    note = root / NOTE
    return note.read_text("utf-8").strip() if note.is_file() else ""


def _columns(table: Path, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read what else is known of the clips; of one that the table does not list, nothing is."""
    if not table.is_file():
        return {}
    header = _header(table)
    if ID_COLUMN not in header:
        raise BadData(f"{table} has no column {ID_COLUMN!r}", remedy=f"Its columns: {', '.join(header)}.")
    known = {id_: cells for _, id_, cells in _cells(table)}
    return {name: tuple(known.get(id_, {}).get(name, "") for id_ in ids) for name in header if name != ID_COLUMN}


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _lines(table: Path) -> list[tuple[int, list[str]]]:
    """Give a table's lines, each with its number; the first is the header."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadData(f"{table} is no CSV ({error})", remedy="Save it as CSV in UTF-8.") from None
    header = lines[0][1] if lines else []
    if len(set(header)) < len(header):
        raise BadData(f"{table} has two columns of one name", remedy=f"Its columns: {', '.join(header)}.")
    return lines


def _header(table: Path) -> list[str]:
    return next((cells for _, cells in _lines(table)), [])


def _targets(tables: Sequence[Path]) -> tuple[str, ...]:
    headers = [_header(table) for table in tables]
    for table, header in zip(tables, headers, strict=True):
        if ID_COLUMN not in header:
            raise BadData(f"{table} has no column {ID_COLUMN!r}", remedy=f"Its columns: {', '.join(header)}.")
        if len(header) < 2:
            remedy = f"Beside {ID_COLUMN!r} it needs one column for each emotion."
            raise BadData(f"{table} has no target column", remedy=remedy)
        if set(header) != set(headers[0]):
            remedy = f"{tables[0].name}: {', '.join(headers[0])}; {table.name}: {', '.join(header)}."
            raise BadData(f"{tables[0]} and {table} have different columns", remedy=remedy)
    return tuple(name for name in headers[0] if name != ID_COLUMN)


def _rows(table: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield ``(id, target -> value)`` for every line."""
    for where, id_, row in _cells(table):
        yield id_, {name: _number(text, name, where) for name, text in row.items()}


def _cells(table: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield where a line stands, its clip's id, and its other cells by column."""
    (_, header), *lines = _lines(table)
    for number, cells in lines:
        where = f"{table}, line {number}"
        if len(cells) != len(header):
            remedy = "Separate cells with commas, and write decimals with a point."
            raise BadData(f"{where} has {len(cells)} cells, the header {len(header)}", remedy=remedy)
        row = dict(zip(header, cells, strict=True))
        yield where, clip_id(row.pop(ID_COLUMN), where), row


def clip_id(text: str, where: str) -> str:
    """Give the id as the layout's files spell it: ``"12.0"`` and ``"12"`` are ``"00012"``."""
    name = text.strip()
    if not name:
        raise BadData(f"{where}: there is no {ID_COLUMN}", remedy="Every line needs an id.")
    whole = name.removesuffix(".0")
    return whole.zfill(ID_DIGITS) if whole.isdigit() else Path(name).stem if Path(name).suffix else name


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        value = math.inf
    if math.isinf(value):
        remedy = "Write a number, or leave the cell empty where nobody said."
        raise BadData(f"{where}: {name} is {text!r}, not a number", remedy=remedy)
    return value


def _test_ids(root: Path) -> list[str]:
    """List the test clips: those of the organisers' list (whose zeros are no labels), else those that are there."""
    for folder in TEST_FOLDERS:
        if table := _first(root / folder, TEST):
            return sorted(id_ for id_, _ in _rows(table)) if ID_COLUMN in _header(table) else []
    for folder in TEST_FOLDERS:
        if (root / folder / "raw").is_dir():
            return sorted(_id_of(path) for path in (root / folder / "raw").iterdir() if _is_clip(path))
    return []


def _is_clip(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in MEDIA_SUFFIXES and not path.name.startswith(".")


def _id_of(path: Path) -> str:
    return clip_id(path.stem, str(path))


def _check_ids(root: Path, rows: Mapping[str, Sequence[tuple[str, Mapping[str, float]]]], tests: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for part, ids in [*((part, [id_ for id_, _ in rows[part]]) for part in rows), ("test", list(tests))]:
        for id_ in ids:
            if id_ in seen:
                where = f"twice in {part}" if seen[id_] == part else f"in {seen[id_]} and in {part}"
                raise BadData(f"{root}: the id {id_} stands {where}", remedy="Every clip has one row.")
            seen[id_] = part
    if not seen:
        raise BadData(f"{root} lists no clips", remedy=f"Its tables need lines below {ID_COLUMN}.")


class _Files:
    """What lies in the layout's folders, listed once."""

    def __init__(self, root: Path) -> None:
        tests = [root / name for name in TEST_FOLDERS]
        self._root = root
        self._media = _by_id([root / "raw", *(folder / "raw" for folder in tests)], sorted(MEDIA_SUFFIXES))
        self._words = _by_id([root / "text", *(folder / "text" for folder in tests)], WORD_SUFFIXES)
        faces = [root / "face_images", *(folder / "face_images" for folder in tests)]
        self._faces = {
            clip_id(path.name, str(path)): path
            for folder in faces
            if folder.is_dir()
            for path in folder.iterdir()
            if path.is_dir()
        }

    def clip(self, id_: str, part: str) -> Clip:
        expected = self._root / ("raw" if part != "test" else "test_data/raw") / f"{id_}.mp4"
        return Clip(
            id=id_,
            path=self._media.get(id_, expected),
            words=self._words.get(id_),
            faces=self._faces.get(id_),
            part=part,
        )


def _by_id(folders: Sequence[Path], suffixes: Sequence[str]) -> dict[str, Path]:
    """List files by their clip's id; of a clip that has several, the first suffix counts."""
    found = [p for folder in folders if folder.is_dir() for p in sorted(folder.iterdir())]
    known = [p for p in found if p.suffix.lower() in suffixes and not p.name.startswith(".")]
    return {_id_of(p): p for p in sorted(known, key=lambda p: -suffixes.index(p.suffix.lower()))}
