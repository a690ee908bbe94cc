"""Runs become one HTML page, plots inside: no script, no font, nothing that is fetched; and its tables as files.

In: finished runs on one data set, any number of recipes and seeds; beside them, if it is at hand, their data set. Out:
one file that says how well each system does on the validation clips, how far that can be trusted, what it rests on,
where it fails, and how to make it again. The same runs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mimetic.report.exports import write_tables as write_tables
from mimetic.report.material import Beside as Beside
from mimetic.report.material import Material
from mimetic.report.page import SIMULATED, Page, render, sections_of
from mimetic.report.systems import System as System
from mimetic.report.systems import score_systems as score_systems
from mimetic.runs import Run
from mimetic.store import write_atomically


def make_report(
    runs: Sequence[Run],
    *,
    beside: Beside | None = None,
    title: str | None = None,
    note: str | None = None,
    resamples: int = 10_000,
) -> Page:
    """Give the page of some runs, not yet written; ``note`` (or what their data set says) stands at its head.

    Parameters
    ----------
    beside
        the runs' data set: with it the page also shows what only that knows, such as scores by kinds of clips.

    Raises
    ------
    BadRun
        if there is no run, the runs are not of one data set, or it has no labelled validation clips.
    BadData
        if the data set lacks some of the runs' clips.
    """
    scored = [run for run in runs if not run.refit]
    found = score_systems(
        scored,
        groups=beside.groups if beside else None,
        dataset=beside.dataset if beside else None,
        resamples=resamples,
    )
    refit = tuple(run for run in runs if run.refit)
    material = Material(systems=found, refit=refit, beside=beside, resamples=resamples)
    mark = SIMULATED if any(_is_simulated(run) for run in scored) else ""
    sections, absent = sections_of(material, mark=mark)
    return Page(
        title=title or f"{material.head.name} on {material.data}",
        note=note or scored[0].note,
        mark=mark,
        systems=found,
        sections=sections,
        absent=absent,
    )


def write_report(
    runs: Sequence[Run],
    path: Path,
    *,
    beside: Beside | None = None,
    title: str | None = None,
    note: str | None = None,
    resamples: int = 10_000,
) -> Path:
    """Write the page of some runs, and give its path; arguments and errors are those of ``make_report``."""
    page = make_report(runs, beside=beside, title=title, note=note, resamples=resamples)
    return write_page(page, path)


def write_page(page: Page, path: Path) -> Path:
    """Write a page, and give its path."""
    write_atomically(path, render(page).encode())
    return path


def _is_simulated(run: Run) -> bool:
    """Tell whether a run's features, or all of its data, were drawn from a model of the world."""
    made = any(identity.get("made") == "simulated" for identity in run.config["features"])
    return made or run.note.lower().startswith("simulated")
