"""Sections become one HTML file: a Material in, a Page; a Page in, its text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment
from markupsafe import Markup

from mimetic.panels import Absent, Section, Table, templates
from mimetic.records import Json
from mimetic.report.cells import axis_svg, breakable, row_cell
from mimetic.report.material import Material
from mimetic.report.sections import SECTIONS
from mimetic.report.systems import System

SIMULATED = "SIMULATED"
"""Stands wherever a figure of simulated data does: over the page, in every caption, in every picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page, not yet written: its sections by name, and what could not be shown."""

    title: str
    note: str
    mark: str
    systems: Sequence[System]
    sections: Mapping[str, Section]
    absent: Sequence[Absent]

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.systems[0].scores.data

    @property
    def runs(self) -> int:
        """How many runs it is about."""
        return sum(len(system.runs) for system in self.systems)

    @property
    def source(self) -> str:
        """Say which data the figures are of: what stands in every exported table."""
        return f"Ours on {self.data}, validation. {self.note}".strip()

    @property
    def rankings(self) -> list[Table]:
        """The tables of systems: what a terminal shows."""
        return [table for table in self.tables if table.name in ("modalities", "fusions")]

    def systems_as_json(self) -> list[Json]:
        """Give every system's scores and comparisons as ``--json`` prints them."""
        return [system.as_json() for system in self.systems]

    @property
    def tables(self) -> list[Table]:
        """All tables, in the page's order."""
        found: list[Table] = []
        for section in self.sections.values():
            found += [*([section.numbers] if section.numbers else []), *section.tables]
        return found


def sections_of(material: Material, *, mark: str = "") -> tuple[dict[str, Section], list[Absent]]:
    """Write every section that there is something for, and say of the others what they need.

    ``mark`` comes before every caption and into every picture.
    """
    sections: dict[str, Section] = {}
    absent: list[Absent] = []
    for name, entry in SECTIONS.items():
        match entry.load()(material):
            case Section() as section:
                sections[name] = _marked(section, mark) if mark else section
            case Absent() as lacking:
                absent.append(lacking)
    return sections, absent


def render(page: Page) -> str:
    """Give the page's HTML."""
    return _environment().get_template("report.html.j2").render(page=page)


def _environment() -> Environment:
    environment = templates()
    environment.filters.update(axis=axis_svg, breakable=breakable, cell=row_cell)
    return environment


# ----------------------------------------------------------------------------------------------- marks


def _marked(section: Section, mark: str) -> Section:
    return replace(
        section,
        panels=[replace(panel, figure=_marked_figure(panel.figure, mark)) for panel in section.panels],
        numbers=section.numbers and _marked_table(section.numbers, mark),
        tables=[_marked_table(table, mark) for table in section.tables],
    )


def _marked_table(table: Table, mark: str) -> Table:
    return replace(table, caption=f"{mark}. {table.caption}")


def _marked_figure(figure: Markup, mark: str) -> Markup:
    """Write a mark into a picture, along its right edge, and into the text that stands for it."""
    text = f'<text class="mark" transform="translate(292 4) rotate(90)">{mark}</text>'
    told = figure.replace('aria-label="', f'aria-label="{mark}. ', 1)
    return Markup(told.removesuffix("</svg>") + text + "</svg>")
