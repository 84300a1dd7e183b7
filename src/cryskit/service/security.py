"""Who may ask, and what an answer allows a browser to do."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders

from cryskit.service.problems import ServiceError, response
from cryskit.service.settings import LOOPBACK

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cryskit.service.settings import Settings

OPEN = ("/healthz", "/readyz", "/")
"""Addresses that answer without a token, and say nothing but whether the service works; / is the page."""
_PAGE = "/page/"  # its files hold nothing of the service: the page asks for the token
CONTENT_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content security policy of answers that set none of their own: nothing may be loaded or run."""
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Headers of every answer that does not set them itself."""
REQUEST_ID = "x-request-id"
"""Header of the id of a request; one that a client or a proxy gives is kept if it is plain."""
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Guard:
    """Lets requests through that may be answered, and gives every answer its headers.

    Args:
        app: The application behind it.
        settings: How the service is set up.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        request_id = given if _PLAIN.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
                answer[REQUEST_ID] = request_id
            await send(message)

        refusal = self._refusal(scope["method"], scope["path"], headers)
        app = self._app if refusal is None else response(refusal, request_id)
        await app(scope, receive, guarded)

    def _refusal(self, method: str, path: str, headers: Headers) -> ServiceError | None:
        """Return why a request is refused; None if it is not."""
        settings = self._settings
        named = headers.get("host", "")
        host = named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
        is_guarded = bool(settings.token or settings.proxy_header)
        if not is_guarded and host.lower() not in (*LOOPBACK, settings.host):
            return ServiceError(421, "The request is for another host", "Ask 127.0.0.1 or localhost")
        follows_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") == "cross-site" and not follows_link:
            return ServiceError(
                403, "The request comes from another site", "Ask from the page of the service, or without a browser"
            )
        if path in OPEN or path.startswith(_PAGE):
            return None
        if settings.token and not is_same(_bearer(headers), settings.token):
            return ServiceError(
                401,
                "The request has no token, or not the right one",
                "Send the header 'Authorization: Bearer TOKEN'",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if settings.proxy_header and not headers.get(settings.proxy_header):
            return ServiceError(401, "The request did not come through the proxy", "Ask the address of the proxy")
        return None


def is_same(given: str, secret: str) -> bool:
    """Return whether a text is the secret, in a time that says nothing of how much of it is right.

    Args:
        given: Text that a client sent.
        secret: The secret.
    """
    return hmac.compare_digest(given.encode("latin-1", "replace"), secret.encode())


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
