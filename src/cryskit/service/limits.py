"""What a request may hold and how long it may take; a body that is too large is refused while it is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryskit.service.problems import ServiceError, busy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Limits:
    """What the service accepts.

    Attributes:
        body: Bytes of a request.
        files: Files of a request.
        rows: Crystals of a request.
        atoms: Atoms that a cell may have.
        explained: Crystals of a request that are explained or described, which takes long.
        queue: Pieces of work that run or wait.
        seconds: Seconds that a piece of work may take.
        upload: Seconds in which the body of a request has to arrive.
        patience: Seconds after which work that is not done is answered as a job.
        kept: Seconds that the result of a job is kept.
        parsing: Seconds that reading one file or structure may take.
        memory: Bytes that a process that reads may take on top of what it needs to start.
        held: Bytes of results that are kept, all jobs together.
        flight: Bytes of requests that are received at a time.
    """

    body: int = 32_000_000
    files: int = 1_000
    rows: int = 10_000
    atoms: int = 500
    explained: int = 200
    queue: int = 128
    seconds: float = 600.0
    upload: float = 60.0
    patience: float = 20.0
    kept: float = 900.0
    parsing: float = 10.0
    memory: int = 1_500_000_000
    held: int = 200_000_000
    flight: int = 256_000_000

    def require_rows(self, count: int, most: int | None = None) -> None:
        """Refuse more crystals than a request may hold.

        Args:
            count: Number of crystals.
            most: Number that is accepted; `rows` by default.

        Raises:
            ServiceError: There are more, or none.
        """
        most = self.rows if most is None else most
        if count > most:
            raise ServiceError(
                413,
                "The request holds too many crystals",
                f"Send them in requests of up to {most:,}, or use the command line",
                given=f"{count:,} crystals or more",
                expected=f"at most {most:,}",
            )
        if not count:
            raise ServiceError(
                422,
                "The request holds no crystals",
                "Send files, or structures in JSON",
                given="no crystals",
                expected="one or more",
            )


MEASURED = "cryskit.body"
"""Key of the scope of a request under which its measured body is received."""


class BodyLimit:
    """Refuses a body that is too large, before or while it is read, or that does not arrive in time.

    Args:
        app: The application behind it.
        limits: What is accepted.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits, self._flight = app, limits, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, its body measured."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        size, begun = 0, loop.time()
        declared = dict(scope["headers"]).get(b"content-length", b"0")

        async def measured() -> Message:
            nonlocal size
            if declared.isdigit() and int(declared[:20]) > self._limits.body:
                raise self._too_large(int(declared[:20]))
            try:
                async with asyncio.timeout_at(begun + self._limits.upload):
                    message = await receive()
            except TimeoutError as error:
                raise self._too_slow() from error
            size += len(message.get("body", b""))
            self._flight += len(message.get("body", b""))
            if size > self._limits.body:
                raise self._too_large(size)
            if self._flight > self._limits.flight:
                raise busy("The service receives too much at a time", status=503)
            return message

        scope[MEASURED] = measured
        try:
            await self._app(scope, receive, send)
        finally:
            self._flight -= size

    def _too_large(self, size: int) -> ServiceError:
        return ServiceError(
            413,
            "The request is too large",
            "Send fewer crystals at a time, or use the command line",
            given=f"{size:,} bytes or more",
            expected=f"at most {self._limits.body:,} bytes",
        )

    def _too_slow(self) -> ServiceError:
        return ServiceError(
            408,
            "The request did not arrive in time",
            "Send it again",
            given="an unfinished request",
            expected=f"the whole of it within {self._limits.upload:g} s",
        )
