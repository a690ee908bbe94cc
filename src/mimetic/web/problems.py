"""What went wrong, as RFC 9457 problems: ``application/problem+json`` with type, title, status and detail.

In go exceptions, ours and the framework's; out come answers that say the thing and the remedy, and never a path or a
trace of this machine.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from mimetic.records import BadRun, ClipError, MimeticError, UnknownName

MEDIA_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """A problem as RFC 9457 writes it."""

    type: str = Field(description="What kind of problem it is: about:blank where the status says it all.")
    title: str
    status: int
    detail: str = ""
    remedy: str = Field(default="", description="What to do about it.")


class Refusal(Exception):
    """A request that is turned down; ``wait`` says after how many seconds to try again."""

    def __init__(self, status: int, detail: str, *, remedy: str = "", wait: int | None = None) -> None:
        super().__init__(detail)
        self.problem = problem_of(status, detail, remedy=remedy)
        self.wait = wait


def problem_of(status: int, detail: str, *, remedy: str = "") -> Problem:
    """Make the problem of a status."""
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail, remedy=remedy)


def answer(problem: Problem, *, wait: int | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    """Give the answer that carries a problem."""
    headers = dict(headers or {}) | ({} if wait is None else {"Retry-After": str(wait)})
    return JSONResponse(problem.model_dump(), problem.status, headers=headers, media_type=MEDIA_TYPE)


def told_in(error: MimeticError) -> Problem:
    """Make the problem of one of our errors: 404 for an unknown name, 422 for a clip, 409 for a run or a store."""
    kinds: list[tuple[type[MimeticError], int]] = [(UnknownName, 404), (ClipError, 422), (BadRun, 409)]
    status = next((status for kind, status in kinds if isinstance(error, kind)), 409)
    return problem_of(status, without_folders(error.message), remedy=without_folders(error.remedy))


def without_folders(text: str) -> str:
    """Leave of every path its last part: where things lie on this machine is nobody's business.

    >>> without_folders("/home/my name/runs/light-0b42/seed-0 and /x/seed-1 have no scores")
    'seed-0 and seed-1 have no scores'
    """
    return FOLDERS.sub("", text)


FOLDERS = re.compile(r"""(?<![\w.])(?:[A-Za-z]:)?[/\\](?:(?:(?!\sand\s)[^/\\\n:;,'"()])+[/\\])+""")
"""The folders of a path that begins at a root; spaces are parts of names, the word that joins two paths is none."""

Show = Callable[[Problem], Response]
"""Gives the page that tells people of a problem."""


def install(app: FastAPI, show: Show) -> None:
    """Let every error of the application end as a problem; ``show`` gives the page where one was asked for."""

    def respond(request: Request, error: Exception) -> Response:
        problem = problem_in(error)
        if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/"):
            return show(problem)
        wait = error.wait if isinstance(error, Refusal) else None
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        return answer(problem, wait=wait, headers=headers)

    for kind in (Refusal, MimeticError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, respond)


def problem_in(error: Exception) -> Problem:
    """Make the problem of an error; of one that was not foreseen, only the log is told more."""
    if isinstance(error, Refusal):
        return error.problem
    if isinstance(error, MimeticError):
        return told_in(error)
    if isinstance(error, RequestValidationError):
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return problem_of(422, "; ".join(faults))
    if isinstance(error, HTTPException):
        return problem_of(error.status_code, str(error.detail))
    _log.error("unforeseen", exc_info=error)
    return problem_of(500, "something went wrong that should not have; the terminal says more")


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say in the OpenAPI description which problems an operation may answer with."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
