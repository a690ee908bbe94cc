"""How much of the head's score is look-up: the same script in training and in validation."""

from __future__ import annotations

import numpy as np

from mimetic.evaluation import stacked
from mimetic.evidence.intervals import Interval
from mimetic.leakage import Leakage, measure
from mimetic.panels import Absent, Cell, Score, Section, Table, differing, scored
from mimetic.plots import ABSENT
from mimetic.report.material import Material, without_data
from mimetic.report.systems import PART
from mimetic.sharing import rows_of
from mimetic.splits import texts_of

WHAT = "How much of the score is look-up"


def section(material: Material) -> Section | Absent:
    """Score the labels of the nearest training transcript, and the head on scripts seen and unseen."""
    if material.beside is None:
        return without_data(WHAT)
    dataset = material.beside.dataset
    texts = texts_of(dataset.clips)
    if not any(texts):
        return Absent(what=WHAT, how="there are no transcripts: mimetic transcribe DATA writes them down")
    whole = material.head.runs[0].outcome
    outcome, predicted = stacked(material.head.runs, PART)
    learned = [clip for clip, part in zip(whole.clips, whole.parts, strict=True) if part == "train"]
    train, rows = rows_of(dataset, learned), rows_of(dataset, outcome.clips)
    found = measure(texts, dataset.labels, train, rows, predicted, resamples=material.resamples)
    told = [found.sentence, "Transcripts that say nearly the same are one script; intervals draw scripts whole."]
    return Section(heading=WHAT, short="Look-up", told=told, tables=[_table(found, material.head.name)])


def _table(found: Leakage, head: str) -> Table:
    difference: Cell = differing(found.difference) if found.difference else ABSENT
    rows: list[list[Cell]] = [
        ["Labels of the nearest training transcript, alone", _cell(found.transfer)],
        [f"{head}, scripts seen in training", _cell(found.on_seen)],
        [f"{head}, other scripts", _cell(found.on_unseen)],
        ["Seen minus unseen", difference],
    ]
    return Table(name="leakage", caption="Mean Pearson on validation", columns=["Score", "Mean Pearson"], rows=rows)


def _cell(score: Interval | None) -> Score:
    return Score(value=np.nan) if score is None else scored(score)
