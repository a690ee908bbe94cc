"""Routes that score: clips go in, jobs come out, and what is known of a job.

The body of a request is the clip itself, so that nothing has to be unpacked, and another site's form cannot send one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from mimetic.records import Json
from mimetic.web import schemas
from mimetic.web.here import TheSite
from mimetic.web.jobs import STAGES, Job
from mimetic.web.limits import LIVE_BYTES, UPLOAD_BYTES, WORDS
from mimetic.web.problems import Refusal, declared
from mimetic.web.scoring import told
from mimetic.web.site import Scored, Site

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The clip, as it is: any file that FFmpeg reads.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"description": "A picture", "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}
}

Name = Annotated[str, Query(max_length=255, description="What the file is called.")]
RunName = Annotated[str | None, Query(max_length=64, description="A run of /api/runs; the first if not told.")]
Said = Annotated[str | None, Query(max_length=WORDS, description="What is said: text, or subtitles.")]
Without = Annotated[list[str], Query(max_length=8, description="Modalities to leave out.")]


router = APIRouter(prefix="/api", tags=["clips"])
"""The table of routes that score."""


@router.post("/jobs", status_code=202, openapi_extra=BODY, responses=declared(400, 404, 408, 413, 422, 429))
async def post_clip(
    site: TheSite,
    request: Request,
    response: Response,
    name: Name = "clip",
    run: RunName = None,
    words: Said = None,
) -> schemas.JobState:
    """Send a clip to be scored. It waits its turn; ask for the job to see how far it is."""
    await run_in_threadpool(site.shelf.get, run)
    upload = await site.receiver.take(request, name=name, words=words, most=UPLOAD_BYTES)
    job = await run_in_threadpool(site.submit, upload, run)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return state_of(site, job)


@router.get("/jobs/{job}", responses=declared(404, 422))
def get_job(site: TheSite, job: str) -> schemas.JobState:
    """Tell how far a job is, its place in the queue, and what came of it."""
    return state_of(site, site.jobs.get(job))


@router.delete("/jobs/{job}", status_code=204, responses=declared(404, 422))
def delete_job(site: TheSite, job: str) -> None:
    """Forget a job and everything that is known of its clip."""
    site.jobs.drop(job)


@router.get("/jobs/{job}/scores", responses=declared(404, 409, 422))
def get_scores(site: TheSite, job: str, without: Without = []) -> schemas.Prediction:  # noqa: B006 - FastAPI reads it
    """Score a clip once more from what was read of it, without some of its modalities."""
    scored = _result(site.jobs.get(job))
    _check(without, scored.desk.run.recipe.modalities)
    scores = scored.desk.score(scored.reading, without=without)
    return schemas.Prediction(**told(scored.reading, scores))


@router.get("/jobs/{job}/timeline", responses=declared(404, 409, 422))
def get_timeline(site: TheSite, job: str) -> schemas.Timeline:
    """Give what a clip's scores rest on over time."""
    return schemas.Timeline(**_result(site.jobs.get(job)).timeline)


@router.get("/jobs/{job}/faces", responses=declared(404, 409, 422) | JPEG, response_class=Response)
def get_faces(site: TheSite, job: str) -> Response:
    """Give the face crops that the model looked at, side by side."""
    faces = _result(site.jobs.get(job)).faces
    if faces is None:
        raise Refusal(404, "no face was found in it")
    return Response(faces, media_type="image/jpeg")


@router.post("/live", openapi_extra=BODY, responses=declared(400, 404, 408, 413, 422, 429))
async def post_live(
    site: TheSite, request: Request, name: Name = "live.webm", run: RunName = None
) -> schemas.Prediction:
    """Score a live window at once, or be told that something else is in hand: then leave it out."""
    await run_in_threadpool(site.shelf.get, run)
    upload = await site.receiver.take(request, name=name, words=None, most=LIVE_BYTES)
    try:
        found = await run_in_threadpool(site.score_live, upload.clip, run)
    finally:
        await run_in_threadpool(upload.delete)
    if found is None:
        raise Refusal(429, "another clip is in hand", remedy="Leave this window out.", wait=1)
    return schemas.Prediction(**found)


def state_of(site: Site, job: Job[Scored]) -> schemas.JobState:
    """Tell how far a job is."""
    facts: Json = {"id": job.id, "clip": job.clip.id, "run": job.run, "state": job.state, "stage": job.stage}
    return schemas.JobState(
        **facts,
        stages=list(STAGES),
        place=site.jobs.place(job),
        result=None if job.result is None else schemas.Prediction(**job.result.prediction),
        problem=job.problem,
    )


def _result(job: Job[Scored]) -> Scored:
    if job.result is None:
        raise Refusal(409, f"the job is {job.state}", remedy="Ask again once it is done.")
    return job.result


def _check(without: Sequence[str], modalities: Sequence[str]) -> None:
    for name in without:
        if name not in modalities:
            raise Refusal(422, f"the run has no modality {name!r}", remedy=f"There are: {', '.join(modalities)}.")
