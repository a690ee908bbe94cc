"""A model card and a data card, made from a run's own records and a data set's own tables: Markdown out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from mimetic.console import between, figure
from mimetic.evidence.agreement import share_reliability
from mimetic.records import BadRun, Dataset, Json
from mimetic.report import System, score_systems
from mimetic.runs import Run
from mimetic.words import find_words

PARTS = {"train": "train", "valid": "valid", "test": "test", None: "of no part"}
"""A clip's part, and how it is called."""


def model_card(runs: Sequence[Run], *, resamples: int = 10_000) -> str:
    """Give the card of one system: its data, scores with intervals, models and licences, use and limits.

    Raises
    ------
    BadRun
        if the runs are not of one system, or it has no labelled validation clips.
    """
    found = score_systems(runs, resamples=resamples)
    if len(found) != 1:
        names = ", ".join(system.name for system in found)
        raise BadRun(f"a card is of one system, not of {len(found)} ({names})", remedy="Give one run, or its folder.")
    (system,) = found
    run = system.runs[0]
    seeds = f"mean of {len(system.runs)} seeds" if len(system.runs) > 1 else f"seed {run.seed}"
    return _render(
        "model_card.md.j2",
        name=system.name,
        data=run.config["data"],
        split=run.config["split"],
        versions=run.config["versions"],
        targets=run.targets,
        modalities=system.recipe.modalities,
        scores=system.scores,
        part="validation",
        seeds=seeds,
        parts=list(_parts(system)),
        parameters=system.parameters,
        signature=run.signature,
        command=system.command,
    )


def _parts(system: System) -> Iterator[Json]:
    for feature, identity in zip(system.runs[0].features, system.runs[0].config["features"], strict=True):
        yield {
            "modality": feature.entry.modality,
            "feature": feature.key,
            "model": identity.get("model", "none"),
            "revision": identity.get("revision") or "the file's own",
            "licence": feature.entry.licence,
        }


def data_card(dataset: Dataset) -> str:
    """Give the card of a data set: its parts, what its clips have, its labels and the limit that they set."""
    return _render(
        "data_card.md.j2",
        name=dataset.name,
        note=dataset.note,
        clips=len(dataset.clips),
        targets=dataset.targets,
        columns=list(dataset.columns),
        parts=list(_counts(dataset)),
        labels=list(_labels(dataset)),
    )


def _counts(dataset: Dataset) -> Iterator[Json]:
    labelled = ~np.isnan(dataset.labels).all(axis=1) if dataset.targets else np.zeros(len(dataset.clips), bool)
    for part, name in PARTS.items():
        rows = [(clip, has) for clip, has in zip(dataset.clips, labelled, strict=True) if clip.part == part]
        if rows:
            yield {
                "name": name,
                "clips": f"{len(rows):,}",
                "media": f"{sum(clip.path is not None and clip.path.is_file() for clip, _ in rows):,}",
                "words": f"{sum(clip.text is not None or find_words(clip) is not None for clip, _ in rows):,}",
                "faces": f"{sum(clip.faces is not None for clip, _ in rows):,}",
                "labelled": f"{sum(has for _, has in rows):,}",
            }


def _labels(dataset: Dataset) -> Iterator[Json]:
    limits = share_reliability(dataset.labels) if dataset.targets else ()
    for name, values, limit in zip(dataset.targets, dataset.labels.T, limits, strict=True):
        known = values[~np.isnan(values)]
        few = not len(known) or known.min() < 0 or known.max() > 1
        yield {
            "name": name,
            "mean": float(known.mean()) if len(known) else float("nan"),
            "deviation": float(known.std()) if len(known) else float("nan"),
            "above": float((known > 0).mean()) if len(known) else float("nan"),
            "limit": float("nan") if few else limit.limit,
        }


def _render(template: str, **content: Any) -> str:
    environment = Environment(  # Markdown: what is written stays as it is
        loader=PackageLoader("mimetic"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(figure=figure, between=between)
    return environment.get_template(template).render(**content)
