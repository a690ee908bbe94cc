"""A page's tables as files: CSV for machines, Markdown and LaTeX (booktabs) for papers, with their intervals.

In: tables. Out: ``NAME.csv``, ``NAME.md``, ``NAME.tex`` of each. Every file says in its first line which data its
figures are of.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mimetic.panels import Cell, Name, Score, Table, text_of, without_drawings
from mimetic.plots import ABSENT, MINUS
from mimetic.store import write_atomically


def write_tables(tables: Sequence[Table], folder: Path, *, note: str) -> list[Path]:
    """Write tables in every format, and give the files; ``note`` says which data they are of."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for table in tables:
        for suffix, write in FORMATS.items():
            path = folder / f"{table.name}.{suffix}"
            write_atomically(path, write(without_drawings(table), note).encode())
            written.append(path)
    return written


# ------------------------------------------------------------------------------------------------- CSV


def as_csv(table: Table, note: str) -> str:
    """Write numbers in full, the ends of their intervals in columns of their own; what is not defined is empty."""
    wide = {place for row in table.rows for place, cell in enumerate(row) if isinstance(cell, Score)}
    told = {place for row in table.rows for place, cell in enumerate(row) if isinstance(cell, Name) and cell.below}
    names: list[str] = []
    for place, column in enumerate(table.columns):
        more = [" low", " high"] if place in wide else [" below"] if place in told else []
        names += [column, *(f"{column}{end}" for end in more)]
    file = io.StringIO()
    file.write("".join(f"# {line}\n" for line in _said(table, note)))
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for row in table.rows:
        writer.writerow(
            [text for place, cell in enumerate(row) for text in _fields(cell, place in wide, place in told)]
        )
    return file.getvalue()


def _fields(cell: Cell, wide: bool, told: bool) -> list[str]:
    match cell:
        case Score():
            return [_full(value) for value in (cell.value, cell.low, cell.high)]
        case Name() if told:
            return [_plain(cell.text), _plain(cell.below)]
    return [_plain(text_of(cell)), *([""] * (2 * wide + told))]


def _full(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _plain(text: str) -> str:
    """Write a number as machines read it."""
    if re.fullmatch(r"\d{1,3}(,\d{3})+", text):
        return text.replace(",", "")
    return "" if text == ABSENT else text.replace(MINUS, "-")


def _said(table: Table, note: str) -> list[str]:
    return [line for line in (f"{table.caption}. {note}", table.about) if line]


# ------------------------------------------------------------------------------------- Markdown, LaTeX


def as_markdown(table: Table, note: str) -> str:
    """Write a table of GitHub's Markdown under its caption; words stand to the left."""
    lines = [f"**{_escaped(table.caption, _MARKDOWN)}.** {_escaped(note, _MARKDOWN)}", ""]
    lines.append(_markdown_row(table.columns))
    lines.append(_markdown_row(["---" if _left(table, place) else "--:" for place in range(len(table.columns))]))
    lines += [_markdown_row([_escaped(text_of(cell), _MARKDOWN) for cell in row]) for row in table.rows]
    return "\n".join([*lines, *(["", _escaped(table.about, _MARKDOWN)] if table.about else [])]) + "\n"


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _left(table: Table, place: int) -> bool:
    return place == 0 or table.columns[place] in table.words


def as_latex(table: Table, note: str) -> str:
    r"""Write a ``table`` with booktabs' rules; it needs ``\usepackage{booktabs}`` and UTF-8."""
    kinds = "".join("l" if _left(table, place) else "r" for place in range(len(table.columns)))
    lines = [f"% {line}" for line in _said(table, note)]
    lines += [r"\begin{table}", r"\centering", rf"\caption{{{_escaped(f'{table.caption}. {note}', _LATEX)}}}"]
    lines += [rf"\label{{tab:{table.name}}}", rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    lines += [_latex_row(table.columns), r"\midrule"]
    for place, row in enumerate(table.rows):
        lines += [r"\midrule"] if place and place in table.starts else []
        lines.append(_latex_row([text_of(cell) for cell in row]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_escaped(cell, _LATEX) for cell in cells) + r" \\"


_MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\|*_`<>[]"})
_LATEX = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        MINUS: "$-$",
        ABSENT: "--",
        "→": r"$\rightarrow$",
        "±": r"$\pm$",
        "≈": r"$\approx$",
    }
)


def _escaped(text: str, signs: dict[int, str]) -> str:
    """Write text so that it stays text, on one line."""
    return " ".join(text.split()).translate(signs)


FORMATS: dict[str, Callable[[Table, str], str]] = {"csv": as_csv, "md": as_markdown, "tex": as_latex}
"""What a table is written as, by the file's suffix."""
