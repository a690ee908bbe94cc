"""What routes ask for by type: the site that they serve, its data set, its pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from mimetic.web.library import Library
from mimetic.web.problems import Refusal
from mimetic.web.site import Site
from mimetic.web.templating import Pages


def site_of(request: Request) -> Site:
    """Give the site of the application that was asked."""
    site: Site = request.app.state.site
    return site


def pages_of(request: Request) -> Pages:
    """Give the pages of the application that was asked."""
    pages: Pages = request.app.state.pages
    return pages


TheSite = Annotated[Site, Depends(site_of)]
ThePages = Annotated[Pages, Depends(pages_of)]


def library_of(site: TheSite) -> Library:
    """Give the data set.

    Raises
    ------
    Refusal
        404 if none is served.
    """
    if site.library is None:
        raise Refusal(404, "no data set is served", remedy="Start with: mimetic serve RUN --data DATA.")
    return site.library


TheLibrary = Annotated[Library, Depends(library_of)]
