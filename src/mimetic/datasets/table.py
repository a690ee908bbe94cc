"""Any CSV as a data set: a column with paths or texts, and numeric targets. No class to write, no name assumed.

Columns are found by name: a path (``path``, ``file``, ``filename``, ``video``, ``audio``, ``clip``), a text
(``text``, ``words``, ``transcript``, ``sentence``), an id (``id``), a part (``part``, ``split``). Every other column
whose cells are mostly numbers is a target, unless its name says that it tells people or scripts apart
(``FACT_COLUMNS``); what is no target is a fact about the clips. Features go to ``NAME.features/`` beside the file.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
PARTS = {"train": "train", "dev": "valid", "val": "valid", "valid": "valid", "validation": "valid", "test": "test"}

Rows = Sequence[tuple[int, Mapping[str, str]]]
"""The file's line (of a row's end) and its cells by column."""


def recognise(path: Path) -> bool:
    """Tell whether the path is a CSV file."""
    return path.is_file() and path.suffix.lower() == ".csv"


def open_table(path: Path) -> Dataset:
    """Open the CSV.

    Raises
    ------
    BadData
        without a path or text column, without a target, for a label that is not a number (with its line), or for
        two rows of one id.
    """
    header, rows = _read(path)
    known = {
        kind: _column(header, names)
        for kind, names in (
            ("path", PATH_COLUMNS),
            ("text", TEXT_COLUMNS),
            ("id", ID_COLUMNS),
            ("part", PART_COLUMNS),
        )
    }
    if known["path"] is None and known["text"] is None:
        remedy = f"Separated by commas, one column is called {', '.join((*PATH_COLUMNS, *TEXT_COLUMNS))}."
        raise BadData(f"{path} has no column with paths or texts", remedy=remedy)
    others = [name for name in header if name not in known.values()]
    targets = tuple(name for name in others if not _is_fact(name) and _is_numeric(rows, name))
    if not targets:
        remedy = f"Beside paths or texts it needs a column of numbers; it has {', '.join(header)}."
        raise BadData(f"{path} has no target column", remedy=remedy)
    return Dataset(
        name=path.stem,
        clips=_clips(path, rows, known),
        targets=targets,
        labels=_labels(path, rows, targets),
        store=path.with_suffix(".features"),
        columns={name: tuple(row[name].strip() for _, row in rows) for name in others if name not in targets},
    )


def _read(path: Path) -> tuple[list[str], Rows]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            rows = [(reader.line_num, _cells(row, f"{path}, line {reader.line_num}")) for row in reader]
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadData(f"{path} is no CSV ({error})", remedy="Save it as CSV in UTF-8.") from None
        header = list(reader.fieldnames or ())
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


def _clips(path: Path, rows: Rows, known: Mapping[str, str | None]) -> tuple[Clip, ...]:
    clips: dict[str, Clip] = {}
    for number, (line, row) in enumerate(rows):
        cells = {kind: row[column].strip() if column else "" for kind, column in known.items()}
        name = cells["id"] or cells["path"] or f"{number:05d}"
        if name in clips:
            raise BadData(f"{path}, line {line}: the id {name!r} stands twice", remedy="Every clip has one row.")
        clips[name] = Clip(
            id=name,
            path=path.parent / cells["path"] if cells["path"] else None,
            text=cells["text"] if known["text"] else None,
            part=_part(cells["part"], f"{path}, line {line}"),
        )
    return tuple(clips.values())


def _part(text: str, where: str) -> str | None:
    if text and text.lower() not in PARTS:
        raise BadData(f"{where}: there is no part {text!r}", remedy=f"There are: {', '.join(PARTS)}.")
    return PARTS[text.lower()] if text else None
