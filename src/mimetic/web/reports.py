"""The report of a system: what ``mimetic report`` writes of it and of the parts it was made from."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from mimetic.recipes import stage_one
from mimetic.report import write_report
from mimetic.runs import Run
from mimetic.web.shelf import Shelf


def report_of(shelf: Shelf, name: str, folder: Path) -> bytes:
    """Give the page of a run's system; ``folder`` is where it is written on its way."""
    group = shelf.system(name)
    parts = [recipe.content for recipe in stage_one(group[0].recipe)]
    beside = [run for run in shelf.runs().values() if run.recipe.content in parts and _alike(run, group[0])]
    return _written((*beside, *group), folder)


def _alike(run: Run, other: Run) -> bool:
    return bool(
        run.config["data"]["fingerprint"] == other.config["data"]["fingerprint"]
        and run.config["split"]["fingerprint"] == other.config["split"]["fingerprint"]
    )


@lru_cache(16)
def _written(runs: tuple[Run, ...], folder: Path) -> bytes:
    with TemporaryDirectory(dir=folder) as place:
        return write_report(runs, Path(place) / "report.html").read_bytes()
