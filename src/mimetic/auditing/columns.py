"""Checks of what else is known of the clips: is anybody in training and in what it is judged on.

In goes the ``Material``, out come findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from mimetic.auditing.findings import Finding, count, in_short
from mimetic.auditing.material import Material
from mimetic.sharing import PEOPLE, SCRIPTS, is_called


def columns_about(material: Material, names: tuple[str, ...]) -> list[str]:
    """Give the data set's columns that are called one of these."""
    return [name for name in material.dataset.columns if is_called(name, names)]


def check_columns(material: Material) -> Iterator[Finding]:
    """Look for people and scripts on both sides."""
    for check, noun, names in (("person across parts", "person", PEOPLE), ("script across parts", "script", SCRIPTS)):
        for column in columns_about(material, names):
            yield from _across(check, noun, column, material)


def _across(check: str, noun: str, column: str, material: Material) -> Iterator[Finding]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(material.dataset.column(column)):
        if name:
            rows.setdefault(name, []).append(row)
    both = {name: rows_ for name, rows_ in rows.items() if material.is_across(rows_)}
    if both:
        judged = [row for rows_ in both.values() for row in rows_ if material.dataset.clips[row].part != "train"]
        number = f"{len(both):,} {'people' if noun == 'person' and len(both) > 1 else noun}"
        message = (
            f"{number} of column {column!r} in training and elsewhere ({in_short(list(both))}):"
            f" {count(len(judged))} outside of training"
        )
        yield Finding(check=check, message=message, clips=tuple(material.ids[row] for row in sorted(judged)))
