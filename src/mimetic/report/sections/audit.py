"""What is wrong with the data, in short."""

from __future__ import annotations

from mimetic.auditing import audit
from mimetic.auditing.findings import SEVERITIES
from mimetic.panels import Absent, Section, Table
from mimetic.report.material import Material, without_data

HEADINGS = {"spoils": "would spoil a training", "doubtful": "to be looked at", "note": "to be known"}


def section(material: Material) -> Section | Absent:
    """List the findings of a quick audit: tables, words, headers; nothing is decoded."""
    if material.beside is None:
        return without_data("What is wrong with the data")
    found = audit(material.beside.dataset, quick=True)
    counts = [f"{len(found.of(severity))} {HEADINGS[severity]}" for severity in SEVERITIES if found.of(severity)]
    told = (
        f"A quick audit finds {', '.join(counts) or 'nothing'}; {len(found.clean)} checks found nothing. Pictures and"
        " sounds were not decoded: mimetic audit DATA does, and names every clip."
    )
    table = Table(
        name="audit",
        caption="Findings, the worst first",
        columns=["Finding", "How bad", "Where", "What to do"],
        words=["How bad", "Where", "What to do"],
        rows=[[f.check.capitalize(), HEADINGS[f.severity], f.message, f.remedy] for f in found.findings],
    )
    return Section(heading="Audit of the data", short="Audit", told=[told], tables=[table] if found.findings else [])
