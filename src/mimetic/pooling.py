"""A clip's track becomes one row: mean, deviation, minimum and maximum of each column. Modalities in, a matrix out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mimetic.modalities import Modalities, Value
from mimetic.records import UsageError

STATISTICS = ("mean", "deviation", "minimum", "maximum")

COLUMNS = 4_096
"""Columns that all modalities together may have; above, the last statistics are left out."""

Block = tuple[str, int, int]
"""A modality, its columns, and how many of ``STATISTICS`` are taken of them."""


@dataclass(frozen=True, slots=True)
class Pooling:
    """How clips of some modalities become one row each: the blocks that stand side by side."""

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, clips: Modalities, names: Sequence[str], *, most: int = len(STATISTICS)) -> Pooling:
        """Choose as many statistics, ``most`` at most, as fit into ``COLUMNS``; single vectors give just themselves."""
        room = COLUMNS // max(1, len(names))
        blocks = []
        for name in names:
            width = clips.widths[name] or 0
            count = min(most, max(1, room // max(1, width))) if _has_time(clips[name]) else 1
            blocks.append((name, width, count))
        return cls(tuple(blocks))

    def pool(self, clips: Modalities) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give ``(clip, column)``, zeros where a modality is missing, and ``(clip, modality)``: which are there.

        Raises
        ------
        UsageError
            for a modality with other columns than it had.
        """
        rows = [self._rows(clips, block) for block in self.blocks]
        return np.hstack([values for values, _ in rows]), np.stack([has for _, has in rows], axis=1)

    def owners(self) -> NDArray[np.intp]:
        """Tell whose each column is: ``(column,)`` places of modalities."""
        return np.repeat(np.arange(len(self.blocks)), [width * count for _, width, count in self.blocks])

    def _rows(self, clips: Modalities, block: Block) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        name, width, count = block
        rows, has = np.zeros((len(clips), width * count), np.float32), np.zeros(len(clips), bool)
        if name not in clips:
            return rows, has
        if clips.widths[name] not in (width, 0):
            told = "texts" if clips.widths[name] is None else f"{clips.widths[name]} columns"
            raise UsageError(f"{name} has {told}, and had {width} columns", remedy="Give what it was fitted on.")
        for place, value in enumerate(clips[name]):
            if value is not None:
                rows[place], has[place] = _describe(value, count), True
        return rows, has


def _has_time(values: Sequence[Value]) -> bool:
    return any(value is not None and len(value) > 1 for value in values)


def _describe(value: Value, count: int) -> NDArray[np.float64]:
    """Give the first ``count`` statistics of ``(time, dim)``, side by side."""
    rows = np.asarray(value, dtype=np.float64)
    if len(rows) == 1 and count == 1:
        return rows.reshape(-1)
    found = (rows.mean, rows.std, rows.min, rows.max)[:count]
    described: NDArray[np.float64] = np.concatenate([statistic(axis=0) for statistic in found])
    return described
