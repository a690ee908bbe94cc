"""How the application is served: bounds on connections and headers, and no word about ourselves to the outside."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

from mimetic.web.limits import CONNECTIONS, HEAD_BYTES


def server_of(app: ASGIApp) -> uvicorn.Server:
    """Give the server of an application; ``run(sockets=[...])`` serves until it is stopped."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_graceful_shutdown=2,
        )
    )
