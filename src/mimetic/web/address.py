"""Where the page is served: a host and a port in, a socket and the address to open out."""

from __future__ import annotations

import secrets
import socket

from mimetic.records import UsageError
from mimetic.web.guard import LOOPBACK

SHORTEST_TOKEN = 16
"""Characters: what is shorter can be guessed."""


def token_for(host: str, told: str | None) -> str | None:
    """Give the token that visitors have to show: the one that was told, or one made up where others can reach us.

    Raises
    ------
    UsageError
        if the one that was told is too short, or cannot stand in an address.
    """
    if told is not None and (len(told) < SHORTEST_TOKEN or not (told.isascii() and told.isalnum())):
        remedy = f"Take at least {SHORTEST_TOKEN} letters and digits, or none: one is made up."
        raise UsageError("the token is too easy to guess, or cannot stand in an address", remedy=remedy)
    return secrets.token_hex(16) if told is None and host not in LOOPBACK else told


def bind(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Raises
    ------
    UsageError
        if the address is not this machine's, or somebody listens there already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # whoever comes before the server is up waits
    except OSError as error:
        listening.close()
        told = f"{host}:{port} cannot be listened at: {(error.strerror or str(error)).lower()}"
        raise UsageError(told, remedy="Choose another with --port; 0 takes one that is free.") from None
    return listening


def address_of(host: str, listening: socket.socket, token: str | None) -> str:
    """Write the address to open in a browser."""
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listening.getsockname()[1]}/"
    return address if token is None else f"{address}?token={token}"
