"""Cells become HTML: the elements of a table's rows, and the scores that are drawn in them."""

from __future__ import annotations

import base64
import math

from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from mimetic.panels import Cell, Code, Drawn, Name, Score, Still, Table
from mimetic.plots import tick_label

SWITCH = 0.68
"""Share of the heat map's scale above which a cell's number changes colour: it fits the colours of page.css."""

WIDTH = 110
"""Of a drawn score, in CSS pixels."""


def row_cell(cell: Cell, table: Table, row: int, column: int) -> Markup:
    """Give a cell's element: a row's first is its heading."""
    if column == 0:
        return Markup('<th scope="row">{}</th>').format(_heading(cell))
    words = ' class="words"' if table.columns[column] in table.words else ""
    match cell:
        case Score(warmth=float() as warmth):
            strong = " strong" if warmth > SWITCH else ""
            kind = f"warm{' mean' if column == 1 else ''}{strong}"
            return Markup('<td class="{}" style="--t:{:.3f}">{}</td>').format(kind, warmth, _score(cell))
        case Drawn():
            color = "var(--accent)" if row == table.head else "var(--soft)"
            return Markup('<td class="bar">{}</td>').format(_bar(cell, _axis(table), color))
        case Score():
            content = _score(cell)
        case Name():
            content = _named(cell.text, cell.below)
        case Code():
            content = Markup("<code>{}</code>").format(cell.text)
        case Still():
            content = _still(cell)
        case str():
            content = escape(cell)
    return Markup("<td{}>{}</td>").format(Markup(words), content)


def breakable(name: str) -> Markup:
    """Let a narrow column break a recipe's name behind its dots."""
    return escape(name).replace(".", Markup(".<wbr>"))


def _heading(cell: Cell) -> Markup:
    match cell:
        case Name():
            return breakable(cell.text) + _small(cell.below)
        case str():
            return breakable(cell)
    raise TypeError(f"a row's heading is a text or a name, not {cell!r}")


def _named(text: str, below: str) -> Markup:
    return escape(text) + _small(below)


def _small(text: str) -> Markup:
    return Markup("<small>{}</small>").format(text) if text else Markup("")


def _still(still: Still) -> Markup:
    if not still.jpeg:
        return Markup("")
    data = base64.b64encode(still.jpeg).decode()
    return Markup('<img class="still" src="data:image/jpeg;base64,{}" alt="A still of {}">').format(data, still.of)


def _score(score: Score) -> Markup:
    value = Markup('<span class="value">{}</span>').format(score.text)
    return value + _small(score.interval) + _small(score.verdict)


# ------------------------------------------------------------------------------------------ drawn scores


def axis_svg(table: Table) -> Markup:
    """Draw the axis that stands over a column of drawn scores."""
    low, high = _axis(table)
    ticks = [float(tick) for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    marks = Markup("").join(
        Markup('<path d="M{0} 18V22" stroke="var(--soft)"/><text x="{0}" y="13">{1}</text>').format(
            _place(tick, (low, high)), tick_label(tick)
        )
        for tick in ticks
    )
    return Markup('<svg class="axis" width="{0}" height="22" viewBox="0 0 {0} 22" aria-hidden="true">{1}</svg>').format(
        WIDTH, marks
    )


def _axis(table: Table) -> tuple[float, float]:
    if table.axis is None:
        raise TypeError(f"the table {table.caption!r} draws scores and has no axis")
    return table.axis


def _bar(drawn: Drawn, axis: tuple[float, float], color: str) -> Markup:
    """Draw a score on its interval, and a stroke where the best reachable one lies."""
    score = drawn.score
    parts = [Markup('<path d="M{} 0V20" stroke="var(--rule)"/>').format(_place(0.0, axis))]
    if not math.isnan(drawn.limit) and axis[0] <= drawn.limit <= axis[1]:
        limit = '<path d="M{} 3V17" stroke="var(--ink)" stroke-width="1.5"/>'
        parts.append(Markup(limit).format(_place(drawn.limit, axis)))
    if not math.isnan(score.low):
        line = '<path d="M{} 10H{}" stroke="{}" stroke-width="2" stroke-linecap="round"/>'
        parts.append(Markup(line).format(_place(score.low, axis), _place(score.high, axis), color))
    if not math.isnan(score.value):
        parts.append(Markup('<circle cx="{}" cy="10" r="4" fill="{}"/>').format(_place(score.value, axis), color))
    box = '<svg width="{0}" height="20" viewBox="0 0 {0} 20" aria-hidden="true">{1}</svg>'
    return Markup(box).format(WIDTH, Markup("").join(parts))


def _place(value: float, axis: tuple[float, float]) -> str:
    return f"{WIDTH * (value - axis[0]) / (axis[1] - axis[0]):.1f}"
