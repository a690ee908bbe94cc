"""Clips to look at: the worst ones, and those that one modality gets wrong and the fusion right."""

from __future__ import annotations

import numpy as np

from mimetic.panels import Section, Table
from mimetic.plots import number
from mimetic.report.material import Material
from mimetic.slicing import rescued

WORST = 10
"""Clips in the table of the worst."""


def section(material: Material) -> Section:
    """List the validation clips with the largest errors, and what the fusion saves of the best single modality's."""
    told = (
        f"The validation clips on which {material.head.name} errs most. A clip's error is the mean over its emotions of"
        " the distance between label and prediction, each in standard deviations of that emotion's labels, so that a"
        " rare emotion counts like a common one."
    )
    saved = _saved(material)
    return Section(
        heading="Worst clips", short="Clips", told=[told], tables=[_worst(material), *([saved] if saved else [])]
    )


def _worst(material: Material) -> Table:
    outcome = material.head.outcome
    columns = (values[~np.isnan(values)] for values in outcome.true.T)
    deviation = np.array([values.std() if len(values) else 0.0 for values in columns])
    used = deviation > 0
    errors = np.abs(outcome.true - outcome.predicted)[:, used] / deviation[used]
    labelled = np.flatnonzero(~np.isnan(errors).all(axis=1))
    means = np.nanmean(errors[labelled], axis=1)
    order = np.argsort(-means, kind="stable")[:WORST]
    rows = [
        [
            outcome.clips[row],
            number(error, 2),
            _absent(material, outcome.presence[row]),
            *(
                f"{number(t, 2)} → {number(p, 2)}"
                for t, p in zip(outcome.true[row], outcome.predicted[row], strict=True)
            ),
        ]
        for row, error in zip(labelled[order], means[order], strict=True)
    ]
    heads = ["Clip", "Error", "Missing", *material.targets]
    return Table(name="worst", caption="Label → prediction", columns=heads, rows=rows, words=["Missing"])


def _absent(material: Material, presence: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    names = (name for name, there in zip(material.head.modalities, presence, strict=True) if not there)
    return ", ".join(names) or "none"


def _saved(material: Material) -> Table | None:
    """List what the best single modality gets wrong and the head right; nothing where the head is a single one."""
    head = material.head
    if head.best is None or head.single:
        return None
    found = rescued(head.runs, head.best.runs)
    return Table(
        name="saved",
        caption=f"Clips that {head.best.name} gets wrong and {head.name} right",
        columns=["Clip", f"Error of {head.best.name}", f"Error of {head.name}"],
        rows=[[one.clip, number(one.alone, 2), number(one.fused, 2)] for one in found],
    )
