"""The page, section by section. To add one: a file here, and a line in the table.

A section is a function of the ``Material`` that gives a ``Section``, ``None`` where there is nothing to say, or, where
what it needs is not at hand, an ``Absent`` that says how to come by it. No section knows another.
"""

from __future__ import annotations

from mimetic.records import Entry

_HERE = "mimetic.report.sections"

SECTIONS: dict[str, Entry] = {
    "result": Entry(target=f"{_HERE}.result:section", about="the best system, and what it is worth"),
    "modalities": Entry(target=f"{_HERE}.modalities:section", about="each modality alone, ours beside the published"),
    "fusions": Entry(target=f"{_HERE}.fusions:section", about="the fusions, ours beside the published"),
    "comparisons": Entry(target=f"{_HERE}.comparisons:section", about="all comparisons, corrected for so many looks"),
    "emotions": Entry(target=f"{_HERE}.emotions:section", about="every system on every emotion, a heat map"),
    "parts": Entry(target=f"{_HERE}.parts:section", about="the head beside its parts, by emotion"),
    "contributions": Entry(target=f"{_HERE}.contributions:section", about="what each modality brings"),
    "labels": Entry(target=f"{_HERE}.labels:section", about="the labels of each part, and the noise in them"),
    "predictions": Entry(target=f"{_HERE}.predictions:section", about="what was predicted against what was said"),
    "calibration": Entry(target=f"{_HERE}.calibration:section", about="whether .5 means .5"),
    "learning": Entry(target=f"{_HERE}.learning:section", about="how every run learned"),
    "slices": Entry(target=f"{_HERE}.slices:section", about="scores by kinds of clips"),
    "stress": Entry(target=f"{_HERE}.stress:section", about="what is lost when things go wrong"),
    "leakage": Entry(target=f"{_HERE}.leakage:section", about="how much of the score is look-up"),
    "clips": Entry(target=f"{_HERE}.clips:section", about="the worst clips, and those that the fusion saves"),
    "missing": Entry(target=f"{_HERE}.missing:section", about="clips without a modality"),
    "audit": Entry(target=f"{_HERE}.audit:section", about="what is wrong with the data"),
    "provenance": Entry(target=f"{_HERE}.provenance:section", about="what it was made from, and how to make it again"),
}
"""In the page's order."""
