"""Any CSV as a data set: a column with paths or texts, and numeric targets. No class to write, no name assumed.

Columns are found by name: a path (``path``, ``file``, ``filename``, ``video``, ``audio``, ``clip``), a text
(``text``, ``words``, ``transcript``, ``sentence``), an id (``id``), a part (``part``, ``split``). Every other column
whose cells are mostly numbers is a target, unless its name says that it tells people or scripts apart
(``FACT_COLUMNS``); what is no target is a fact about the clips. Features go to ``NAME.features/`` beside the file.

Where names do not tell, a ``dataset.toml`` does (``mimetic init`` writes one)::

    table = "labels.csv"            # beside this file
    media = "clips"                 # the folder of the clips; a cell without suffix finds its file there
    unreadable = "missing"          # a label that is no number; "refused", unless told
    [columns]
    path = "FileName"               # also id, text, part, group: one column's name each
    targets = ["joy", "pride"]
"""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, Clip, Dataset

PATH_COLUMNS = ("path", "file", "filename", "video", "audio", "clip")
TEXT_COLUMNS = ("text", "words", "transcript", "sentence")
ID_COLUMNS = ("id",)
PART_COLUMNS = ("part", "split")
FACT_COLUMNS = (
    "person",
    "subject",
    "participant",
    "speaker",
    "actor",
    "user",
    "group",
    "session",
    "script",
    "prompt",
    "age",
    "raters",
)
KINDS: dict[str, tuple[str, ...]] = {
    "path": PATH_COLUMNS,
    "text": TEXT_COLUMNS,
    "id": ID_COLUMNS,
    "part": PART_COLUMNS,
    "group": (),
}
"""What a column can be, beside a target, and the names that say so. A group's keep their own names."""

DESCRIPTION = "dataset.toml"

MISSING, REFUSED = "missing", "refused"
"""What a label that is no number is taken for."""

PARTS = {"train": "train", "dev": "valid", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""The file's line (of a row's end) and its cells by column."""


def recognise(path: Path) -> bool:
    """Tell whether the path is a CSV file."""
    return path.is_file() and path.suffix.lower() == ".csv"


def recognise_description(path: Path) -> bool:
    """Tell whether the path is a description, or a folder with one."""
    return (path / DESCRIPTION).is_file() if path.is_dir() else path.name == DESCRIPTION


def open_description(path: Path) -> Dataset:
    """Open the CSV that a ``dataset.toml`` describes.

    Raises
    ------
    BadData
        for a description that is none, or names columns that the CSV does not have; else as ``open_table``.
    """
    place = path / DESCRIPTION if path.is_dir() else path
    try:
        told = tomllib.loads(place.read_text("utf-8"))
        table, media = place.parent / told["table"], place.parent / told.get("media", ".")
        columns = dict(told["columns"])
        targets = tuple(map(str, columns.pop("targets")))
        unreadable = str(told.get("unreadable", REFUSED))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        remedy = 'It needs table = "FILE.csv" and [columns] with targets = [...]; `mimetic init` writes one.'
        raise BadData(f"{place} describes no data set ({error})", remedy=remedy) from None
    if unreadable not in (MISSING, REFUSED):
        raise BadData(f"{place}: unreadable is {unreadable!r}", remedy=f"It is {MISSING!r} or {REFUSED!r}.")
    header, rows = _read(table)
    named = [*columns.values(), *targets]
    if strange := [name for name in (*columns, *named) if name not in (*KINDS, *header)]:
        raise BadData(f"{place}: there is no column {strange[0]!r}", remedy=f"{table} has: {', '.join(header)}.")
    if unreadable == MISSING:
        rows = [(line, {**row, **{name: "" for name in targets if not _parses(row[name])}}) for line, row in rows]
    known = {kind: columns.get(kind) for kind in KINDS}
    dataset = _dataset(table, header, rows, known, targets, place=_Media(media).find)
    facts = (
        dict(dataset.columns) if known["group"] is None else {**dataset.columns, "group": _said(rows, known["group"])}
    )
    return replace(dataset, name=place.parent.resolve().name, store=place.parent / "features", columns=facts)


class _Media:
    """The files of a folder, at any depth, by their path in it and by their name without suffix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES)
        self._by_stem = {path.stem: path for path in reversed(files)}
        self._by_name = {path.name: path for path in reversed(files)}

    def find(self, cell: str) -> Path:
        """Give the file of a cell; one that is not there stays what it would be."""
        here = self._folder / cell
        return here if here.is_file() else self._by_name.get(cell, self._by_stem.get(cell, here))


def open_table(path: Path) -> Dataset:
    """Open the CSV.

    Raises
    ------
    BadData
        without a path or text column, without a target, for a label that is not a number (with its line), or for
        two rows of one id.
    """
    dataset = open_clips(path)
    if not dataset.targets:
        header, _ = _read(path)
        remedy = f"Beside paths or texts it needs a column of numbers; it has {', '.join(header)}."
        raise BadData(f"{path} has no target column", remedy=remedy)
    return dataset


def open_clips(path: Path) -> Dataset:
    """Open a CSV of which nobody has to say what the clips' labels are: with targets, or without."""
    header, rows = _read(path)
    known = {kind: _column(header, names) for kind, names in KINDS.items()}
    if known["path"] is None and known["text"] is None:
        remedy = f"Separated by commas, one column is called {', '.join((*PATH_COLUMNS, *TEXT_COLUMNS))}."
        raise BadData(f"{path} has no column with paths or texts", remedy=remedy)
    others = [name for name in header if name not in known.values()]
    targets = tuple(name for name in others if not _is_fact(name) and _is_numeric(rows, name))
    return _dataset(path, header, rows, known, targets, place=lambda cell: path.parent / cell)


def _dataset(
    path: Path,
    header: Sequence[str],
    rows: Rows,
    known: Mapping[str, str | None],
    targets: tuple[str, ...],
    *,
    place: Callable[[str], Path],
) -> Dataset:
    others = [name for name in header if name not in (*known.values(), *targets)]
    return Dataset(
        name=path.stem,
        clips=_clips(path, rows, known, place),
        targets=targets,
        labels=_labels(path, rows, targets),
        store=path.with_suffix(".features"),
        columns={name: _said(rows, name) for name in others},
    )


def _said(rows: Rows, name: str | None) -> tuple[str, ...]:
    return tuple(row[name or ""].strip() for _, row in rows)


def _read(path: Path) -> tuple[list[str], Rows]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = [(reader.line_num, _cells(row, f"{path}, line {reader.line_num}")) for row in reader]
            header = list(reader.fieldnames or ())
    except (OSError, csv.Error, ValueError) as error:
        raise BadData(f"{path} is no CSV ({error})", remedy="Save it as CSV in UTF-8.") from None
    if len(set(header)) < len(header):
        raise BadData(f"{path} has two columns of one name", remedy=f"Its columns: {', '.join(header)}.")
    if not rows:
        raise BadData(f"{path} has no rows", remedy="Each clip needs a line below the header.")
    return header, rows


def _cells(row: Mapping[str | None, Any], where: str) -> dict[str, str]:
    """Give a row's cells by column; a row that has more or fewer than the header is refused."""
    if None in row or any(value is None for value in row.values()):
        remedy = "Separate cells with commas, quote those that hold one, and write decimals with a point."
        raise BadData(f"{where} has more or fewer cells than the header", remedy=remedy)
    return {str(name): value for name, value in row.items()}


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {column.strip().lower(): column for column in header}
    return next((by_name[name] for name in names if name in by_name), None)


def _is_fact(name: str) -> bool:
    """Tell whether a column's name, or that of an id of it, is one of ``FACT_COLUMNS``."""
    return name.strip().lower().removesuffix("id").rstrip("_- ") in FACT_COLUMNS


def _is_numeric(rows: Rows, name: str) -> bool:
    cells = [row[name] for _, row in rows if row[name].strip()]
    return bool(cells) and sum(_parses(cell) for cell in cells) > len(cells) / 2


def _parses(text: str) -> bool:
    try:
        return not math.isinf(float(text))
    except ValueError:
        return False


def _labels(path: Path, rows: Rows, targets: Sequence[str]) -> NDArray[np.float64]:
    labels = np.full((len(rows), len(targets)), np.nan)
    for i, (line, row) in enumerate(rows):
        for j, name in enumerate(targets):
            text = row[name].strip()
            if text and not _parses(text):
                remedy = "Write a number, or leave the cell empty where nobody said."
                raise BadData(f"{path}, line {line}: {name} is {text!r}, not a number", remedy=remedy)
            labels[i, j] = float(text) if text else np.nan
    return labels


def _clips(path: Path, rows: Rows, known: Mapping[str, str | None], place: Callable[[str], Path]) -> tuple[Clip, ...]:
    clips: dict[str, Clip] = {}
    for number, (line, row) in enumerate(rows):
        cells = {kind: row[column].strip() if column else "" for kind, column in known.items()}
        name = cells["id"] or cells["path"] or f"{number:05d}"
        if name in clips:
            raise BadData(f"{path}, line {line}: the id {name!r} stands twice", remedy="Every clip has one row.")
        clips[name] = Clip(
            id=name,
            path=place(cells["path"]) if cells["path"] else None,
            text=cells["text"] if known["text"] else None,
            part=_part(cells["part"], f"{path}, line {line}"),
        )
    return tuple(clips.values())


def _part(text: str, where: str) -> str | None:
    if text and text.lower() not in PARTS:
        raise BadData(f"{where}: there is no part {text!r}", remedy=f"There are: {', '.join(PARTS)}.")
    return PARTS[text.lower()] if text else None
