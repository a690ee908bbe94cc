"""Tables of numbers: OpenFace's and Py-Feat's, found by the names of their columns, and any other CSV.

OpenFace 1 and 2 write blanks behind the commas of their header, and several faces below each other (``face_id``). A
frame that it did not succeed on, or is not confident of, is no measurement; nor is one that Py-Feat found no face in.
Both count frames, and may leave some out: the count is the note ``frame``, from 0, for who knows how fast they were.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from functools import partial

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

# fmt: off
NOT_VALUES = (
    "frame", "face_id", "timestamp", "time", "times", "confidence", "success", "valid", "index", "unnamed: 0", "",
)
# fmt: on
"""Columns of any table that are no features: ``unnamed: 0`` is what an index of pandas becomes."""

IDS = ("filename", "clip", "id", "video_id", "file")
"""How a column with clips' ids may be called."""


def read(data: bytes) -> Sheet | dict[str, Sheet] | dict[str, Sheet | Floats]:
    """Read a CSV: one clip's rows, or, where a column names clips, the rows of each of them.

    Raises
    ------
    ClipError
        if it is no table of numbers.
    """
    header, rows = _cells(data)
    by_name = {name.lower(): place for place, name in enumerate(header)}
    named = next((by_name[name] for name in IDS if name in by_name), None)
    faces = _of_faces(header)
    if faces is None:
        return _any(header, rows) if named is None else _by_clip(header, rows, named)
    if named is None:
        return faces(rows)
    return {clip: faces([rows[place] for place in places]) for clip, places in _clips(rows, named).items()}


def _of_faces(header: Sequence[str]) -> Callable[[list[list[str]]], Sheet] | None:
    """Give the reader of OpenFace's or Py-Feat's rows, if the header is one of theirs."""
    if set(OPENFACE) <= set(header):
        return partial(_openface, header)
    feat = [_feat_name(name) for name in header]
    return partial(_pyfeat, feat) if set(PYFEAT) <= set(feat) else None


def _cells(data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        text, _ = decode(data)
        lines = [line for line in csv.reader(io.StringIO(text.lstrip("\ufeff"))) if line]
    except (csv.Error, ValueError) as error:
        raise ClipError(f"is no CSV ({error})") from None
    if lines and _is_measurement(lines[0]):
        lines.insert(0, [str(place) for place in range(len(lines[0]))])
    if len(lines) < 2:
        raise ClipError("has no rows")
    header = [name.strip() for name in lines[0]]
    strange = next((n for n, line in enumerate(lines, start=1) if len(line) != len(header)), None)
    if strange is not None:
        raise ClipError(f"line {strange} has {len(lines[strange - 1])} cells, the header {len(header)}")
    return header, lines[1:]


def _is_measurement(first: Sequence[str]) -> bool:
    """Tell whether the first line is numbers as ``np.savetxt`` writes them, and not pandas' numbers of columns."""
    numbers = [_number(cell) for cell in first]
    return not np.isnan(numbers).any() and numbers != list(range(len(first)))


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
    values = _columns(header, rows, OPENFACE)
    confidence, success = (_column(header, rows, name) for name in ("confidence", "success"))
    valid = ~np.isnan(values).any(axis=1)
    valid &= True if success is None else success > 0
    valid &= True if confidence is None else confidence > 0
    kept = np.ones(len(rows), np.bool_)
    if "face_id" in header:
        faces = [row[header.index("face_id")].strip() for row in rows]
        kept = np.array(faces) == _main(faces, valid, confidence)
    rows = [row for row, keep in zip(rows, kept, strict=True) if keep]
    notes = {} if confidence is None else {"confidence": np.nan_to_num(confidence[kept]).astype(np.float32)}
    if (frames := _column(header, rows, "frame")) is not None and np.isfinite(frames).all() and frames.min() >= 0:
        notes["frame"] = (frames - min(1.0, frames.min())).astype(np.float32)  # it counts from 1
    return Sheet(values=values[kept], valid=valid[kept], times=_times(header, rows), notes=notes)


def _main(faces: Sequence[str], valid: NDArray[np.bool_], confidence: Floats | None) -> str:
    """Name the face that is measured in most frames, and of several such the surest."""
    sure = np.zeros(len(faces)) if confidence is None else np.nan_to_num(confidence)
    tally: dict[str, tuple[int, float]] = {}
    for face, seen, how in zip(faces, valid.tolist(), sure.tolist(), strict=True):
        frames, total = tally.get(face, (0, 0.0))
        tally[face] = (frames + seen, total + how)
    return max(tally, key=lambda face: tally[face])


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
    values = _columns(header, rows, PYFEAT)
    valid = ~np.isnan(values).any(axis=1)
    others = np.zeros(len(rows), np.bool_)
    if "Identity" in header:
        people = [row[header.index("Identity")].strip() for row in rows]
        others = np.array(people) != _main(people, valid, score)
    counted = frames is not None and bool(np.isfinite(frames).all()) and bool(frames.min() >= 0)
    kept = _best(frames, others, score) if frames is not None and counted else np.arange(len(rows))
    notes = {} if score is None else {"confidence": np.nan_to_num(score[kept]).astype(np.float32)}
    if frames is not None and counted:
        notes["frame"] = frames[kept].astype(np.float32)
    return Sheet(values=values[kept], valid=valid[kept], notes=notes)


def _feat_name(name: str) -> str:
    """Spell a column as the list above does."""
    lower = name.lower()
    return RENAMED.get(lower, lower if lower in PYFEAT else name)


def _best(frames: Floats, others: NDArray[np.bool_], score: Floats | None) -> NDArray[np.intp]:
    """Give one row a frame, in order: the main person's, else the face that is surest."""
    sure = np.zeros(len(frames)) if score is None else np.nan_to_num(score)
    order = np.lexsort((-sure, others, frames))
    first = np.concatenate([[True], np.diff(frames[order]) != 0])
    best: NDArray[np.intp] = order[first]
    return best


def _clips(rows: Sequence[Sequence[str]], named: int) -> dict[str, list[int]]:
    """Give which rows are each clip's; a row without a name is nobody's."""
    found: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if clip := row[named].strip():
            found.setdefault(clip, []).append(place)
    return found


def _by_clip(header: Sequence[str], rows: Sequence[Sequence[str]], named: int) -> dict[str, Sheet | Floats]:
    names = [name for place, name in enumerate(header) if place != named and name.lower() not in NOT_VALUES]
    values = _numeric(_columns(header, rows, names))
    found: dict[str, Sheet | Floats] = {}
    for clip, places in _clips(rows, named).items():
        times = _times(header, [rows[place] for place in places])
        found[clip] = values[places] if len(places) > 1 else values[places[0]]
        if times is not None:
            found[clip] = Sheet(values=values[places], times=times)
    return found


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
