"""Scores by kinds of clips: where the head does worse than elsewhere."""

from __future__ import annotations

from mimetic.panels import Absent, Cell, Drawn, Name, Score, Section, Table, axis_of, differing, scored
from mimetic.plots import ABSENT, number
from mimetic.report.material import Material, without_data
from mimetic.slicing import Slice, Sliced, slice_scores

RESAMPLES = 5_000
"""Of each slice, at most."""


def section(material: Material) -> Section | Absent:
    """Score the head on kinds of clips, each set against all others."""
    beside, head = material.beside, material.head
    if beside is None:
        return without_data("Scores by kinds of clips")
    resamples = min(RESAMPLES, material.resamples)
    found = slice_scores(head.runs, beside.dataset, beside.store, ["all"], groups=beside.groups, resamples=resamples)
    told = [
        f"{head.name} on kinds of validation clips, each set against all others of which the same is known; the p of"
        " all gaps are corrected together (Holm). A score on few or uniform clips can be low for no fault of the"
        " system.",
    ]
    if unknown := [f"{sliced.by} ({sliced.reason})" for sliced in found if sliced.reason]:
        told.append(f"Not told apart: {'; '.join(unknown)}.")
    told_apart = [sliced for sliced in found if sliced.slices]
    return Section(
        heading="Kinds of clips", short="Slices", told=told, tables=[_table(told_apart)] if told_apart else []
    )


def _table(found: list[Sliced]) -> Table:
    rows: list[list[Cell]] = []
    starts: dict[int, str] = {}
    for sliced in found:
        starts[len(rows)] = sliced.by.capitalize()
        rows += [_row(one) for one in sliced.slices]
    scores = [scored(one.mean_pearson) for sliced in found for one in sliced.slices if one.mean_pearson]
    return Table(
        name="slices",
        caption="Mean Pearson by kinds of validation clips",
        columns=[
            "Clips with",
            "How many",
            "Mean Pearson",
            "Interval, drawn",
            "Minus the others",
            "p, corrected",
            "Verdict",
        ],
        words=["Verdict"],
        rows=rows,
        starts=starts,
        axis=axis_of(scores),
    )


def _row(one: Slice) -> list[Cell]:
    score = scored(one.mean_pearson) if one.mean_pearson else Score(value=float("nan"))
    gap: Cell = differing(one.gap) if one.gap else ABSENT
    return [
        Name(text=one.name),
        f"{one.clips:,}",
        score,
        Drawn(score=score),
        gap,
        number(one.corrected, 4),
        one.verdict,
    ]
