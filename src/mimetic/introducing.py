"""A folder of clips and a CSV become a described data set: ``DIR/dataset.toml``, with what was guessed said beside it.

In goes a folder, out comes the description's text, and why each column was taken for what it is.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mimetic.datasets.table import DESCRIPTION, FACT_COLUMNS, KINDS, MISSING, PARTS, REFUSED
from mimetic.media import MEDIA_SUFFIXES
from mimetic.records import BadData, UsageError
from mimetic.store import write_atomically

WORDS = 4
"""Words of a mean cell from which on a column is taken for texts."""

Columns = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Introduction:
    """What a folder seems to hold: the table, the folder of clips, and the column for each kind, with the reason."""

    table: Path
    media: Path | None
    columns: Mapping[str, tuple[str, str]]
    targets: tuple[str, ...]
    left: Mapping[str, str]
    odd: Mapping[str, tuple[int, str]]

    def text(self, folder: Path) -> str:
        """Write it as TOML; each line says why."""
        lines = ["# Written by `mimetic init`: every line is a guess. Correct what is wrong.", ""]
        lines.append(f"table = {_quoted(self.table.relative_to(folder).as_posix())}")
        if self.media is not None:
            lines.append(f"media = {_quoted(self.media.relative_to(folder).as_posix())}")
        for name, (cells, first) in self.odd.items():
            lines.append(f"# {_quoted(name)} has {cells} cells that are no numbers, such as {_quoted(first)}")
        lines += [f"unreadable = {_quoted(MISSING)}  # or {_quoted(REFUSED)}"] if self.odd else []
        lines += ["", "[columns]"]
        lines += [f"{kind} = {_quoted(name)}  # {why}" for kind, (name, why) in self.columns.items()]
        lines.append(f"targets = [{', '.join(map(_quoted, self.targets))}]  # columns of numbers")
        lines += [f"# {_quoted(name)} is no target: {why}" for name, why in self.left.items()]
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def introduce(folder: Path, table: Path | None = None) -> Introduction:
    """Look at a folder, and guess.

    Parameters
    ----------
    table
        the CSV with the labels, if there are several.

    Raises
    ------
    BadData
        if there is no CSV, no column with paths or texts, or none with numbers.
    UsageError
        if there are several CSVs, and none was told.
    """
    media = sorted(path for path in folder.rglob("*") if path.suffix.lower() in MEDIA_SUFFIXES and path.is_file())
    place = table or _only_table(folder)
    columns = _read(place)
    found = _found(columns, media)
    if "path" not in found and "text" not in found:
        remedy = f"Its columns: {', '.join(columns)}; there are {len(media)} media files in {folder}."
        raise BadData(f"{place} has no column whose cells name media files, and none with texts", remedy=remedy)
    others = [name for name in columns if name not in {column for column, _ in found.values()}]
    left = {name: why for name in others if (why := _no_target(name, columns[name]))}
    targets = tuple(name for name in others if name not in left)
    if not targets:
        raise BadData(f"{place} has no column of numbers to predict", remedy=f"Its columns: {', '.join(columns)}.")
    root = _common(folder, media) if "path" in found else None
    odd = {name: (len(cells), cells[0]) for name in targets if (cells := _odd(columns[name]))}
    return Introduction(table=place, media=root, columns=found, targets=targets, left=left, odd=odd)


def write_introduction(folder: Path, table: Path | None = None) -> tuple[Path, Introduction]:
    """Write ``DIR/dataset.toml``.

    Raises
    ------
    UsageError
        if there is one already: nothing is overwritten.
    """
    path = folder / DESCRIPTION
    if not folder.is_dir():
        raise BadData(f"there is no folder {folder}", remedy="Give the folder with the clips and the CSV.")
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="Edit it, or move it away first.")
    found = introduce(folder, table)
    write_atomically(path, found.text(folder).encode())
    return path, found


def _only_table(folder: Path) -> Path:
    tables = sorted(folder.glob("*.csv"))
    if not tables:
        raise BadData(f"{folder} holds no CSV", remedy="Put the labels there: a line a clip, below a header.")
    if len(tables) > 1:
        told = ", ".join(path.name for path in tables)
        raise UsageError(f"{folder} holds several CSVs: {told}", remedy="Say which one has the labels: --table FILE.")
    return tables[0]


def _read(table: Path) -> dict[str, list[str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    except (OSError, ValueError, csv.Error) as error:
        raise BadData(f"{table} is no CSV with a header ({error})", remedy="Save it as CSV in UTF-8.") from None
    return {name: [row[place] for row in rows if place < len(row)] for place, name in enumerate(header)}


def _found(columns: Columns, media: Sequence[Path]) -> dict[str, tuple[str, str]]:
    """Give the column of each kind that there seems to be, and why."""
    named = {path.name for path in media} | {path.stem for path in media}
    found: dict[str, tuple[str, str]] = {}
    shares = {name: _naming(cells, named) for name, cells in columns.items()}
    best = max(shares, key=lambda name: shares[name], default="")
    if shares.get(best, 0):
        found["path"] = (best, f"{shares[best]:,} of its {len(columns[best]):,} cells name a media file here")
    for kind in ("id", "part", "text"):
        name = next((name for name in columns if name.lower() in KINDS[kind]), None)
        taken = {column for column, _ in found.values()}
        if name is not None and name not in taken and _fits(kind, columns[name]):
            found[kind] = (name, "by its name")
    wordy = {name: _words(cells) for name, cells in columns.items() if name not in {c for c, _ in found.values()}}
    if "text" not in found and max(wordy.values(), default=0.0) >= WORDS:
        name = max(wordy, key=lambda name: wordy[name])
        found["text"] = (name, f"{wordy[name]:.0f} words a cell")
    group = next((name for name in columns if _plain(name) in FACT_COLUMNS[:8]), None)
    if group is not None:
        found["group"] = (group, "by its name: clips of one are never on both sides of a fold")
    return found


def _fits(kind: str, cells: Sequence[str]) -> bool:
    if kind == "part":
        return all(cell.lower() in PARTS for cell in cells if cell)
    return kind != "id" or len(set(cells)) == len(cells)


def _naming(cells: Sequence[str], names: Collection[str]) -> int:
    return sum(Path(cell).name in names for cell in cells)


def _words(cells: Sequence[str]) -> float:
    return sum(len(cell.split()) for cell in cells) / max(1, len(cells))


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix("id").rstrip("_- ")


def _no_target(name: str, cells: Sequence[str]) -> str:
    """Say why a column is none that one would predict; nothing if it may be one."""
    if not name:
        return "it has no name"
    known = [float(cell) for cell in cells if _is_number(cell)]
    if len(known) <= sum(map(bool, cells)) / 2:
        return "its cells are no numbers"
    if _plain(name) in FACT_COLUMNS:
        return "by its name"
    if all(number.is_integer() for number in known) and len(set(known)) == len(known) > 10:
        return "it counts the rows"
    return "it is constant" if len(set(known)) == 1 else ""


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _odd(cells: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell and cell.lower() != "nan" and not _is_number(cell)]


def _common(folder: Path, media: Sequence[Path]) -> Path:
    """Give the folder below which all media lie."""
    parents = [path.parent for path in media]
    return next(
        (place for place in (parents[0], *parents[0].parents) if all(place in (p, *p.parents) for p in parents)), folder
    )
