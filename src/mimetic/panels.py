"""What pages are made of: small figures, tables, and cells that know more than their text.

In: scores with their intervals. Out: Panels (a heading and a figure), Tables, Sections. How they look is the
template's affair, and how they are exported the report's: here stands what they say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from mimetic.evidence.intervals import Comparison, Interval
from mimetic.plots import number


def templates() -> Environment:
    """Open the templates of pages: all text is escaped, and what a page was not given is an error."""
    return Environment(
        loader=PackageLoader("mimetic"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One of several small figures: what stands over it, and the figure."""

    heading: str
    facts: str
    figure: Markup


# ----------------------------------------------------------------------------------------------- cells


@dataclass(frozen=True, kw_only=True, slots=True)
class Name:
    """What a row is of, and a second line below it."""

    text: str
    below: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """A number and the ends of its interval, NaN where there are none.

    ``signed`` for a difference; ``warmth`` is its place on a heat map's scale, 0 to 1; ``verdict`` what it comes to.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    signed: bool = False
    warmth: float | None = None
    verdict: str = ""

    @property
    def text(self) -> str:
        """Write the value."""
        return ("+" if self.signed and self.value > 0 else "") + number(self.value)

    @property
    def interval(self) -> str:
        """Write the ends; nothing where there are none."""
        return "" if math.isnan(self.low) else f"{number(self.low)} to {number(self.high)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawn:
    """A score as it lies on its column's axis: a dot on its interval, and a stroke at ``limit`` if there is one."""

    score: Score
    limit: float = math.nan


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """What a machine reads: a fingerprint, a signature."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Still:
    """A picture of a clip, and what it is of; no bytes where there is none."""

    jpeg: bytes
    of: str


Cell = str | Name | Score | Drawn | Code | Still


def text_of(cell: Cell) -> str:
    """Write a cell on one line."""
    match cell:
        case Score():
            ends = f" [{cell.interval.replace(' to ', ', ')}]" if cell.interval else ""
            return f"{cell.text}{ends}"
        case Name():
            return f"{cell.text} ({cell.below})" if cell.below else cell.text
        case Code():
            return cell.text
        case Drawn():
            return text_of(cell.score)
        case Still():
            return ""
        case str():
            return cell


def scored(score: Interval, *, warmth: float | None = None) -> Score:
    """Give an interval as a cell."""
    return Score(value=score.value, low=score.low, high=score.high, warmth=warmth)


def differing(comparison: Comparison, *, verdict: str = "") -> Score:
    """Give a comparison as a cell."""
    ends = {"low": comparison.low, "high": comparison.high}
    return Score(value=comparison.difference, signed=True, verdict=verdict, **ends)


def spread(score: Interval) -> str:
    """Write a value with its interval."""
    return f"{number(score.value)} ({number(score.low)} to {number(score.high)})"


# ------------------------------------------------------------------------------------ tables, sections


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of cells; the first of a row is its heading, and the columns ``words`` are no numbers.

    Attributes
    ----------
    name
        of its file, where it is exported.
    starts
        the headings of groups, by the row that they stand before.
    head
        the row that the page is about.
    axis
        the ends of the axis of its column of drawn scores.
    about
        what has to be known to read it.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: Sequence[str] = ()
    name: str = ""
    starts: Mapping[int, str] = field(default_factory=dict)
    head: int | None = None
    axis: tuple[float, float] | None = None
    about: str = ""


def without_drawings(table: Table) -> Table:
    """Take off the columns that only repeat a score as a drawing."""
    drawn = {place for row in table.rows for place, cell in enumerate(row) if isinstance(cell, Drawn)}
    keep = [place for place in range(len(table.columns)) if place not in drawn]
    rows = [[row[place] for place in keep] for row in table.rows]
    return replace(table, columns=[table.columns[place] for place in keep], rows=rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stat:
    """A figure in large type: what it is, the figure, and lines below it."""

    label: str
    value: str
    lines: Sequence[str]
    verdict: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Lines for a machine; folded away under its heading, if it has one."""

    text: str
    heading: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A part of the page: a heading and what it says, figures, the numbers behind them, tables.

    Attributes
    ----------
    short
        its name where there is little room.
    told
        paragraphs; the first says what there is to see.
    key
        of the figures' colours: a class of the style sheet, and what it stands for.
    numbers
        the numbers that the panels show.
    """

    heading: str
    short: str
    told: Sequence[str]
    stats: Sequence[Stat] = ()
    facts: Sequence[tuple[str, str]] = ()
    key: Sequence[tuple[str, str]] = ()
    panels: Sequence[Panel] = ()
    numbers: Table | None = None
    tables: Sequence[Table] = ()
    listings: Sequence[Listing] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Absent:
    """A section that cannot be written: what is not shown, and how to come by it."""

    what: str
    how: str


# ------------------------------------------------------------------------------------------------ axes


def axis_of(intervals: Sequence[Interval | Score]) -> tuple[float, float]:
    """Give the ends of an axis that all of these fit on, zero included."""
    ends = [0.0, *(end for i in intervals for end in (i.low, i.high, i.value) if np.isfinite(end))]
    low, high = min(ends), max(ends)
    margin = 0.04 * (high - low or 1.0)
    return low - margin, high + margin


def edges_of(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Cut the range of all labels, zero included, into equal bins."""
    known = values[~np.isnan(values)]
    low, high = min(0.0, float(known.min())), max(0.0, float(known.max()))
    return np.linspace(low, high if high > low else low + 1.0, bins + 1)


def bin_of(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    """Tell each value's bin. Fractions fall on edges: an edge belongs to the bin below it."""
    return np.searchsorted(edges[1:-1] + 1e-9 * (edges[-1] - edges[0]), values, side="left")
