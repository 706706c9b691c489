"""The form as an ASGI application: GET never writes, since mail scanners open every link; a POST records, once.

    GET  /s/TOKEN?nps=9&lang=ar   the form, 9 preselected        POST /s/TOKEN   the answer
    GET  /thanks                  the page after an answer was stored

No cookies, no scripts, no external resources; neither addresses nor tokens are logged.
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
from retention_kit.survey.store import Invitation, Store, hash_token, is_token
from retention_kit.survey.words import choose_language

BODY = 32 * 2**10  # bytes: 2,000 characters of any script, each encoded like %E2%82%AC, and the rest
POSTS, FAILURES = 20, 300  # a minute, by token and by client
_READ_LIMIT = 2**20  # bytes read of a larger body, so that its sender can read the response
_SECONDS = 15  # for a body to arrive
_LOG = logging.getLogger(__name__)  # errors, without addresses and tokens
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
    """A request that is answered with a page of `pages` and a status."""

    def __init__(self, status: int, page: str):
        super().__init__(page)
        self.status, self.page = status, page


def make_app(store: Store, company: str = "", public_url: str = "", root_path: str = "") -> ASGIApp:
    """The application for a store; `public_url` is its public address, `root_path` the path prefix left by a proxy."""
    form = _Form(store, company, public_url)
    routes = [
        Route("/s/{token}", form.get, methods=["GET"]),
        Route("/s/{token}", form.post, methods=["POST"]),
        Route("/thanks", form.thanks, methods=["GET"]),
    ]
    handlers: Mapping[Any, Any] = {HTTPException: _not_found, Exception: _failure}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return _WithHeaders(app, root_path)


class _WithHeaders:
    """Middleware that adds the headers above to every response and removes a proxy's prefix from paths."""

    def __init__(self, app: ASGIApp, root_path: str):
        self._app, self._root = app, root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fixed = {**HEADERS, "Content-Security-Policy": policy()}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                more = [(name.lower().encode(), value.encode()) for name, value in fixed.items()]
                message["headers"] = [*message["headers"], *(header for header in more if header[0] not in present)]
            await send(message)

        await self._app({**scope, "root_path": self._root}, receive, send_guarded)


class _Form:
    def __init__(self, store: Store, company: str, public_url: str):
        self._store, self._company = store, company
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(public_url)).lower() if public_url else ""
        self._posts, self._failures = Limit(POSTS), Limit(FAILURES)

    async def get(self, request: Request) -> Response:
        return await self._respond(request, self._get)

    async def post(self, request: Request) -> Response:
        return await self._respond(request, self._post)

    async def thanks(self, request: Request) -> Response:
        return _page("thanks", request)

    async def _respond(self, request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
        """Respond to a request; failing ones are limited per client and minute."""
        try:
            return await work(request)
        except _Refused as refused:
            page, status = refused.page, refused.status
        except ClientDisconnect:
            return Response(status_code=400)
        except ReportError as error:
            _LOG.error("%s", error)
            return _page("unavailable", request, 503)
        client = request.client.host if request.client else ""
        # A second answer is no attack, and its token has a limit of its own.
        if status == 429 or (status != 409 and not self._failures.allows(client)):
            return _page("too_many", request, 429, {"Retry-After": str(WINDOW)})
        return _page(page, request, status)

    async def _get(self, request: Request) -> Response:
        invitation = await self._invitation(request)
        if invitation.is_answered:
            return _page("answered", request)
        answers = Answers(preselected(request.query_params.multi_items(), invitation.surveys))
        return self._form(request, invitation, answers)

    async def _post(self, request: Request) -> Response:
        if not self._is_own(request):
            raise _Refused(403, "cross_site")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await _body(request)
        invitation, token = await self._invitation(request), request.path_params["token"]
        if not self._posts.allows(hash_token(token)):
            raise _Refused(429, "too_many")
        if kind != "application/x-www-form-urlencoded":
            raise _Refused(415, "unreadable")
        answers = parse_body(body, invitation.surveys)
        if answers.errors and not invitation.is_answered:
            return self._form(request, invitation, answers, 422)
        state = "answered"
        if not answers.errors:
            state = await run_in_threadpool(self._store.answer, token, answers.scores, answers.comment)
        if state not in ("stored", "same"):
            raise _Refused(409, "answered")
        # Relative, so that it works behind any prefix; reloading the page then does not send the answer again.
        return RedirectResponse(f"../thanks?{urlencode({'lang': _language(request)})}", 303)

    async def _invitation(self, request: Request) -> Invitation:
        token = request.path_params["token"]
        invitation = await run_in_threadpool(self._store.invitation, token) if is_token(token) else None
        if invitation is None:
            raise _Refused(404, "unknown")
        return invitation

    def _form(self, request: Request, invitation: Invitation, answers: Answers, status: int = 200) -> Response:
        query = request.query_params.multi_items()
        page = form_page(invitation.surveys, _language(request), self._company, answers, query)
        # With `no-referrer` the form would send no Origin, which distinguishes cross-site POSTs. This policy does not
        # inform other sites either.
        return HTMLResponse(page, status, {"Referrer-Policy": "same-origin"})

    def _is_own(self, request: Request) -> bool:
        """Whether a POST comes from our own page. Non-browsers send neither header but know the token."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site and site not in ("same-origin", "none"):
            return False
        if origin is None or site == "same-origin":
            return True
        origin = origin.lower()
        return origin == self._origin or origin.partition("://")[2] == request.headers.get("host", "").lower() != ""


async def _body(request: Request) -> bytes:
    """The body of a request; refused if it is too large or does not arrive in time."""
    body, size = b"", 0
    try:
        if int(request.headers.get("content-length", 0)) > _READ_LIMIT:
            raise _Refused(413, "too_large")
    except ValueError:
        raise _Refused(400, "unreadable") from None
    try:
        async with asyncio.timeout(_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= BODY:
                    body += part
                elif size > _READ_LIMIT:
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


async def _not_found(request: Request, error: HTTPException) -> Response:
    """An unknown path or method."""
    return _page("unknown", request, error.status_code, error.headers)


async def _failure(request: Request, _: Exception) -> Response:
    return _page("unavailable", request, 500)
