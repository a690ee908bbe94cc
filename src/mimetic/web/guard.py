"""Who may ask: a wall around the application that every request passes.

In goes each request, on it goes to the application or back as a problem. Refused are: a host name that is not ours
(a page elsewhere that has had its own name point here), a request that another site's page has caused, and, where a
token is set, whoever does not have it. Every answer carries headers that keep browsers to what the pages need.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mimetic.web.problems import answer, problem_of

COOKIE = "mimetic"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
ANYWHERE = frozenset({"0.0.0.0", "::"})
"""Addresses that stand for all of a machine's: by which name it is asked for is then not known."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
"""What a page may load: from here, and the clip that its user has just chosen."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), usb=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
"""Set on every answer that does not set its own."""


class Guard:
    """The wall.

    Parameters
    ----------
    hosts
        names that requests may be addressed to, beside this machine's own; one of ``ANYWHERE`` lets any pass.
    token
        what a request has to show, as ``Authorization: Bearer`` or as the cookie that ``/?token=`` sets.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] = (), token: str | None = None) -> None:
        if ANYWHERE & set(hosts) and token is None:
            raise ValueError("an address of all the machine's needs a token")
        self._app, self._token = app, token
        self._hosts = None if ANYWHERE & set(hosts) else LOOPBACK | set(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope, Headers(scope=scope))
        await (refusal or self._app)(scope, receive, _with_headers(send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._is_ours(headers):
            return answer(problem_of(421, "this server does not answer to that name"))
        if _is_foreign(scope, headers):
            return answer(problem_of(403, "a request from another site"))
        return self._admission(scope, headers)

    def _is_ours(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        return len(hosts) == 1 and (self._hosts is None or _name(hosts[0]) in self._hosts)

    def _admission(self, scope: Scope, headers: Headers) -> Response | None:
        """Ask for the token; one in the address of a page is put into a cookie, and taken out of the address."""
        if self._token is None:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = dict(query).get("token")
        if shown is not None and scope["method"] == "GET" and self._matches(shown):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            place = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
            redirect = RedirectResponse(place, 303)
            redirect.set_cookie(COOKIE, self._token, httponly=True, samesite="strict")
            return redirect
        if self._matches(_bearer(headers)) or self._matches(_cookie(headers)):
            return None
        told = problem_of(401, "a token is needed", remedy="Open the address that `mimetic serve` printed.")
        return answer(told, headers={"WWW-Authenticate": "Bearer"})

    def _matches(self, shown: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(shown.encode(), self._token.encode())


def _name(host: str) -> str | None:
    """Take the port off ``name:port``; ``None`` for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Tell whether another site's page is behind a request: by what the browser says of it, which pages cannot forge.

    A link from elsewhere to one of our pages is no danger, and passes.
    """
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode")
    if site not in ("same-origin", "none"):
        return not (scope["method"] in SAFE and mode == "navigate")
    origin = headers.get("origin")
    return origin is not None and origin != f"{scope['scheme']}://{headers['host']}"


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
