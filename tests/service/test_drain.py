"""The real server on this computer: it answers, and ends when it is asked to, what was begun first."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from service.conftest import SALT, stretched

if TYPE_CHECKING:
    from collections.abc import Iterator


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], str]]:
    port = free_port()
    command = [sys.executable, "-m", "cryskit", "serve", "--port", str(port), "--workers", "1", "--accelerator", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{address}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield process, address
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.slow
def test_sigterm_lets_what_was_begun_finish(server: tuple[subprocess.Popen[str], str]) -> None:
    process, address = server
    answers: list[Any] = []

    def ask() -> None:
        many = {"structures": [stretched(1 + i / 100) for i in range(8)]}
        answers.append(httpx.post(f"{address}/v1/explain", json=many, timeout=60))

    assert httpx.post(f"{address}/v1/predict", json={"structures": [SALT]}, timeout=30).status_code == 200
    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    asking.join(60)
    assert [answer.status_code for answer in answers] == [200]
    assert [row["status"] for row in answers[0].json()["rows"]] == ["ok"] * 8
    _, errors = process.communicate(timeout=60)
    assert process.returncode in {0, -signal.SIGTERM}, errors
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert [line["route"] for line in lines if line["event"] == "request"][-1] == "/v1/explain"
    assert "Traceback" not in errors
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/healthz")


STARTED = """
import asyncio, gc, uvicorn
from cryskit.service.run import _Server
server = _Server(uvicorn.Config(lambda *_: None, port=0, lifespan="off", log_config=None))
server.config.load()
server.lifespan = server.config.lifespan_class(server.config)
asyncio.run(server.startup())
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_what_is_loaded_from_the_beginning_is_no_garbage_to_search() -> None:
    run = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True)
    frozen, others = map(int, run.stdout.split())
    assert frozen > 10 * others
