"""Clips that lack a modality."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mimetic.panels import Section, Table
from mimetic.plots import percent
from mimetic.report.material import Material

NAMES = {"train": "Training", "valid": "Validation", "test": "Test", "rest": "In no part"}


def section(material: Material) -> Section:
    """Count the clips of each part that lack each feature."""
    runs = [system.runs[0] for system in material.alike]
    parts = [part for part in NAMES if part in runs[-1].outcome.parts]
    rows: dict[str, list[str]] = {}
    for run in runs:
        for column, part in enumerate(run.recipe.parts):
            absent = {name: ~run.outcome.part(name).presence[:, column] for name in parts}
            rows[f"{part.modality.capitalize()} ({part.feature})"] = [_share(absent[name]) for name in parts]
    if len(runs[-1].recipe.parts) > 1:
        rows["All of them"] = [_share(~runs[-1].outcome.part(name).presence.any(axis=1)) for name in parts]
    table = Table(
        name="missing",
        caption="Clips without each modality",
        columns=["Modality", *(NAMES[part] for part in parts)],
        rows=[[name, *shares] for name, shares in rows.items()],
    )
    told = "A clip that lacks a modality is scored all the same: a learned token stands in its place."
    return Section(heading="Missing modalities", short="Missing", told=[told], tables=[table])


def _share(absent: NDArray[np.bool_]) -> str:
    return f"{absent.sum():,} of {len(absent):,} ({percent(float(absent.mean()))})"
