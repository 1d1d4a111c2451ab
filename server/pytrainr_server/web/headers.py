"""What every answer says to browsers: nothing from elsewhere, nothing inline, nobody's frame."""

from __future__ import annotations

from aiohttp import web

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def put_headers(response: web.StreamResponse, request: web.Request) -> None:
    """Give an answer the headers, before it is begun."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-cache" if request.path.startswith("/static") else "no-store")
    if request.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
