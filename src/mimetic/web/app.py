"""The application: a site's routes, its files, and the wall around them."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.telemetry import TelemetryConfig
from starlette.staticfiles import StaticFiles

from mimetic.web import api, api_data, pages, problems
from mimetic.web.guard import Guard
from mimetic.web.site import Site
from mimetic.web.templating import Pages

QUIET = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)
"""The framework can tell a collector what it does, if the environment names one. Here it never does."""

ABOUT = "Scores of emotional mimicry intensity: clips in, intensities out. Bodies are clips as they are."


def create_app(site: Site, *, hosts: Collection[str] = (), token: str | None = None) -> FastAPI:
    """Put the application together.

    Parameters
    ----------
    hosts
        names by which it may be asked for, beside those of this machine to itself.
    token
        what a request has to show; ``None`` asks for nothing.
    """
    app = FastAPI(
        title="mimetic", version=version("mimetic"), description=ABOUT, docs_url=None, redoc_url=None, telemetry=QUIET
    )
    app.state.site, app.state.pages = site, Pages(site)
    problems.install(app, app.state.pages.problem)
    for router in (api.router, api_data.data, api_data.runs, pages.router):
        app.include_router(router)
    _serve_files(app)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_middleware(Guard, hosts=hosts, token=token)
    return app


def _serve_files(app: FastAPI) -> None:
    """Serve what pages are made of; the report's style is the pages', too."""
    style = files("mimetic").joinpath("templates/page.css").read_text("utf-8")

    @app.get("/static/page.css", include_in_schema=False)
    def page_css() -> Response:
        return Response(style, media_type="text/css")

    app.mount("/static", StaticFiles(packages=[("mimetic.web", "static")]))


def _described(app: FastAPI) -> dict[str, Any]:
    """Give the OpenAPI description; the framework's own answer to a wrong call is one of our problems, too."""
    if app.openapi_schema is None:
        spec = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = spec["components"]["schemas"]
        schemas["Problem"] = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = spec
    return app.openapi_schema
