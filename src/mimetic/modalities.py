"""Clips as arrays: a dictionary of modalities in, checked values by clip out; and what scikit-learn cuts by rows.

A value is ``(time, dim)``, ``(dim,)``, a text or ``None``, where the clip lacks the modality. Rows of time that hold a
NaN carry no measurement and are left out, as frames without a face are; a clip with no row left lacks the modality.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mimetic.records import UsageError

Value = NDArray[np.floating[Any]] | str | None
"""What one clip has of one modality, once it is checked: ``(time, dim)``, a text, or nothing."""


class Modalities:
    """Clips by modality, that can be cut by rows: the index adapter for scikit-learn.

    ``cross_val_predict`` and ``GridSearchCV`` count a dictionary's keys and not its clips. Wrapped in this, they cut it
    as they cut an array:

    >>> X = Modalities({"audio": [np.ones((3, 2)), None, np.ones((5, 2))], "text": ["yes", "no", None]})
    >>> X.shape, X[[0, 2]].shape
    ((3, 2), (2, 2))
    >>> X[np.array([False, True, False])]["text"]
    ('no',)

    Raises
    ------
    UsageError
        for a value that is none, modalities of different numbers of clips, or rows of different widths.
    """

    def __init__(self, content: Mapping[str, Sequence[ArrayLike | str | None]] | Modalities) -> None:
        if not isinstance(content, Mapping | Modalities):
            remedy = "Give a dictionary: {'audio': [array, ...], 'text': ['...', ...]}."
            raise UsageError(f"X is {type(content).__name__}, and not modalities by name", remedy=remedy)
        self._values = {str(name): _checked(str(name), content[name]) for name in content}
        lengths = {name: len(values) for name, values in self._values.items()}
        if len(set(lengths.values())) != 1:
            told = ", ".join(f"{name} {clips}" for name, clips in lengths.items()) or "there is no modality"
            raise UsageError(
                f"X needs as many clips in each modality ({told})", remedy="Write None where one is missing."
            )
        self.widths = {name: _width(name, values) for name, values in self._values.items()}

    @property
    def shape(self) -> tuple[int, int]:
        """Clips, and modalities."""
        return len(next(iter(self._values.values()))), len(self._values)

    @property
    def texts(self) -> list[str]:
        """The modalities that are texts."""
        return [name for name, width in self.widths.items() if width is None]

    @property
    def arrays(self) -> list[str]:
        """The modalities that are arrays, at least one clip's."""
        return [name for name, width in self.widths.items() if width]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Give a modality's values by its name, or the same modalities of some clips by their rows."""
        if isinstance(key, str):
            return self._values[key]
        rows = key[0] if isinstance(key, tuple) else key
        places = np.arange(len(self))[rows].reshape(-1)
        return self._of({name: tuple(values[i] for i in places) for name, values in self._values.items()})

    def with_arrays(self, name: str, values: Sequence[Value]) -> Modalities:
        """Give the same clips with one more modality."""
        return self._of({**self._values, name: _checked(name, values)})

    def joined(self, others: Modalities) -> Modalities:
        """Give these clips and then others; a modality that one side does not have is missing there."""
        names = dict.fromkeys([*self, *others])
        return Modalities(
            {
                name: [
                    value for side in (self, others) for value in (side[name] if name in side else [None] * len(side))
                ]
                for name in names
            }
        )

    def present(self, name: str) -> NDArray[np.bool_]:
        """Tell which clips have a modality, ``(clip,)``."""
        return np.array([value is not None for value in self._values[name]], dtype=bool)

    def _of(self, values: Mapping[str, tuple[Value, ...]]) -> Modalities:
        same = object.__new__(Modalities)
        same._values = dict(values)
        same.widths = {name: self.widths.get(name, _width(name, of)) for name, of in values.items()}
        return same


def _checked(name: str, values: Sequence[ArrayLike | str | None]) -> tuple[Value, ...]:
    if isinstance(values, str):
        raise UsageError(f"{name} is one text", remedy="Give a list with one value a clip.")
    return tuple(_value(value, f"{name}, clip {place}") for place, value in enumerate(values))


def _value(value: ArrayLike | str | None, where: str) -> Value:
    if value is None or isinstance(value, str):
        return value
    try:
        array = np.asarray(value)
        array = array if array.dtype in (np.float16, np.float32) else array.astype(np.float64)
    except (TypeError, ValueError):
        remedy = "Give (time, dim) or (dim,) numbers, a text, or None."
        raise UsageError(f"{where}: {type(value).__name__} holds no numbers", remedy=remedy) from None
    if array.ndim not in (1, 2):
        raise UsageError(f"{where} has shape {array.shape}", remedy="Give (time, dim) or (dim,), or None.")
    rows = array.reshape(-1, array.shape[-1])
    whole = np.isfinite(rows).all(axis=1)
    rows = rows if whole.all() else rows[whole]
    return rows if rows.size else None


def _width(name: str, values: Sequence[Value]) -> int | None:
    """Give the columns of a modality; ``None`` where it is texts, 0 where no clip has it."""
    widths = {None if isinstance(value, str) else value.shape[1] for value in values if value is not None}
    if len(widths) > 1:
        told = " and ".join(sorted("texts" if width is None else f"{width} columns" for width in widths))
        raise UsageError(f"{name} has {told}", remedy="All clips of a modality have the same columns, or are texts.")
    return next(iter(widths), 0)
