"""A service that runs until it is asked to end: what was begun is finished first."""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING

import uvicorn

from cryskit.errors import PlanError
from cryskit.service.app import build
from cryskit.service.connection import Connection
from cryskit.service.logs import LOG, JsonLines

if TYPE_CHECKING:
    from socket import socket
    from types import FrameType

    from cryskit.service.core import Service
    from cryskit.service.settings import Settings


_SWITCH = 0.0005  # seconds that a thread may keep others waiting: a network is hundreds of short steps, each of which may wait
_HEAD = 64 * 1024  # bytes of the head of a request


class _Server(uvicorn.Server):
    """A server that takes no more work once it is asked to end."""

    service: Service

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to answer; what was loaded until now stays and is not searched for garbage, which would stop all answers for a while."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self.service.jobs.draining = True
        super().handle_exit(sig, frame)


def require_guarded(settings: Settings) -> None:
    """Refuse a service that other computers reach and that anybody may ask.

    Args:
        settings: How the service is set up.

    Raises:
        PlanError: It binds to another host than this one, without a token or the header of a proxy.
    """
    if not (settings.is_local or settings.token or settings.proxy_header):
        raise PlanError(
            f"The host {settings.host} can be reached from other computers, and nothing says who may ask",
            "Give --token FILE, or --proxy-header NAME behind a proxy that knows who asks, or leave --host out",
        )


def serve(settings: Settings) -> None:
    """Answer requests until a signal says to end.

    Args:
        settings: How the service is set up.

    Raises:
        PlanError: It could be reached by anybody.
    """
    require_guarded(settings)
    _log()
    sys.setswitchinterval(_SWITCH)
    app = build(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(settings.drain),
        timeout_keep_alive=15,
        limit_concurrency=1024,
        h11_max_incomplete_event_size=_HEAD,
    )
    server = _Server(config)
    server.service = app.state.service
    server.run()


def _log() -> None:
    """Write what is to be known to stderr, a line of JSON each; what a parser of forms says of contents is not."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for log in (LOG, logging.getLogger("uvicorn.error")):
        log.setLevel(logging.INFO)
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
