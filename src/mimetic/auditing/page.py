"""An audit becomes one HTML page, like the report: no script, no font, nothing that is fetched.

In go an audit and its data set, out comes one file: what was found and what to do, the labels of each part, training
beside validation, and what was looked for in vain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mimetic.auditing.findings import CHECKS, SEVERITIES, Audit
from mimetic.auditing.labels import Marginal, correlations, describe
from mimetic.auditing.material import Material
from mimetic.panels import Panel, Table, templates
from mimetic.plots import draw_histograms, number, percent
from mimetic.records import Dataset
from mimetic.store import write_atomically

BINS = 10
"""Of a label's histogram."""


def write_page(audit: Audit, dataset: Dataset, path: Path) -> Path:
    """Write the page of an audit, and give its path. The same audit gives the same bytes."""
    material = Material(dataset=dataset, facts=())
    content: dict[str, Any] = {
        "audit": audit,
        "note": dataset.note,
        "severities": SEVERITIES,
        "checks": CHECKS,
        "length": _length(audit.seconds),
        "parts": {name: len(rows) for name, rows in material.parts.items()},
        "figures": _histograms(material),
        "marginals": _marginals(describe(material)),
        "correlations": _correlations(material),
        "shifts": _shifts(audit),
    }
    write_atomically(path, templates().get_template("audit.html.j2").render(**content).encode())
    return path


def _length(seconds: float) -> str:
    """Write how long the clips are, behind a comma; nothing where they have no length."""
    for unit, size in (("hours", 3_600), ("minutes", 60), ("seconds", 1)):
        if seconds >= 2 * size:
            return f", {seconds / size:.1f} {unit}"
    return ""


def _histograms(material: Material) -> list[Panel]:
    """Draw each target's labels, training beside validation; none where the data set has no such parts."""
    if not {"train", "valid"} <= material.labelled.keys():
        return []
    panels = []
    for column, target in enumerate(material.dataset.targets):
        parts = [material.dataset.labels[material.labelled[part], column] for part in ("train", "valid")]
        known = [values[~np.isnan(values)] for values in parts]
        if all(len(values) for values in known):
            panels.append(_histogram(target, known))
    return panels


def _histogram(target: str, parts: list[np.ndarray[Any, np.dtype[np.float64]]]) -> Panel:
    low, high = min(0.0, *(values.min() for values in parts)), max(1.0, *(values.max() for values in parts))
    edges = np.linspace(low, high, BINS + 1)
    shares = [np.histogram(values[values != 0], edges)[0] / len(values) for values in parts]
    means = [float(values.mean()) for values in parts]
    zeros = " | ".join(percent(float(np.mean(values == 0))) for values in parts)
    told = f"{target}: labels of training, mean {number(means[0])}, and of validation, mean {number(means[1])}"
    top = max(0.01, *(float(share.max()) for share in shares))
    figure = draw_histograms(edges, shares, means, top, name=f"labels {target}", told=told)
    return Panel(heading=target, facts=f"at zero {zeros}", figure=figure)


def _marginals(found: list[Marginal]) -> Table:
    columns = ["Target", "Part", "Clips", "Mean", "Deviation", "At zero", "Least", "Most"]
    rows = []
    for m in found:
        figures = [number(value) for value in (m.mean, m.deviation, m.low, m.high)]
        rows.append([m.target, m.part, f"{m.clips:,}", *figures[:2], percent(m.zeros), *figures[2:]])
    return Table(caption="Labels of each part", columns=columns, rows=rows, words=["Part"])


def _correlations(material: Material) -> list[Table]:
    targets = material.dataset.targets
    tables = []
    for part, rows in material.labelled.items():
        values = correlations(material.dataset.labels[rows])
        cells = [[target, *map(number, row.tolist())] for target, row in zip(targets, values, strict=True)]
        tables.append(Table(caption=f"Pearson between targets, {part}", columns=["Target", *targets], rows=cells))
    return tables


def _shifts(audit: Audit) -> Table:
    rows = [
        [s.name, number(s.train), number(s.valid), f"{s.effect:+.2f}", f"{s.chance:.3f}"]
        for s in sorted(audit.shifts, key=lambda shift: (shift.chance, -abs(shift.effect)))
    ]
    return Table(
        caption="Training beside validation", columns=["Figure", "Training", "Validation", "Effect", "p"], rows=rows
    )
