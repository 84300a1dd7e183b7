"""A hostile request as the bytes that go over the wire, and what the service answers."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = b"Host: 127.0.0.1\r\n"
END = b"Connection: close\r\n\r\n"
_SECONDS = 100.0  # more than the service waits for a request
_BEFORE_END = 1.0  # seconds in which an answer may come before the client says that no more comes
_MOST = 4_000_000  # bytes of an answer that are looked at


class Hostile(NamedTuple):
    """A request that nobody should send.

    Attributes:
        family: What it tries.
        pieces: Bytes in the order in which they are sent.
        pause: Seconds between two pieces.
        ends: Whether the client says that no more comes; then it may be closed without an answer.
    """

    family: str
    pieces: Iterable[bytes]
    pause: float = 0.0
    ends: bool = False


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: Status of HTTP; 0 if the connection was closed without one.
        raw: Head and body as they came.
        seconds: Seconds until the connection was closed.
        hung: Whether it was not closed in time.
    """

    status: int
    raw: bytes
    seconds: float
    hung: bool


class _Recorded:
    """A socket whose bytes were read already."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_arguments: object) -> object:
        from io import BytesIO

        return BytesIO(self._raw)


def request(method: str, path: str, headers: bytes = b"", body: bytes = b"", kind: str = "") -> bytes:
    """Return a request whose parts are written as they are."""
    about = f"Content-Type: {kind}\r\n".encode() if kind else b""
    length = f"Content-Length: {len(body)}\r\n".encode() if body or method == "POST" else b""
    return b"".join([f"{method} {path} HTTP/1.1\r\n".encode(), HOST, about, length, headers, END, body])


def send(port: int, hostile: Hostile, seconds: float = _SECONDS) -> Answer:
    """Send a request and return what comes back until the connection is closed.

    Args:
        port: Port of the service on this computer.
        hostile: The request.
        seconds: Seconds after which the service hangs.
    """
    begun = time.monotonic()
    raw = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with suppress(OSError):  # the service may refuse before everything was sent
            for piece in hostile.pieces:
                connection.sendall(piece)
                if hostile.pause and _came(connection, raw, hostile.pause):
                    break
            if hostile.ends and not _came(connection, raw, _BEFORE_END):
                connection.shutdown(socket.SHUT_WR)
        hung = False
        try:
            while len(raw) < _MOST and (data := connection.recv(65536)):
                raw += data
                connection.settimeout(max(0.1, begun + seconds - time.monotonic()))
        except TimeoutError:
            hung = True
        except OSError:
            pass
    return Answer(_status(bytes(raw)), bytes(raw), time.monotonic() - begun, hung)


def _came(connection: socket.socket, raw: bytearray, pause: float) -> bool:
    """Wait, and return whether an answer came meanwhile."""
    connection.settimeout(pause)
    try:
        data = connection.recv(65536)
    except TimeoutError:
        return False
    finally:
        connection.settimeout(_SECONDS)
    raw += data
    return True


def _status(raw: bytes) -> int:
    try:
        found = HTTPResponse(_Recorded(raw))  # type: ignore[arg-type]
        found.begin()
    except (HTTPException, ValueError):
        return 0
    return found.status
