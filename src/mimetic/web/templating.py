"""Pages, filled: the same facts as the routes under ``/api`` give, for people.

Every page but the clip's own works without a script; what scripts add are things that move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from mimetic.live import EVERY, WINDOW
from mimetic.panels import spread
from mimetic.plots import number
from mimetic.prediction import margins_of
from mimetic.recipes import RECIPES
from mimetic.records import MimeticError
from mimetic.runs import Run
from mimetic.web import scatter
from mimetic.web.library import Library
from mimetic.web.limits import PAGE, UPLOAD_BYTES, UPLOAD_SECONDS, WORDS
from mimetic.web.problems import Problem
from mimetic.web.query import Query
from mimetic.web.shelf import name_of
from mimetic.web.site import Site

SECTIONS = (("/", "Clip"), ("/clips", "Data set"), ("/runs", "Runs"), ("/docs", "HTTP"))


class Pages:
    """Templates, filled."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._environment = Environment(
            loader=PackageLoader("mimetic.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(number=number, signed=_signed, spread=spread)
        self._environment.globals.update(sections=SECTIONS, name_of=name_of)

    def page(self, name: str, section: str, *, status: int = 200, note: str = "", **content: Any) -> HTMLResponse:
        """Fill a template."""
        template = self._environment.get_template(f"{name}.html.j2")
        return HTMLResponse(template.render(section=section, note=note, **content), status)

    def problem(self, problem: Problem) -> HTMLResponse:
        """Tell people of a problem."""
        told, remedy = problem.detail or problem.title, problem.remedy
        return self.page("none", "", status=problem.status, title=problem.title, told=told, remedy=remedy)

    def about(self, run: str | None) -> dict[str, Any]:
        """Give what every page with a choice of runs shows."""
        chosen = self.site.shelf.get(run)
        note = chosen.note or (self.site.library.dataset.note if self.site.library else "")
        return {"run": chosen, "runs": self.site.shelf.runs(), "chosen": name_of(chosen), "note": note}

    def clip(self, name: str | None, run: str | None, beside: str | None) -> HTMLResponse:
        """Give the page of a clip: of the data set's, or of one that is still to be dropped."""
        clip = self.site.library.clip(name) if name is not None and self.site.library is not None else None
        limits = {"megabytes": UPLOAD_BYTES >> 20, "minutes": f"{UPLOAD_SECONDS / 60:g}", "words": WORDS}
        live = {"window": round(1000 * WINDOW), "every": round(1000 * EVERY)}
        about = self.about(run)
        interval = _interval(about["run"])
        return self.page("clip", "/", clip=clip, beside=beside, limits=limits, live=live, interval=interval, **about)

    def clips(self, library: Library, query: Query, fault: str, run: str | None) -> HTMLResponse:
        """Give the table of the data set."""
        about = self.about(run)
        rows = library.rows(about["run"])
        chosen = query.choose(rows)
        told = query.model_dump(exclude_none=True, exclude={"page"}) | {"run": about["chosen"]}
        return self.page(
            "clips",
            "/clips",
            status=422 if fault else 200,
            dataset=library.dataset,
            query=query,
            fault=fault,
            rows=query.page_of(chosen),
            found=len(chosen),
            pages=-(-len(chosen) // PAGE),
            measured=library.measured,
            scored=any(row.predicted for row in rows),
            turned=lambda page: f"/clips?{urlencode({**told, 'page': page})}",
            thumbnail=lambda clip: f"/api/clip/thumbnail?{urlencode({'id': clip})}",
            link=_link(about["chosen"]),
            **about,
        )

    def scatter(self, library: Library, part: str, run: str | None) -> HTMLResponse:
        """Give a scatter per target."""
        about = self.about(run)
        content = scatter.panels(library.rows(about["run"]), library.dataset.targets, part)
        link = _link(about["chosen"])
        return self.page("scatter", "/clips", dataset=library.dataset, part=part, link=link, **content, **about)

    def audit(self, library: Library, run: str | None) -> HTMLResponse:
        """Give the findings, or the page that waits for them."""
        about = self.about(run)
        known = {clip.id for clip in library.dataset.clips}
        link, found = _link(about["chosen"]), library.findings()
        return self.page("audit", "/clips", link=link, dataset=library.dataset, audit=found, known=known, **about)

    def runs(self) -> HTMLResponse:
        """Give the table of systems."""
        note = next((run.note for run in self.site.shelf.runs().values() if run.note), "")
        recipes = list(RECIPES.values())
        return self.page("runs", "/runs", note=note, systems=_largest_first(self.site.shelf.systems()), recipes=recipes)

    def compare(self, first: str, second: str) -> HTMLResponse:
        """Give two systems, compared; or why they cannot be."""
        shelf = self.site.shelf
        runs: dict[str, Any] = {"first": shelf.get(first), "second": shelf.get(second)}
        content: dict[str, Any] = {"comparison": None, "fault": "", "verdict": ""}
        try:
            content["comparison"] = shelf.comparison(first, second, "valid")
            content["mine"], content["other"] = (shelf.evaluation(name, "valid") for name in (first, second))
            content["verdict"] = _verdict(content["comparison"].verdict, **runs)
        except MimeticError as error:
            content["fault"] = f"They cannot be compared. {_without_paths(error, runs.values())}"
        return self.page("compare", "/runs", note=runs["first"].note, **runs, **content)


def _largest_first(systems: list[list[Run]]) -> list[list[Run]]:
    return sorted(systems, key=lambda group: -len(group[0].recipe.parts))


def _verdict(verdict: str, first: Run, second: Run) -> str:
    """Say in a sentence who is better."""
    who, better, _ = verdict.partition(" is better")
    name = {"first": first, "second": second}[who].recipe.name if better else who.capitalize()
    return f"{name}{better}."


def _without_paths(error: MimeticError, runs: Any) -> str:
    told = str(error)
    for run in runs:
        told = told.replace(str(run.path), run.recipe.name)
    return told


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def _link(run: str) -> Callable[[str], str]:
    """Give what makes the address of a clip's page."""
    return lambda clip: f"/clip?{urlencode({'id': clip, 'run': run})}"


def _interval(run: Run) -> str:
    """Say what a run's intervals are; nothing where it has none."""
    margins = margins_of(run)
    return "" if margins is None else f"{100 * margins.level:g} % interval, from {margins.source}"
