"""How a service is set up, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryskit.predict.published import DEFAULT
from cryskit.service.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts that only this computer reaches."""


@dataclass(frozen=True)
class Settings:
    """How a service is set up.

    Attributes:
        default: Name of the model that answers where a request names none.
        own: Name to file of further models, which the operator of the service gives; clients name them as they name published ones.
        host: Address to bind to.
        port: Port to bind to.
        token: Secret that requests have to bring; "" for none.
        proxy_header: Name of a header that a reverse proxy sets once it knows who asks; "" for none. Requests without it are refused.
        accelerator: Hardware to compute on.
        batch_edges: Edges that are computed at a time.
        batch_wait: Seconds that a run waits for requests that are being read: about what it takes anyway, however few crystals it has.
        processes: Processes that read.
        workers: Pieces of work that are done at a time.
        model_bytes: Bytes of models that are held in memory; the one that was not used for longest makes room.
        drain: Seconds that work may take to finish once the service is asked to end.
        limits: What a request may hold.
        mcp: Whether assistants find tools at /mcp.
    """

    default: str = DEFAULT
    own: Mapping[str, Path] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 8000
    token: str = field(default="", repr=False)
    proxy_header: str = ""
    accelerator: str = "auto"
    batch_edges: int = 30_000
    batch_wait: float = 0.02
    processes: int = 2
    workers: int = 32
    model_bytes: int = 1_000_000_000
    drain: float = 30.0
    limits: Limits = field(default_factory=Limits)
    mcp: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this computer reaches the service."""
        return self.host in LOOPBACK
