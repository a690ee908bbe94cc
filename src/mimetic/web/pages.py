"""Routes that give pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi import Query as QueryParameter
from fastapi.responses import HTMLResponse
from pydantic import ValidationError

from mimetic.web.here import TheLibrary, ThePages, TheSite, library_of
from mimetic.web.query import Query
from mimetic.web.reports import report_of

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""A report carries its style inside, and no script: it may have the one, and not the other."""

RunName = Annotated[str | None, QueryParameter(max_length=64)]

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
"""The table of pages."""


@router.get("/")
def clip_page(pages: ThePages, run: RunName = None) -> HTMLResponse:
    """Give the page on which a clip is dropped."""
    return pages.clip(None, run, None)


@router.get("/clip", dependencies=[Depends(library_of)])
def known_clip(pages: ThePages, id: str, run: RunName = None, beside: str | None = None) -> HTMLResponse:
    """Give the page of a clip of the data set; ``beside`` is another one, to be set beside it."""
    return pages.clip(id, run, beside)


@router.get("/clips")
def clips_page(site: TheSite, pages: ThePages, request: Request, run: RunName = None) -> HTMLResponse:
    """Give the table of the data set; a filter that means nothing is told, and not applied."""
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
def scatter_page(library: TheLibrary, pages: ThePages, part: str = "valid", run: RunName = None) -> HTMLResponse:
    """Give true beside predicted."""
    return pages.scatter(library, part, run)


@router.get("/audit")
def audit_page(library: TheLibrary, pages: ThePages, run: RunName = None) -> HTMLResponse:
    """Give what is wrong with the data set."""
    return pages.audit(library, run)


@router.get("/runs")
def runs_page(pages: ThePages) -> HTMLResponse:
    """Give the runs."""
    return pages.runs()


@router.get("/compare")
def compare_page(pages: ThePages, first: str, second: str) -> HTMLResponse:
    """Give two systems, compared."""
    return pages.compare(first, second)


@router.get("/report")
def report_page(site: TheSite, run: str) -> HTMLResponse:
    """Give the report of a run's system."""
    headers = {"Content-Security-Policy": REPORT_POLICY}
    return HTMLResponse(report_of(site.shelf, run, site.receiver.folder), headers=headers)


@router.get("/docs")
def docs_page(pages: ThePages, request: Request) -> HTMLResponse:
    """Give the description of the HTTP interface, for people."""
    return pages.page("docs", "/docs", spec=request.app.openapi(), base=str(request.base_url).rstrip("/"))
