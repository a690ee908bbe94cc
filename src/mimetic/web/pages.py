"""Routes that give pages: the same facts as the routes under ``/api``, for people.

Every page but the clip's own works without a script; what scripts add are things that move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi import Query as QueryParameter
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError

from mimetic.panels import spread
from mimetic.plots import number
from mimetic.recipes import RECIPES
from mimetic.records import MimeticError
from mimetic.runs import Run
from mimetic.web import scatter
from mimetic.web.library import Library
from mimetic.web.limits import PAGE, UPLOAD_BYTES, UPLOAD_SECONDS, WORDS
from mimetic.web.problems import Problem, Refusal, declared
from mimetic.web.query import Query
from mimetic.web.reports import report_of
from mimetic.web.shelf import name_of
from mimetic.web.site import Site

SECTIONS = (("/", "Clip"), ("/clips", "Data set"), ("/runs", "Runs"), ("/docs", "HTTP"))

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A report carries its style inside, and no script: it may have the one, and not the other."""

RunName = Annotated[str | None, QueryParameter(max_length=64)]


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
        return self.page("clip", "/", clip=clip, beside=beside, limits=limits, **self.about(run))

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


def page_routes(app: FastAPI, site: Site, pages: Pages) -> APIRouter:
    """Give the routes of the pages."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    def library() -> Library:
        if site.library is None:
            raise Refusal(404, "no data set is served", remedy="mimetic serve RUN --data DATA")
        return site.library

    @router.get("/")
    def clip_page(run: RunName = None) -> HTMLResponse:
        return pages.clip(None, run, None)

    @router.get("/clip")
    def known_clip(id: str, run: RunName = None, beside: str | None = None) -> HTMLResponse:
        library()
        return pages.clip(id, run, beside)

    @router.get("/clips")
    def clips_page(request: Request, run: RunName = None) -> HTMLResponse:
        if site.library is None:
            told = "No data set is served beside the runs."
            return pages.page(
                "none", "/clips", title="Data set", told=told, remedy="Start with: mimetic serve RUN --data DATA"
            )
        known = {name: value for name, value in request.query_params.items() if name in Query.model_fields}
        try:
            return pages.clips(site.library, Query.model_validate(known), "", run)
        except ValidationError as error:
            faults = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
            return pages.clips(site.library, Query.model_validate({}), faults, run)

    @router.get("/scatter")
    def scatter_page(part: str = "valid", run: RunName = None) -> HTMLResponse:
        return pages.scatter(library(), part, run)

    @router.get("/audit")
    def audit_page(run: RunName = None) -> HTMLResponse:
        return pages.audit(library(), run)

    @router.get("/runs")
    def runs_page() -> HTMLResponse:
        return pages.runs()

    @router.get("/compare", responses=declared(404))
    def compare_page(first: str, second: str) -> HTMLResponse:
        return pages.compare(first, second)

    @router.get("/report")
    def report_page(run: str) -> HTMLResponse:
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return HTMLResponse(report_of(site.shelf, run, site.receiver.folder), headers=headers)

    @router.get("/docs")
    def docs_page(request: Request) -> HTMLResponse:
        return pages.page("docs", "/docs", spec=app.openapi(), base=str(request.base_url).rstrip("/"))

    return router
