"""The two ways to the tools: standard input and output of a process of the assistant, and an address of the service over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.routing import Route

from cryskit.service.assistant.server import build
from cryskit.service.limits import MEASURED
from cryskit.service.problems import ServiceError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from starlette.types import Message, Receive, Scope, Send

    from cryskit.service.core import Service

PATH = "/mcp"
"""Address of the tools over HTTP."""
LARGEST = 1_000_000
"""Most bytes of a call over HTTP: it is parsed where all requests are answered, which one of 4 MB would stop for a second or more."""


def serve_stdio(core: Service) -> None:
    """Answer an assistant on standard input and output until it closes them.

    The tools are listed at once; the default model is loaded meanwhile.

    Args:
        core: Core of the service, which is started and closed.
    """
    anyio.run(_serve_stdio, core)


async def _serve_stdio(core: Service) -> None:
    server = build(core)
    try:
        async with anyio.create_task_group() as tasks, stdio_server() as (read, write):
            tasks.start_soon(to_thread.run_sync, core.start)
            await server.run(read, write, server.create_initialization_options())
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(core.close)


class HttpTools:
    """The tools over HTTP (streamable, without sessions): each call is one request and its answer.

    Args:
        core: Core of the service.
    """

    def __init__(self, core: Service) -> None:
        self._largest = min(LARGEST, core.limits.body)
        # Who may ask, hosts and other sites are settled before: by `security.Guard`
        self._manager = StreamableHTTPSessionManager(
            build(core), json_response=True, stateless=True, max_request_body_size=core.limits.body
        )
        self.route = Route(PATH, endpoint=self, methods=["POST"])

    def running(self) -> AbstractAsyncContextManager[None]:
        """Return what has to be entered as long as calls are answered."""
        return self._manager.run()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call, its body measured.

        Raises:
            ServiceError: It is too large.
        """
        scope["route"] = self.route  # by which the log names the request
        measured, is_whole, size = scope.get(MEASURED, receive), False, 0
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        self._require(int(declared[:20]) if declared.isdigit() else 0)

        async def limited() -> Message:
            nonlocal is_whole, size
            message = await (receive if is_whole else measured)()
            is_whole = is_whole or not message.get("more_body", False)
            size += len(message.get("body", b""))
            self._require(size)
            return message

        await self._manager.handle_request(scope, limited, send)

    def _require(self, size: int) -> None:
        if size > self._largest:
            raise ServiceError(
                413,
                "The call is too large",
                "Call with fewer crystals at a time, or send them to /v1/predict and the like, which take more",
                given=f"{size:,} bytes or more",
                expected=f"at most {self._largest:,} bytes",
            )
