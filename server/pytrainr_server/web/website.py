"""The page's web server: cookies and headers, errors as JSON, files; what it answers is in :mod:`api`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from pytrainr_server.config import Config, ConfigError
from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.security.tls import web_context
from pytrainr_server.shown import one_line
from pytrainr_server.web.api import CALLER, SESSION, Api
from pytrainr_server.web.calls import Caller
from pytrainr_server.web.headers import put_headers
from pytrainr_server.web.sessions import RateLimit, Sessions, check_secret

COOKIE = "pytrainr-session"
MAX_BODY = 2 << 20
SECRET_HEADER = "X-Pytrainr-Secret"
STATIC = Path(__file__).parent / "static"
STATUS = {
    Code.CANCELLED: 409,
    Code.INVALID_ARGUMENT: 400,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 409,
    Code.OUT_OF_RANGE: 400,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger("pytrainr_server.web")


class Website:
    """Serves the page at ``config.web``."""

    def __init__(self, config: Config, api: Api) -> None:
        self._config = config
        self._api = api
        self._sessions = Sessions()
        self._requests = RateLimit(at_once=300, a_second=60)
        self._sign_ins = RateLimit(at_once=10, a_second=0.2)
        self.address = ""

    async def start(self) -> None:
        """Listen. Raises :class:`ConfigError` where that is not possible."""
        # Outermost first: every answer has the headers, errors too.
        application = web.Application(
            middlewares=[self._headers, self._errors, self._checks, self._session], client_max_size=MAX_BODY
        )
        self._api.add_routes(application.router)
        application.router.add_post("/api/sign-in", self._sign_in)
        application.router.add_post("/api/sign-out", self._sign_out)
        application.router.add_get("/", self._index)
        application.router.add_static("/static", str(STATIC))
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=0.5, handle_signals=False, handler_cancellation=True
        )
        await self._runner.setup()
        host, port = self._config.web_address
        context = web_context(self._config)
        try:
            site = web.TCPSite(self._runner, host, port, ssl_context=context)
            await site.start()
        except OSError as error:
            raise ConfigError(f"web: cannot listen on {self._config.web}: {error.strerror}") from error
        bound = self._runner.addresses[0]
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.address = f"{'https' if context else 'http'}://{shown}:{bound[1]}/"
        log.info("the page is at %s", self.address)

    async def stop(self) -> None:
        """Close every connection."""
        await self._runner.cleanup()

    # what every request passes ----------------------------------------------------------------------------------------

    @web.middleware
    async def _headers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:  # a stream has written its own
            put_headers(response, request)
        return response

    @web.middleware
    async def _errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ServiceError as error:
            return _refusal(error)
        except web.HTTPException as error:
            if error.status >= 400:
                return web.json_response({"reason": "HTTP", "message": error.reason}, status=error.status)
            raise

    @web.middleware
    async def _checks(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._check_host(request)
        self._requests.check(request.remote or "")
        return await handler(request)

    def _check_host(self, request: web.Request) -> None:
        """On loopback no token may be needed: another site's name that leads here must not be answered."""
        host = request.url.host or ""
        if self._config.web_loopback and host not in ("localhost", "127.0.0.1", "::1"):
            raise ServiceError(
                Code.PERMISSION_DENIED, "WRONG_HOST", "This page answers to localhost and 127.0.0.1 only."
            )

    @web.middleware
    async def _session(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/api/"):
            return await handler(request)
        session = self._sessions.of(request.cookies.get(COOKIE, ""))
        token = session.token if session else ""
        request[SESSION] = session
        request[CALLER] = _caller(request, token)
        if request.method != "GET" and request.path != "/api/sign-in":
            if session is None:
                raise ServiceError(Code.UNAUTHENTICATED, "UNAUTHENTICATED", "Sign in first.")
            check_secret(session, request.headers.get(SECRET_HEADER, ""))
        return await handler(request)

    # signing in and out -----------------------------------------------------------------------------------------------

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        """Begin a session; with a token, or without where the server needs none."""
        self._sign_ins.check(request.remote or "")
        if not (request.content_type == "application/json" and _same_origin(request)):
            raise ServiceError(Code.PERMISSION_DENIED, "NOT_FROM_THIS_PAGE", "Sign in from this page.")
        token = str((await self._api.body(request)).get("token", "")).strip()
        owner = await self._api.calls.owner(_caller(request, token))
        self._sign_ins.forgive(request.remote or "")  # a classroom behind one address signs in at once
        id, session = self._sessions.begin(token)
        shown = {"owner": owner, "secret": session.secret, "operator": self._api.is_operator(owner)}
        response = web.json_response(shown)
        response.set_cookie(COOKIE, id, httponly=True, samesite="Strict", secure=request.secure, path="/")
        return response

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = web.json_response({})
        response.del_cookie(COOKIE, path="/")
        return response

    async def _index(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html")


def _refusal(error: ServiceError) -> web.Response:
    text = {"reason": error.reason, "message": one_line(error.message), "field": error.field}
    response = web.json_response(text, status=STATUS.get(error.code, 500))
    if error.retry_seconds is not None:
        response.headers["Retry-After"] = str(max(1, round(error.retry_seconds)))
    return response


def _same_origin(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    return origin is None or origin == f"{'https' if request.secure else 'http'}://{request.host}"


def _caller(request: web.Request, token: str) -> Caller:
    return Caller((("authorization", f"Bearer {token}"),) if token else (), _peer(request))


def _peer(request: web.Request) -> dict[str, list[bytes]]:
    """The name in the client's certificate, in gRPC's form."""
    certificate: Any = request.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return {"x509_common_name": [name.encode() for name in names]} if names else {}
