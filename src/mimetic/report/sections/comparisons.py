"""All comparisons that the page makes, and what is left of them after so many looks."""

from __future__ import annotations

import math

from mimetic.panels import Cell, Drawn, Name, Score, Section, Table, axis_of, differing
from mimetic.plots import ABSENT, number
from mimetic.report.material import Material
from mimetic.report.systems import Meeting


def section(material: Material) -> Section | None:
    """List every difference with its interval, p before and after correction, and what it would take to tell it."""
    meetings = [meeting for system in material.systems for meeting in system.meetings]
    if not meetings:
        return None
    told = (
        f"Each pair on the same clips, resampled together. The p of all {len(meetings)} are corrected together (Holm):"
        " a verdict rests on what is left. Clips to tell: how many it would take to tell a true difference of this"
        " size, eight times in ten."
    )
    found = [differing(meeting.comparison) for meeting in meetings]
    table = Table(
        name="comparisons",
        caption="Differences of mean Pearson on validation",
        columns=["System", "Difference", "Interval, drawn", "p", "p, corrected", "Clips to tell", "Verdict"],
        words=["Verdict"],
        rows=[_row(meeting, score) for meeting, score in zip(meetings, found, strict=True)],
        axis=axis_of(found),
    )
    return Section(heading="Comparisons", short="Comparisons", told=[told], tables=[table])


def _row(meeting: Meeting, score: Score) -> list[Cell]:
    clips = meeting.comparison.clips_to_tell()
    return [
        Name(text=meeting.first, below=f"minus {meeting.second}"),
        score,
        Drawn(score=score),
        number(meeting.comparison.chance, 4),
        number(meeting.corrected, 4),
        ABSENT if math.isnan(clips) else f"{clips:,.0f}",
        meeting.verdict,
    ]
