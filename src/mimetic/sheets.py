"""What a file that others made holds of one clip, before it is known which feature that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mimetic.records import ClipError

LARGEST = 1 << 29
"""Bytes of one clip's file, and of what it unfolds to: half an hour of a large model's states in float32."""

VALUES = ("embeddings", "embedding", "features", "values", "data", "array", "arr_0")
VALID = ("valid", "mask", "face_found")
TIMES = ("bin_start_sec", "timestamps_sec", "timestamps", "times", "time")
CONFIDENCE = ("face_prob", "confidence")
"""What arrays are called where a file has several: rows, which of them count, when they are, how sure they are."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sheet:
    """One clip's rows as they were found.

    ``values`` is ``(time, dim)``, or ``(dim,)`` for one vector a clip; ``valid`` ``(time,)`` bool, ``times``
    ``(time,)`` seconds, ``notes`` ``(time,)`` each: where the file knows them.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None = None
    times: NDArray[np.float64] | None = None
    notes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def as_sheet(content: Any) -> Sheet:
    """Give what a file holds of one clip as a sheet: an array, lists, or arrays by name.

    Raises
    ------
    ClipError
        if there are no rows in it, or no numbers.
    """
    if isinstance(content, Sheet):
        return content
    return from_arrays(content) if isinstance(content, Mapping) else Sheet(values=as_numbers(content))


def as_numbers(content: Any) -> NDArray[Any]:
    """Give an array of numbers, from one or from nested lists.

    Raises
    ------
    ClipError
        if it is none, its rows differ in length, or it is larger than it may be.
    """
    if isinstance(content, np.ndarray):
        array = content
    elif isinstance(content, list | tuple):
        array = _from_lists(content)
    else:
        raise ClipError(f"holds {type(content).__name__}, not an array of numbers")
    if array.dtype.kind not in "fiub":
        raise ClipError(f"holds {array.dtype}, not numbers")
    return array


def _from_lists(content: Any) -> NDArray[Any]:
    size, inner = 1, content
    while isinstance(inner, list | tuple) and inner:
        size, inner = size * len(inner), inner[0]
    if size * 8 > LARGEST:  # one list can stand in another many times
        raise ClipError(f"unfolds to more than {LARGEST >> 20} MB")
    try:
        return np.asarray([np.asarray(row, dtype=np.float64) for row in content], dtype=np.float64)
    except (TypeError, ValueError):
        raise ClipError("holds lists that are no table of numbers") from None


def from_arrays(arrays: Mapping[str, Any]) -> Sheet:
    """Find rows, mask, times and confidence among a file's arrays, by their names.

    Raises
    ------
    ClipError
        if no array, or more than one, can be the rows.
    """
    named = next((name for name in VALUES if name in arrays), None)
    if named is None:
        known = {*VALID, *TIMES, *CONFIDENCE}
        others = [name for name, array in arrays.items() if name not in known and np.ndim(array) in (1, 2)]
        if len(others) != 1:
            raise ClipError(f"has the arrays {', '.join(arrays) or 'none'}: none is called {' or '.join(VALUES[:3])}")
        named = others[0]
    values = as_numbers(arrays[named])
    valid, times, confidence = (_of_rows(arrays, names, values) for names in (VALID, TIMES, CONFIDENCE))
    return Sheet(
        values=values,
        valid=None if valid is None else valid.astype(np.bool_),
        times=None if times is None else times.astype(np.float64),
        notes={} if confidence is None else {"confidence": confidence.astype(np.float32)},
    )


def _of_rows(arrays: Mapping[str, Any], names: tuple[str, ...], values: NDArray[Any]) -> NDArray[Any] | None:
    name = next((name for name in names if name in arrays), None)
    if name is None or values.ndim < 2:
        return None
    found = as_numbers(arrays[name]).reshape(-1)
    if len(found) != len(values):
        raise ClipError(f"has {len(values)} rows, and {name} has {len(found)}")
    return found
