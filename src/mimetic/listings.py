"""The tables as ``mimetic list`` prints them: plain rows, read without importing what they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mimetic.datasets import DATASETS
from mimetic.detectors import DETECTORS
from mimetic.encoders import ENCODERS
from mimetic.features import EXTRACTORS, feature
from mimetic.fusions import FUSIONS
from mimetic.recipes import RECIPES
from mimetic.records import Entry, Json, find


def rows(kind: str) -> list[Json]:
    """Give one record an entry of a table.

    Raises
    ------
    UnknownName
        for a table that does not exist.
    """
    return find(_KINDS, kind, "table")()


DETAILS = ("view", "dtype", "revision", "options")
"""Columns that only JSON has: a line on a terminal has no room for them."""


def as_table(records: Sequence[Json]) -> tuple[list[str], list[list[object]]]:
    """Give the records' columns and cells as text, without details and without columns that are empty throughout."""
    told = [column for column in records[0] if column not in DETAILS]
    columns = [column for column in told if any(_cell(record[column]) for record in records)]
    return columns, [[_cell(record[column]) for column in columns] for record in records]


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(of)}" for key, of in value.items() if of is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int | float):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    return "" if value is None else str(value)


def _entries(table: Mapping[str, Entry]) -> list[Json]:
    return [
        {"name": name, "about": entry.about, "options": dict(entry.options), "licence": entry.licence}
        for name, entry in table.items()
    ]


def _datasets() -> list[Json]:
    return [
        {"name": name, "about": entry.about, "made": bool(entry.make), "licence": entry.licence}
        for name, entry in DATASETS.items()
    ]


def _extractors() -> list[Json]:
    return [
        {
            "name": name,
            "view": entry.view,
            "modality": entry.modality,
            "dim": entry.dim,
            "rate": entry.rate,
            "dtype": feature(name).dtype,
            "model": entry.model,
            "revision": entry.revision,
            "licence": entry.licence,
            "extra": entry.extra,
            "about": entry.about,
        }
        for name, entry in EXTRACTORS.items()
    ]


def _recipes() -> list[Json]:
    return [
        {
            "name": recipe.name,
            "source": recipe.source,
            "modalities": list(recipe.modalities),
            "split": recipe.split,
            "published": {part: recipe.published.get(part) for part in ("validation", "test")},
            "parameters": dict(recipe.parameters),
        }
        for recipe in RECIPES.values()
    ]


_KINDS: dict[str, Callable[[], list[Json]]] = {
    "datasets": _datasets,
    "extractors": _extractors,
    "detectors": lambda: _entries(DETECTORS),
    "encoders": lambda: _entries(ENCODERS),
    "fusions": lambda: _entries(FUSIONS),
    "recipes": _recipes,
}
