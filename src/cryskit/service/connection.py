"""A connection whose client has so long to say what it wants: one that sends its headers a byte at a time would be held for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio


class Connection(H11Protocol):
    """A connection that is closed if the head of a request does not arrive in time; the time of its content is limited by `limits.BodyLimit`.

    Attributes:
        head_seconds: Seconds that a head may take from its first byte, or from the connection on.
    """

    head_seconds = 60.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Go on with a request, or begin one."""
        before: Any = self.cycle
        if self._late is None and (before is None or before.response_complete):
            self._wait()
        super().data_received(data)
        if self.cycle is not before:
            self._arrived()

    def _wait(self) -> None:
        self._late = self.loop.call_later(self.head_seconds, self.transport.close)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
