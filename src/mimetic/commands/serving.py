"""The command that serves the page."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from mimetic.commands.arguments import Accept, Device, RunFolders
from mimetic.records import MissingExtra


def serve(
    runs: RunFolders,
    data: Annotated[Path | None, typer.Option(help="A data set to look at beside them.")] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen at; another than this machine's own asks for a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 8000,
    token: Annotated[str | None, typer.Option(help="What visitors have to show; made up where one is needed.")] = None,
    device: Device = "auto",
    accept: Accept = "",
) -> None:
    """Open the page: clips scored and explained, the data set, the runs; and HTTP for programs.

    Only this machine can reach it, unless --host says otherwise.
    """
    try:
        from mimetic.web.server import server_of
    except ImportError:
        raise MissingExtra("the page", "web") from None
    from mimetic import calls, console
    from mimetic.datasets import open_dataset
    from mimetic.web.address import address_of, bind, token_for
    from mimetic.web.app import create_app
    from mimetic.web.site import Site

    shown = token_for(host, token)
    dataset = None if data is None else open_dataset(data)
    with bind(host, port) as socket, Site(runs, dataset, device=device, accepted=calls.names_in(accept)) as site:
        console.print_lines(f"open {address_of(host, socket, shown)}", "stop with Ctrl-C")
        site.warm()
        app = create_app(site, hosts=[host], token=shown)
        with suppress(KeyboardInterrupt):  # that is how one stops it
            server_of(app).run(sockets=[socket])
