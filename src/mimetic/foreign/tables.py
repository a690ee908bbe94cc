"""Tables of numbers: OpenFace's and Py-Feat's, found by the names of their columns, and any other CSV.

OpenFace 1 and 2 write blanks behind the commas of their header, and several faces below each other (``face_id``). A
frame that it did not succeed on, or is not confident of, is no measurement; nor is one that Py-Feat found no face in.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mimetic.encodings import decode
from mimetic.records import ClipError
from mimetic.sheets import Sheet

Floats = NDArray[np.float64]

_UNITS = ("01", "02", "04", "05", "06", "07", "09", "10", "12", "14", "15", "17", "20", "23", "25", "26", "45")
OPENFACE = (
    *(f"AU{unit}_r" for unit in _UNITS),
    *("pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"),
)
"""OpenFace's 17 intensities and 6 of head pose: the poster's 23 columns."""

_FEAT = ("01", "02", "04", "05", "06", "07", "09", "10", "11", "12", "14", "15", "17", "20", "23", "24", "25", "26")
PYFEAT = (
    *(f"AU{unit}" for unit in (*_FEAT, "28", "43")),
    *("Pitch", "Roll", "Yaw"),
    *("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"),
)
"""Py-Feat's 20 action units, 3 of head pose and 7 emotions."""

RENAMED = {"happy": "happiness", "sad": "sadness"}
"""What newer versions of Py-Feat call an emotion, and what it is called here; they also begin with capitals."""

FASTEST = 240.0
"""Frames a second above which timestamps are not believed: some containers claim a thousand."""

NOT_VALUES = ("frame", "face_id", "timestamp", "time", "times", "confidence", "success", "valid", "index", "")
"""Columns of any table that are no features."""

IDS = ("filename", "clip", "id", "video_id", "file")
"""How a column with clips' ids may be called."""


def read(data: bytes) -> Sheet | dict[str, NDArray[np.float64]]:
    """Read a CSV: one clip's rows, or, where a column names clips, the rows of each of them.

    Raises
    ------
    ClipError
        if it is no table of numbers.
    """
    header, rows = _cells(data)
    if set(OPENFACE) <= set(header):
        return _openface(header, rows)
    feat = [_feat_name(name) for name in header]
    if set(PYFEAT) <= set(feat):
        return _pyfeat(feat, rows)
    by_name = {name.lower(): place for place, name in enumerate(header)}
    if (named := next((by_name[name] for name in IDS if name in by_name), None)) is not None:
        return _by_clip(header, rows, named)
    return _any(header, rows)


def _cells(data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        text, _ = decode(data)
        lines = [line for line in csv.reader(io.StringIO(text.lstrip("\ufeff"))) if line]
    except (csv.Error, ValueError) as error:
        raise ClipError(f"is no CSV ({error})") from None
    if len(lines) < 2:
        raise ClipError("has no rows")
    header = [name.strip() for name in lines[0]]
    strange = next((n for n, line in enumerate(lines, start=1) if len(line) != len(header)), None)
    if strange is not None:
        raise ClipError(f"line {strange} has {len(lines[strange - 1])} cells, the header {len(header)}")
    return header, lines[1:]


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]], names: Sequence[str]) -> Floats:
    """Give ``(row, name)`` of some columns; what is empty, or no number, is NaN."""
    places = [header.index(name) for name in names]
    return np.array([[_number(row[place]) for place in places] for row in rows], dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _column(header: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> Floats | None:
    return _columns(header, rows, [name])[:, 0] if name in header else None


def _openface(header: Sequence[str], rows: list[list[str]]) -> Sheet:
    if "face_id" in header:  # of several faces the one that is seen most
        place = header.index("face_id")
        (main, _), *_rest = Counter(row[place].strip() for row in rows).most_common(1)
        rows = [row for row in rows if row[place].strip() == main]
    values = _columns(header, rows, OPENFACE)
    confidence, success = (_column(header, rows, name) for name in ("confidence", "success"))
    valid = ~np.isnan(values).any(axis=1)
    valid &= True if success is None else success > 0
    valid &= True if confidence is None else confidence > 0
    notes = {} if confidence is None else {"confidence": np.nan_to_num(confidence).astype(np.float32)}
    return Sheet(values=values, valid=valid, times=_times(header, rows), notes=notes)


def _times(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Floats | None:
    """Give the timestamps, if they can be believed: they rise from row to row, and not too slowly."""
    times = _column(header, rows, "timestamp")
    if times is None or len(times) < 2:
        return None
    steps = np.diff(times)
    return times if bool((steps > 0).all()) and np.median(steps) > 1 / FASTEST else None


def _pyfeat(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    frames = _column(header, rows, "frame")
    score = _column(header, rows, "FaceScore")
    kept = _best(frames, score) if frames is not None else np.arange(len(rows))
    values = _columns(header, rows, PYFEAT)[kept]
    notes = {} if score is None else {"confidence": np.nan_to_num(score[kept]).astype(np.float32)}
    return Sheet(values=values, valid=~np.isnan(values).any(axis=1), notes=notes)


def _feat_name(name: str) -> str:
    """Spell a column as the list above does."""
    lower = name.lower()
    return RENAMED.get(lower, lower if lower in PYFEAT else name)


def _best(frames: Floats, score: Floats | None) -> NDArray[np.intp]:
    """Give one row a frame, the face that is surest, in order."""
    sure = np.zeros(len(frames)) if score is None else np.nan_to_num(score)
    order = np.lexsort((-sure, frames))
    first = np.concatenate([[True], np.diff(frames[order]) != 0])
    best: NDArray[np.intp] = order[first]
    return best


def _by_clip(header: Sequence[str], rows: Sequence[Sequence[str]], named: int) -> dict[str, Floats]:
    names = [name for place, name in enumerate(header) if place != named and name.lower() not in NOT_VALUES]
    values = _numeric(_columns(header, rows, names))
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        found.setdefault(row[named].strip(), []).append(place)
    return {clip: values[places] if len(places) > 1 else values[places[0]] for clip, places in found.items()}


def _any(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    names = [name for name in header if name.lower() not in NOT_VALUES]
    values = _numeric(_columns(header, rows, names))
    return Sheet(values=values, valid=~np.isnan(values).any(axis=1), times=_times(header, rows))


def _numeric(values: Floats) -> Floats:
    """Leave out columns without a single number."""
    numeric = values[:, ~np.isnan(values).all(axis=0)]
    if not numeric.shape[1]:
        raise ClipError("has no column of numbers")
    return numeric
