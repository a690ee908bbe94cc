"""Clips to look at: the worst, the best, and those that one modality gets wrong and the fusion right."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from mimetic.panels import Cell, Section, Still, Table
from mimetic.plots import number
from mimetic.records import Clip, ClipError
from mimetic.report.material import Material
from mimetic.runs import Outcome
from mimetic.slicing import clip_errors, label_deviations, rescued
from mimetic.stills import still
from mimetic.words import read_words

SHOWN = 10
"""Clips in a table."""

WORDS = 60
"""Characters of what is said."""


def section(material: Material) -> Section:
    """List the validation clips with the largest and the smallest errors, and what the fusion saves."""
    name = material.head.name
    told = (
        f"The validation clips on which {name} errs most and least. A clip's error is the mean over its emotions of the"
        " distance between label and prediction, each in standard deviations of that emotion's labels, so that a rare"
        " emotion counts like a common one. The best are of those that show something: to call nothing nothing is easy."
    )
    tables = [*_extremes(material), *_saved(material)]
    return Section(heading="Worst and best clips", short="Clips", told=[told], tables=tables)


def _extremes(material: Material) -> Iterator[Table]:
    outcome = material.head.outcome
    errors = clip_errors(outcome.true, outcome.predicted)
    labelled = np.flatnonzero(~np.isnan(errors))
    worst = labelled[np.argsort(-errors[labelled], kind="stable")][:SHOWN]
    shows = labelled[np.nan_to_num(outcome.true[labelled]).any(axis=1)]
    best = shows[np.argsort(errors[shows], kind="stable")][:SHOWN]
    for name, caption, rows in (("worst", "The worst", worst), ("best", "The best", best)):
        if len(rows):
            yield _table(material, outcome, errors, rows, name=name, caption=f"{caption}: label → prediction")


def _table(
    material: Material,
    outcome: Outcome,
    errors: np.ndarray[tuple[int], np.dtype[np.float64]],
    rows: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.intp]],
    *,
    name: str,
    caption: str,
) -> Table:
    cells: list[list[Cell]] = []
    for row in rows:
        clip = outcome.clips[row]
        pairs = zip(outcome.true[row], outcome.predicted[row], strict=True)
        values = [f"{number(true, 2)} → {number(predicted, 2)}" for true, predicted in pairs]
        seen = _seen(material, [clip])[clip]
        cells.append([clip, number(errors[row], 2), *seen, _why(material, outcome, int(row)), *values])
    columns = ["Clip", "Error", *_seen_columns(material), "Why", *material.targets]
    return Table(name=name, caption=caption, columns=columns, rows=cells, words=["Still", "Words", "Why"])


def _why(material: Material, outcome: Outcome, row: int) -> str:
    """Say on which emotion most of the error lies, and what the clip lacks."""
    apart = outcome.predicted[row] - outcome.true[row]
    deviation = label_deviations(outcome.true)
    shares = np.abs(apart) / np.where(deviation > 0, deviation, np.inf)
    most = int(np.nanargmax(shares))
    side = "too high" if apart[most] > 0 else "too low"
    absent = [name for name, there in zip(material.head.modalities, outcome.presence[row], strict=True) if not there]
    return "; ".join([f"{material.targets[most]} {side}", *(f"no {name}" for name in absent)])


# ------------------------------------------------------------------------------- what the data set shows


def _seen_columns(material: Material) -> list[str]:
    if material.beside is None:
        return []
    return ["Still", "Words"] if material.beside.stills else ["Words"]


def _seen(material: Material, clips: Sequence[str]) -> dict[str, list[Cell]]:
    """Give what is said in clips and, if that is wanted, a picture of each; nothing without their data set."""
    beside = material.beside
    if beside is None:
        return {clip: [] for clip in clips}
    known = {clip.id: clip for clip in beside.dataset.clips if clip.id in clips}
    return {name: [*([_still(clip)] if beside.stills else []), _words(clip)] for name, clip in known.items()}


def _words(clip: Clip) -> str:
    try:
        return textwrap.shorten(read_words(clip).text, WORDS, placeholder=" …")
    except ClipError as error:
        return str(error)


def _still(clip: Clip) -> Still:
    try:
        return Still(jpeg=still(clip.path), of=clip.id)
    except ClipError:
        return Still(jpeg=b"", of=clip.id)


# ------------------------------------------------------------------------------------------------ saved


def _saved(material: Material) -> Iterator[Table]:
    """List what the best single modality gets wrong and the head right; nothing where the head is a single one."""
    head = material.head
    if head.best is None or head.single:
        return
    found = rescued(head.runs, head.best.runs)
    seen = _seen(material, [one.clip for one in found])
    yield Table(
        name="saved",
        caption=f"Clips that {head.best.name} gets wrong and {head.name} right",
        columns=["Clip", f"Error of {head.best.name}", f"Error of {head.name}", *_seen_columns(material)],
        rows=[[one.clip, number(one.alone, 2), number(one.fused, 2), *seen[one.clip]] for one in found],
        words=["Still", "Words"],
    )
