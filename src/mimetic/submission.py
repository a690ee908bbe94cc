"""The challenge's file: written from scores, and checked before anybody spends one of five tries on it.

``Filename`` and one column a target, one row a test clip in ascending order of ids, values clipped to [0, 1]. Ids are
padded with zeros as in the organisers' tables (``00012``); ``plain`` writes ``12``, as some teams did.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mimetic.records import BadData, Dataset, Scores, find
from mimetic.store import write_atomically

ID_COLUMN = "Filename"
SPREAD = 1e-9
"""A column whose values differ by no more than this is constant, and Pearson is undefined for it."""


IDS: dict[str, Callable[[str], str]] = {
    "padded": lambda clip: clip,
    "plain": lambda clip: str(int(clip)) if clip.isdecimal() else clip,
}
"""How ids can be written."""


def write_submission(scores: Scores, dataset: Dataset, path: Path, *, ids: str = "padded") -> Path:
    """Write the scores of the test clips, with ids as ``IDS`` has it.

    Raises
    ------
    BadData
        if the data set has no test clips, or one of them has no scores.
    UnknownName
        for a way to write ids that there is not.
    """
    spell = find(IDS, ids, "way to write ids")
    rows = dict(zip(scores.clips, scores.values, strict=True))
    tests = _test_ids(dataset)
    if lacking := [clip for clip in tests if clip not in rows]:
        message = f"{len(lacking)} test clips have no scores (the first is {lacking[0]})"
        raise BadData(message, remedy="Score the whole test part.")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([ID_COLUMN, *scores.targets])
    for clip in sorted(tests):
        writer.writerow([spell(clip), *(f"{value:.6f}" for value in np.clip(rows[clip], 0.0, 1.0))])
    write_atomically(path, text.getvalue().encode())
    return path


def check_submission(path: Path, dataset: Dataset, *, ids: str = "padded") -> list[str]:
    """Look for all that would spoil a submission; give one line a fault, none if it is good.

    Raises
    ------
    UnknownName
        for a way to write ids that there is not.
    """
    spell = find(IDS, ids, "way to write ids")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        return [f"{path} cannot be read: {error}"]
    header = [ID_COLUMN, *dataset.targets]
    if not rows or rows[0] != header:
        found = ",".join(rows[0]) if rows else "nothing"
        return [f"the header is {found}; it has to be {','.join(header)}"]
    given = [row[0] for row in rows[1:] if row]
    expected = [spell(clip) for clip in sorted(_test_ids(dataset))]
    return [*_id_faults(given, expected), *_value_faults(rows[1:], header)]


def _test_ids(dataset: Dataset) -> list[str]:
    ids = [clip.id for clip in dataset.clips if clip.part == "test"]
    if not ids:
        raise BadData(
            f"{dataset.name} has no test clips",
            remedy="The layout keeps them in test_data/raw; a CSV says `test` in its column 'part'.",
        )
    return ids


def _id_faults(ids: Sequence[str], expected: Sequence[str]) -> Iterator[str]:
    known, given = set(expected), set(ids)
    yield from (f"the id {clip} stands {n} times" for clip, n in Counter(ids).items() if n > 1)
    yield from (f"{clip!r} is no test clip" for clip in sorted(given - known))
    yield from (f"the test clip {clip} has no row" for clip in sorted(known - given))
    if given == known and len(ids) == len(known) and list(ids) != list(expected):
        first = next(a for a, b in zip(ids, expected, strict=True) if a != b)
        yield f"the rows are not in ascending order of ids (the first out of place is {first})"


def _value_faults(rows: Sequence[Sequence[str]], header: Sequence[str]) -> Iterator[str]:
    columns: dict[str, list[float]] = {name: [] for name in header[1:]}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            yield f"line {line} has {len(row)} fields, not {len(header)}"
            continue
        for name, text in zip(header[1:], row[1:], strict=True):
            value, fault = _value(text)
            columns[name].append(value)
            if fault:
                yield f"line {line}, clip {row[0]}: {name} is {text!r}, {fault}"
    for name, values in columns.items():
        if len(values) > 1 and max(values) - min(values) <= SPREAD:
            yield f"the column {name} is constant: its Pearson correlation is undefined"


def _value(text: str) -> tuple[float, str]:
    try:
        value = float(text)
    except ValueError:
        return math.nan, "not a number"
    if not math.isfinite(value):
        return value, "not a finite number"
    return value, "" if 0.0 <= value <= 1.0 else "outside 0 to 1"
