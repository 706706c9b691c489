"""The form as an ASGI application: GET shows and never writes, since programs that check mail open every link; a POST
records, once.

    GET  /s/TOKEN?nps=9&lang=ar   the form, 9 chosen beforehand        POST /s/TOKEN   the answer
    GET  /thanks                  where an answer that is kept leads

No cookie, no script, nothing from elsewhere; neither addresses nor tokens are written down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from retention_kit.errors import ReportError
from retention_kit.survey.limits import WINDOW, Limit
from retention_kit.survey.page import form_page, policy, text_page
from retention_kit.survey.questions import Answers, parse_body, preselected
from retention_kit.survey.store import Asked, Store, hash_token, is_token
from retention_kit.survey.words import choose_language

BODY = 32 * 2**10  # bytes of an answer: 2,000 characters of any script, each written as %E2%82%AC, and the rest
POSTS, FAILURES = 20, 300  # a minute, by token and by who asks
_DRAINED = 2**20  # what is read of a larger body, so that its sender gets to read why it is refused
_SECONDS = 15  # for a body to arrive
_LOG = logging.getLogger(__name__)  # faults, in which neither addresses nor tokens stand
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class _Refused(Exception):
    """What a page of `pages` answers, with a status."""

    def __init__(self, status: int, page: str):
        super().__init__(page)
        self.status, self.page = status, page


def make_app(store: Store, company: str = "", public_url: str = "", root_path: str = "") -> ASGIApp:
    """The application on a store; `public_url` is where customers see it, `root_path` what a proxy leaves before its
    paths.
    """
    form = _Form(store, company, public_url)
    routes = [
        Route("/s/{token}", form.show, methods=["GET"]),
        Route("/s/{token}", form.take, methods=["POST"]),
        Route("/thanks", form.thank, methods=["GET"]),
    ]
    handlers: Mapping[Any, Any] = {HTTPException: _not_here, Exception: _broken}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return _Guarded(app, root_path)


class _Guarded:
    """Gives every answer, those of errors too, the headers above, and takes the prefix of a proxy off its paths."""

    def __init__(self, app: ASGIApp, root_path: str):
        self._app, self._root = app, root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fixed = {**HEADERS, "Content-Security-Policy": policy()}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name.lower().encode(), value.encode()) for name, value in fixed.items()]
                message["headers"] = [*message["headers"], *(one for one in more if one[0] not in given)]
            await send(message)

        await self._app({**scope, "root_path": self._root}, receive, send_guarded)


class _Form:
    def __init__(self, store: Store, company: str, public_url: str):
        self._store, self._company = store, company
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(public_url)).lower() if public_url else ""
        self._posts, self._failures = Limit(POSTS), Limit(FAILURES)

    async def show(self, request: Request) -> Response:
        return await self._guard(request, self._show)

    async def take(self, request: Request) -> Response:
        return await self._guard(request, self._take)

    async def thank(self, request: Request) -> Response:
        return _page("thanks", request)

    async def _guard(self, request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
        """Answer a request; of those that fail only so many a minute are looked at for whoever sends them."""
        try:
            return await work(request)
        except _Refused as refused:
            page, status = refused.page, refused.status
        except ClientDisconnect:
            return Response(status_code=400)
        except ReportError as error:
            _LOG.error("%s", error)
            return _page("unavailable", request, 503)
        who = request.client.host if request.client else ""
        # To answer twice is no attack, and its token has a limit of its own.
        if status == 429 or (status != 409 and not self._failures.allows(who)):
            return _page("too_many", request, 429, {"Retry-After": str(WINDOW)})
        return _page(page, request, status)

    async def _show(self, request: Request) -> Response:
        asked = await self._asked(request)
        if asked.is_answered:
            return _page("answered", request)
        given = Answers(preselected(request.query_params.multi_items(), asked.surveys))
        return self._form(request, asked, given)

    async def _take(self, request: Request) -> Response:
        if not self._is_own(request):
            raise _Refused(403, "cross_site")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await _body(request)
        asked, token = await self._asked(request), request.path_params["token"]
        if not self._posts.allows(hash_token(token)):
            raise _Refused(429, "too_many")
        if kind != "application/x-www-form-urlencoded":
            raise _Refused(415, "unreadable")
        given = parse_body(body, asked.surveys)
        if given.errors and not asked.is_answered:
            return self._form(request, asked, given, 422)
        state = "answered"
        if not given.errors:
            state = await run_in_threadpool(self._store.answer, token, given.scores, given.comment)
        if state not in ("stored", "same"):
            raise _Refused(409, "answered")
        # Relative, so that it holds whatever a proxy puts before it; a page that is reloaded sends nothing again.
        return RedirectResponse(f"../thanks?{urlencode({'lang': _language(request)})}", 303)

    async def _asked(self, request: Request) -> Asked:
        token = request.path_params["token"]
        asked = await run_in_threadpool(self._store.asked, token) if is_token(token) else None
        if asked is None:
            raise _Refused(404, "unknown")
        return asked

    def _form(self, request: Request, asked: Asked, given: Answers, status: int = 200) -> Response:
        page = form_page(asked.surveys, _language(request), self._company, given, request.query_params.multi_items())
        # Where a page sends no referrer at all, its form names no origin either, by which a POST from elsewhere is told
        # apart. Under this policy no other site is told anything either.
        return HTMLResponse(page, status, {"Referrer-Policy": "same-origin"})

    def _is_own(self, request: Request) -> bool:
        """Whether a POST comes from our own page. What is no browser tells neither, and knows the token."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site and site not in ("same-origin", "none"):
            return False
        if origin is None or site == "same-origin":
            return True
        origin = origin.lower()
        return origin == self._origin or origin.partition("://")[2] == request.headers.get("host", "").lower() != ""


async def _body(request: Request) -> bytes:
    """The body of a request; refused where it is too large, or does not arrive."""
    body, size = b"", 0
    try:
        if int(request.headers.get("content-length", 0)) > _DRAINED:
            raise _Refused(413, "too_large")
    except ValueError:
        raise _Refused(400, "unreadable") from None
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= BODY:
                    body += part
                elif size > _DRAINED:
                    break
    except TimeoutError:
        raise _Refused(408, "unreadable") from None
    if size > BODY:
        raise _Refused(413, "too_large")
    return body


def _language(request: Request) -> str:
    return choose_language(request.query_params.get("lang"), request.headers.get("accept-language"))


def _page(name: str, request: Request, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return HTMLResponse(text_page(name, _language(request)), status, headers)


async def _not_here(request: Request, error: HTTPException) -> Response:
    """A path or a method that there is not."""
    return _page("unknown", request, error.status_code, error.headers)


async def _broken(request: Request, _: Exception) -> Response:
    return _page("unavailable", request, 500)
