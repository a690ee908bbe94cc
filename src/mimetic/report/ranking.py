"""Many systems in one table: ours with its interval, the published beside it, the best reachable, the differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mimetic.panels import Cell, Drawn, Name, Score, Table, axis_of, differing, scored
from mimetic.plots import number, percent
from mimetic.report.material import Material, seeds_of
from mimetic.report.systems import PLAINEST, Meeting, System


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    """A column's heading, and what stands in it of a system; ``words`` for what is no number."""

    heading: str
    cell: Callable[[System], Cell]
    words: bool = False


def ranked(material: Material, systems: Sequence[System], *, name: str, caption: str) -> Table:
    """Give a table of systems, a row each, with the columns that any of them has something for."""
    columns = _columns(material, systems)
    head = next((row for row, system in enumerate(systems) if system is material.head), None)
    published = any(system.recipe.published for system in systems)
    return Table(
        name=name,
        caption=f"{caption}, on {material.data}",
        columns=[column.heading for column in columns],
        words=[column.heading for column in columns if column.words],
        rows=[[column.cell(system) for column in columns] for system in systems],
        starts=starts_of(systems) if systems[0].single else {},
        head=head,
        axis=axis_of(
            [
                *(system.scores.mean_pearson for system in systems),
                *(Score(value=_ceiling(material, system)) for system in systems),
            ]
        ),
        about=" ".join(filter(None, [_published(material) if published else "", _reachable(material)])),
    )


def starts_of(systems: Sequence[System]) -> dict[int, str]:
    """Give the headings of groups, by the row that they stand before: a modality each, then the fusions."""
    names = [system.modalities[0] if system.single else "Fusions" for system in systems]
    return {row: name for row, name in enumerate(names) if row == 0 or names[row - 1] != name}


def _columns(material: Material, systems: Sequence[System]) -> list[_Column]:
    columns = [_Column(heading="System", cell=_named)]
    if material.several_splits:
        columns.append(_Column(heading="Split", cell=lambda system: system.scores.split))
    published = any(system.recipe.published for system in systems)
    ours = f"Ours, on {material.data}" if published else "Mean Pearson"
    columns += [
        _Column(heading=ours, cell=lambda system: scored(system.scores.mean_pearson)),
        _Column(heading="Interval, drawn", cell=lambda system: _drawn(material, system)),
    ]
    if published:
        columns.append(_Column(heading="Published, on the real data", cell=_published_score))
    if material.ceilings:
        columns += [
            _Column(heading="Best reachable here", cell=lambda system: number(_ceiling(material, system))),
            _Column(heading="Reached", cell=lambda system: _reached(material, system)),
        ]
    columns.append(_Column(heading="Minus the best single", cell=lambda system: _difference(system.versus)))
    if any(system.beyond for system in systems):
        columns.append(_Column(heading=f"Minus {PLAINEST}", cell=lambda system: _difference(system.beyond)))
    if any(system.over for system in systems):
        columns.append(_Column(heading="Minus the floor", cell=lambda system: _difference(system.over)))
    return [
        *columns,
        _Column(heading="Seeds; their deviation", cell=seeds_of),
        _Column(heading="Parameters", cell=lambda system: f"{system.parameters:,}"),
    ]


def _named(system: System) -> Name:
    return Name(text=system.name, below=" + ".join(system.modalities))


def _drawn(material: Material, system: System) -> Drawn:
    return Drawn(score=scored(system.scores.mean_pearson), limit=_ceiling(material, system))


def _published_score(system: System) -> Cell:
    told = system.recipe.published
    below = f"test {number(told['test'])}" if "test" in told else ""
    return Name(text=number(told.get("validation")), below=below)


def _ceiling(material: Material, system: System) -> float:
    return material.ceilings.mean(system.recipe) if material.ceilings else math.nan


def _reached(material: Material, system: System) -> str:
    ceiling = _ceiling(material, system)
    return percent(system.mean / ceiling if ceiling > 0 else math.nan)


def _difference(meeting: Meeting | None) -> Cell:
    return differing(meeting.comparison, verdict=meeting.short) if meeting else Score(value=math.nan)


def _published(material: Material) -> str:
    return (
        "Published: what the recipe's source reports of the real data, its own features and weights; ours is of"
        f" {material.data}. They stand side by side and cannot be compared."
    )


def _reachable(material: Material) -> str:
    if not material.ceilings:
        return ""
    return (
        "Best reachable here: the score of the best predictor that there is from these features (of several, the best"
        " of each modality), which is known since the data are simulated; where clips are cut anew, on fresh ones."
    )
