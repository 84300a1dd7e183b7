"""A service of its own that is attacked: as a process, with its log, and a good request that it has to answer whatever came before."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from service.conftest import SALT

if TYPE_CHECKING:
    from collections.abc import Iterator

_START = 240.0
_ANSWER = 60.0


class Server(NamedTuple):
    """A running service.

    Attributes:
        process: Its process.
        port: Its port on this computer.
        log: File with its log.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def predict(self, structures: list[Any]) -> list[dict[str, Any]]:
        """Return the rows of a good request, none if it is not answered as it should be."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER)
        body = json.dumps({"structures": structures, "properties": ["band_gap"]})
        try:
            connection.request("POST", "/v1/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            rows: list[dict[str, Any]] = json.loads(answer.read())["rows"] if answer.status == 200 else []
        except (OSError, http.client.HTTPException, ValueError):
            return []
        finally:
            connection.close()
        return rows

    def answers(self) -> bool:
        """Return whether a good request is answered."""
        return [row["status"] for row in self.predict([SALT])] == ["ok"]

    def readers(self) -> list[int]:
        """Return the processes that read what was sent: copies of one that the service started."""
        return [child for copied in _children(self.process.pid) if _is_copied(copied) for child in _children(copied)]

    def memory(self) -> float:
        """Return the memory of the process, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return round(next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1000, 1)

    def errors(self) -> list[str]:
        """Return what the log has that nobody foresaw."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if '"level": "error"' in line or not line.startswith(("{", "cryskit serves"))]


def _children(process: int) -> list[int]:
    with suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return []


def _is_copied(process: int) -> bool:
    with suppress(OSError):
        return b"forkserver" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


@contextmanager
def server(log: Path) -> Iterator[Server]:
    """Start a service, and end it by SIGTERM.

    Args:
        log: File for its log.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cryskit", "serve", "--port", str(port), "--accelerator", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, stdout=file, env=environment) as process:
        found = Server(process, port, log)
        try:
            until = time.monotonic() + _START
            while not found.answers():
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError(f"the service does not start: {log.read_text()[-500:]}")
                time.sleep(0.2)
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
