"""Large JSON bodies are parsed by a process with a limit on time and memory: here it would keep every other request waiting."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from cryskit.parallel import Lost
from cryskit.service.json_body import Body, parsed
from cryskit.service.problems import ServiceError
from cryskit.service.processes import limit_process
from cryskit.service.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.service.limits import Limits

SMALL = 50_000
"""Bytes of JSON that are parsed at once, in less time than another process needs to be given them."""


class Bodies:
    """Parses bodies for any number of callers, large ones one at a time.

    Args:
        limits: What a request may hold.
        work: Function of a module that parses a body, in a process of its own.
    """

    def __init__(self, limits: Limits, work: Callable[[Body], dict[str, Any]] = parsed) -> None:
        self.limits = limits
        self._worker = Worker(work, limits.parsing, partial(limit_process, limits.memory))

    async def options(self, data: bytes) -> dict[str, Any]:
        """Return the options of a body, and its crystals as JSON.

        Args:
            data: An object as JSON.

        Raises:
            ServiceError: It is no JSON, or no object, or takes too much time or memory.
        """
        body = Body(data, self.limits.rows)
        if len(data) < SMALL:
            return parsed(body)
        (found,) = await asyncio.wrap_future(self._worker.submit(body))
        if not isinstance(found, Lost):
            return found
        if isinstance(found.error, ServiceError):
            raise found.error
        raise ServiceError(
            422, "Parsing the body took too much time or memory", "Send fewer crystals at a time, or files"
        ) from found.error

    def close(self) -> None:
        """Finish what was begun, and end the process."""
        self._worker.close()
