"""A client that does not say what it wants is not waited for; one that does is."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from cryskit.service.connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Hurried(Connection):
    head_seconds = 0.4


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=Hurried, ws="none", lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize("before", [b"", GET])
def test_a_head_that_comes_a_byte_at_a_time_is_given_up(port: int, before: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        if before:
            client.sendall(before)
            assert client.recv(1000).startswith(b"HTTP/1.1 204")
        assert any(is_closed(client, b"G") for _ in range(200)), "it is held for ever"


def is_closed(client: socket.socket, more: bytes) -> bool:
    time.sleep(0.05)
    try:
        client.sendall(more)
    except OSError:
        return True
    return False


def test_content_may_take_longer_than_a_head(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
        for _ in range(10):
            time.sleep(0.1)
            client.sendall(b"x")
        assert client.recv(1000).startswith(b"HTTP/1.1 204")
