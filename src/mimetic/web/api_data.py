"""Routes about the data set and the runs: what is there, and how good it is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import FileResponse

from mimetic.console import finite
from mimetic.web import schemas
from mimetic.web.api import JPEG, RunName, state_of
from mimetic.web.here import TheLibrary, TheSite, library_of
from mimetic.web.limits import PAGE
from mimetic.web.problems import Refusal, declared
from mimetic.web.query import Query as ClipQuery
from mimetic.web.shelf import run_as_json

ClipName = Annotated[str, Query(alias="id", max_length=500, description="A clip's id.")]
Part = Literal["train", "valid", "test"]


data = APIRouter(prefix="/api", tags=["data"])
"""The table of routes about the data set."""

runs = APIRouter(prefix="/api", tags=["runs"])
"""The table of routes about runs."""


@data.get("/clips", responses=declared(404, 409, 422))
def get_clips(
    site: TheSite, library: TheLibrary, query: Annotated[ClipQuery, Query()], run: RunName = None
) -> schemas.Clips:
    """List the clips that fit, a page of them."""
    rows = library.rows(site.shelf.get(run))
    chosen = query.choose(rows)
    shown = [schemas.ClipRow(**row.as_json()) for row in query.page_of(chosen)]
    pages = -(-len(chosen) // PAGE)
    return schemas.Clips(found=len(chosen), of=len(rows), page=query.page, pages=pages, clips=shown)


@data.get("/clip", responses=declared(404, 409, 422))
def get_clip(site: TheSite, library: TheLibrary, clip: ClipName, run: RunName = None) -> schemas.ClipRow:
    """Tell what is known of a clip."""
    return schemas.ClipRow(**library.row(clip, site.shelf.get(run)).as_json())


@data.post("/clip/jobs", status_code=202, dependencies=[Depends(library_of)], responses=declared(404, 422, 429))
def post_job(site: TheSite, response: Response, clip: ClipName, run: RunName = None) -> schemas.JobState:
    """Score a clip of the data set, with its timeline."""
    job = site.submit_clip(clip, run)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return state_of(site, job)


@data.get("/clip/thumbnail", responses=declared(404, 422) | JPEG, response_class=Response)
def get_thumbnail(library: TheLibrary, clip: ClipName) -> Response:
    """Give a small picture of a clip."""
    jpeg = library.thumbnail(clip)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@data.get("/clip/media", responses=declared(404, 416, 422), response_class=FileResponse, include_in_schema=False)
def get_media(library: TheLibrary, clip: ClipName) -> FileResponse:
    """Give a clip's file, or the part of it that a player asks for."""
    path = library.clip(clip).path
    if path is None or not path.is_file():
        raise Refusal(404, "the clip has no media file")
    return FileResponse(path, content_disposition_type="inline")


@data.get("/audit", responses=declared(404, 422))
def get_audit(library: TheLibrary) -> schemas.AuditState:
    """Tell what is wrong with the data set, as a quick audit finds it."""
    found = library.findings()
    if found is None:
        return schemas.AuditState(clips=len(library.dataset.clips), findings=None)
    return schemas.AuditState.model_validate(found.as_json())


@runs.get("/runs")
def get_runs(site: TheSite) -> list[schemas.RunFacts]:
    """List the finished runs."""
    return [schemas.RunFacts(**run_as_json(run)) for run in site.shelf.runs().values()]


@runs.get("/runs/{run}/history", responses=declared(404, 422))
def get_history(site: TheSite, run: str) -> list[schemas.Epoch]:
    """Give every epoch of a run."""
    return [schemas.Epoch(**line) for line in site.shelf.get(run).history]


@runs.get("/runs/{run}/evaluation", responses=declared(404, 409, 422))
def get_evaluation(site: TheSite, run: str, part: Part = "valid") -> schemas.Evaluation:
    """Score the run and those that differ from it by seed alone, with intervals: as `mimetic evaluate` does."""
    return schemas.Evaluation.model_validate(finite(site.shelf.evaluation(run, part).as_json()))


@runs.get("/comparison", responses=declared(404, 409, 422))
def get_comparison(site: TheSite, first: str, second: str, part: Part = "valid") -> schemas.Comparison:
    """Compare two runs' systems on the same clips: as `mimetic compare` does."""
    return schemas.Comparison.model_validate(site.shelf.comparison(first, second, part).as_json())


@runs.get("/training")
def get_training(site: TheSite) -> list[schemas.Training]:
    """Tell which trainings are going on, epoch by epoch."""
    return [schemas.Training.model_validate(t, from_attributes=True) for t in site.shelf.training()]
