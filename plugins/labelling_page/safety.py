"""What keeps the page's answers from being used by others' pages, and others' requests from being taken for ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request, Response, status

MARK = "X-Lanner-Page"  # a header that no form can send, and no other site's script without asking first (CORS)
LARGEST_BODY = 1 << 20  # bytes; a thousand boxes have a tenth of it
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


async def add_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Scripts, styles and images from here alone; framed by Airflow alone; no guessing of types."""
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response


def require_our_own_page(request: Request) -> None:
    """Refuse a change that was asked for by another site's page in the browser of someone who is logged in here."""
    came_from = request.headers.get("Sec-Fetch-Site", "same-origin")
    if MARK not in request.headers or came_from != "same-origin":
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            f"Changes are taken from the labelling page alone. A client of your own sends the header {MARK}: 1.",
        )
    if int(request.headers.get("Content-Length", LARGEST_BODY + 1)) > LARGEST_BODY:
        raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, f"Got more than {LARGEST_BODY} bytes, or no length.")
