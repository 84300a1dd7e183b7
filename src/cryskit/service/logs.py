"""A log line per request, as JSON: who can be found by it is the request, never a structure or what its file is called."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryskit.errors import CryskitError
from cryskit.service.problems import status_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cryskit.service.metrics import Metrics

LOG = logging.getLogger("cryskit.service")
"""The log of the service."""
UNKNOWN = "unknown"
"""Route of requests that no route answers: what a client asked for is no label and not logged."""


def log_error(error: BaseException, **facts: str) -> None:
    """Log an error that nobody foresaw, or the cause of one that is the fault of the service; others are answers, and no lines of the log.

    Args:
        error: The error.
        facts: What is said with it.
    """
    if not isinstance(error, CryskitError):
        LOG.error("error", exc_info=error, extra={"facts": facts})
    elif status_of(error) >= 500 and error.__cause__ is not None:
        LOG.warning("error", exc_info=error.__cause__, extra={"facts": facts})


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        found = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            found["traceback"] = self.formatException(record.exc_info)
        return json.dumps(found)


class RequestLog:
    """Logs and counts requests.

    Args:
        app: The application behind it.
        metrics: Figures of the service.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and log it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status, size = time.monotonic(), 500, 0

        async def watched(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            seconds = time.monotonic() - begun
            found = scope.get("route")
            route = getattr(found, "path", UNKNOWN)
            method = scope["method"] if scope["method"] in getattr(found, "methods", ()) else "any"
            self._metrics.requests.labels(route, method, status).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            facts = {
                "request_id": scope.get("state", {}).get("request_id"),
                "method": scope["method"][:10],
                "route": route,
                "status": status,
                "ms": round(1000 * seconds, 1),
                "bytes": size,
            }
            LOG.info("request", extra={"facts": facts})
