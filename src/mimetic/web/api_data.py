"""Routes about the data set and the runs: what is there, and how good it is."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse

from mimetic.web import schemas
from mimetic.web.api import JPEG, RunName, state_of
from mimetic.web.library import Library
from mimetic.web.limits import PAGE
from mimetic.web.problems import Refusal, declared
from mimetic.web.query import Query as ClipQuery
from mimetic.web.shelf import run_as_json
from mimetic.web.site import Site

ClipName = Annotated[str, Query(alias="id", max_length=500, description="A clip's id.")]
Part = Literal["train", "valid", "test"]


def library_of(site: Site) -> Library:
    """Give the data set.

    Raises
    ------
    Refusal
        404 if none is served.
    """
    if site.library is None:
        raise Refusal(404, "no data set is served", remedy="Start with: mimetic serve RUN --data DATA.")
    return site.library


def data_routes(site: Site) -> APIRouter:
    """Give the routes under ``/api`` about the data set."""
    router = APIRouter(prefix="/api", tags=["data"])

    @router.get("/clips", responses=declared(404, 409, 422))
    def get_clips(query: Annotated[ClipQuery, Query()], run: RunName = None) -> schemas.Clips:
        """List the clips that fit, a page of them."""
        rows = library_of(site).rows(site.shelf.get(run))
        chosen = query.choose(rows)
        shown = [schemas.ClipRow(**row.as_json()) for row in query.page_of(chosen)]
        pages = -(-len(chosen) // PAGE)
        return schemas.Clips(found=len(chosen), of=len(rows), page=query.page, pages=pages, clips=shown)

    @router.get("/clip", responses=declared(404, 409, 422))
    def get_clip(clip: ClipName, run: RunName = None) -> schemas.ClipRow:
        """Tell what is known of a clip."""
        return schemas.ClipRow(**library_of(site).row(clip, site.shelf.get(run)).as_json())

    @router.post("/clip/jobs", status_code=202, responses=declared(404, 422, 429))
    def post_job(response: Response, clip: ClipName, run: RunName = None) -> schemas.JobState:
        """Score a clip of the data set, with its timeline."""
        library_of(site)
        job = site.submit_clip(clip, run)
        response.headers["Location"] = f"/api/jobs/{job.id}"
        return state_of(site, job)

    @router.get("/clip/thumbnail", responses=declared(404, 422) | JPEG, response_class=Response)
    def get_thumbnail(clip: ClipName) -> Response:
        """Give a small picture of a clip."""
        jpeg = library_of(site).thumbnail(clip)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @router.get("/clip/media", responses=declared(404, 416, 422), response_class=FileResponse, include_in_schema=False)
    def get_media(clip: ClipName) -> FileResponse:
        """Give a clip's file, or the part of it that a player asks for."""
        path = library_of(site).clip(clip).path
        if path is None or not path.is_file():
            raise Refusal(404, "the clip has no media file")
        return FileResponse(path, content_disposition_type="inline")

    @router.get("/audit", responses=declared(404, 422))
    def get_audit() -> schemas.AuditState:
        """Tell what is wrong with the data set, as a quick audit finds it."""
        library = library_of(site)
        found = library.findings()
        if found is None:
            return schemas.AuditState(clips=len(library.dataset.clips), findings=None)
        return schemas.AuditState.model_validate(found.as_json())

    return router


def run_routes(site: Site) -> APIRouter:
    """Give the routes under ``/api`` about runs."""
    router = APIRouter(prefix="/api", tags=["runs"])

    @router.get("/runs")
    def get_runs() -> list[schemas.RunFacts]:
        """List the finished runs."""
        return [schemas.RunFacts(**run_as_json(run)) for run in site.shelf.runs().values()]

    @router.get("/runs/{run}/history", responses=declared(404, 422))
    def get_history(run: str) -> list[schemas.Epoch]:
        """Give every epoch of a run."""
        return [schemas.Epoch(**line) for line in site.shelf.get(run).history]

    @router.get("/runs/{run}/evaluation", responses=declared(404, 409, 422))
    def get_evaluation(run: str, part: Part = "valid") -> schemas.Evaluation:
        """Score the run and those that differ from it by seed alone, with intervals: as `mimetic evaluate` does."""
        return schemas.Evaluation.model_validate(site.shelf.evaluation(run, part).as_json())

    @router.get("/comparison", responses=declared(404, 409, 422))
    def get_comparison(first: str, second: str, part: Part = "valid") -> schemas.Comparison:
        """Compare two runs' systems on the same clips: as `mimetic compare` does."""
        return schemas.Comparison.model_validate(site.shelf.comparison(first, second, part).as_json())

    @router.get("/training")
    def get_training() -> list[schemas.Training]:
        """Tell which trainings are going on, epoch by epoch."""
        return [schemas.Training.model_validate(t, from_attributes=True) for t in site.shelf.training()]

    return router
