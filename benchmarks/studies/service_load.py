"""The service under load on this computer: requests and crystals per second, times until the answer, errors, memory.

    python -m benchmarks.studies.service_load

A server of its own is started for each setting. First 1, 8 and 64 clients send one crystal after another, each a different one of the bundled
data set `elastic_tensor`, for a time; then one client sends files of many crystals (JSON lines). The same 64 clients ask a server that computes
every request alone (`--batch-edges 1`). Clients share the processor with the server. The card is `results/service.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import torch

import cryskit
from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DATA = "elastic_tensor"
"""Data set of the crystals."""
CLIENTS = (1, 8, 64)
"""Numbers of clients that ask at a time."""
FILE = 1000
"""Crystals of a file."""
PROPERTIES = ["band_gap"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="time of each measurement")
    parser.add_argument("--file", type=int, default=FILE, help="crystals of a file")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    records = [record(crystal) for crystal in cryskit.read(DATA) if isinstance(crystal, Crystal)]
    rows = []
    with server() as (process, address):
        for clients in CLIENTS:
            rows.append(measured(address, process.pid, clients, asked.seconds, singles(records)))
            print(rows[-1])
        lines = "\n".join(map(json.dumps, islice(cycle(records), asked.file)))
        upload = {"files": {"files": ("many.jsonl", lines.encode())}, "data": {"properties": ",".join(PROPERTIES)}}
        files = measured(address, process.pid, 1, asked.seconds, cycle([upload]), asked.file)
        print(files)
    with server("--batch-edges", "1") as (process, address):
        alone = measured(address, process.pid, max(CLIENTS), asked.seconds, singles(records))
        print(alone)
    found = {
        "data": DATA,
        "model": cryskit.load("cryskit-mp").card.full_name,
        "seconds": asked.seconds,
        "clients": rows,
        "files": files | {"crystals_per_file": asked.file},
        "unbatched": alone,
        "batched_over_unbatched": round(rows[-1]["requests_per_second"] / alone["requests_per_second"], 2),
        "machine": machine.facts(torch.get_num_threads()),
    }
    write_json(found, asked.out / "service.json")


def record(crystal: Crystal) -> dict[str, Any]:
    """Return a crystal as a client sends it.

    Args:
        crystal: The crystal.
    """
    return {
        "id": crystal.id,
        "lattice": crystal.lattice.tolist(),
        "frac_coords": crystal.fractional.tolist(),
        "atomic_numbers": crystal.numbers.tolist(),
    }


def singles(records: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield requests of one crystal each, without end.

    Args:
        records: Crystals.
    """
    for each in cycle(records):
        yield {"json": {"structures": [each], "properties": PROPERTIES}}


@contextmanager
def server(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a server and wait until it is ready; it is ended by SIGTERM.

    Args:
        options: Further options of `cryskit serve`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cryskit", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while not is_ready(address):
            time.sleep(0.2)
        yield process, address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def is_ready(address: str) -> bool:
    """Return whether a server takes work.

    Args:
        address: Address of the server.
    """
    try:
        return httpx.get(f"{address}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def measured(
    address: str, pid: int, clients: int, seconds: float, requests: Iterator[dict[str, Any]], crystals: int = 1
) -> dict[str, Any]:
    """Let clients ask for a time, and return what that gave.

    Args:
        address: Address of the server.
        pid: Number of its process.
        clients: Number of clients, each of which waits for its answer before it asks again.
        seconds: Time after which no more is asked.
        requests: What they ask.
        crystals: Crystals of a request.
    """
    before = memory(pid)
    begun = time.perf_counter()
    times, errors = asyncio.run(_asked(address, clients, seconds, requests, crystals))
    passed = time.perf_counter() - begun
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return {
        "clients": clients,
        "requests": len(times),
        "errors": errors,
        "requests_per_second": round(len(times) / passed, 1),
        "crystals_per_second": round(len(times) * crystals / passed, 1),
        "p50_ms": round(1000 * float(p50), 1),
        "p95_ms": round(1000 * float(p95), 1),
        "p99_ms": round(1000 * float(p99), 1),
        "memory_mb_before": before,
        "memory_mb_after": memory(pid),
    }


async def _asked(
    address: str, clients: int, seconds: float, requests: Iterator[dict[str, Any]], crystals: int
) -> tuple[list[float], int]:
    """Return how long each answer took, and the number of those that were not as they should be."""
    until = time.perf_counter() + seconds
    times: list[float] = []
    errors = 0

    async def ask(client: httpx.AsyncClient) -> None:
        nonlocal errors
        while time.perf_counter() < until:
            begun = time.perf_counter()
            answer = await client.post(f"{address}/v1/predict", **next(requests))
            rows = await _rows(client, address, answer)
            times.append(time.perf_counter() - begun)
            errors += len(rows) != crystals or any(row["status"] == "failed" for row in rows)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(timeout=600, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return times, errors


async def _rows(client: httpx.AsyncClient, address: str, answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the rows of an answer, or of the job that it is; none where it is a problem."""
    while answer.status_code == httpx.codes.ACCEPTED:
        await asyncio.sleep(0.2)
        answer = await client.get(f"{address}{answer.json()['result']}")
    rows: list[dict[str, Any]] = answer.json()["rows"] if answer.is_success else []
    return rows


def memory(pid: int) -> float:
    """Return the memory of a process and of those that it started, in MB.

    Args:
        pid: Number of the process.
    """
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return round(kilobytes / 1000 + sum(memory(int(child)) for child in children), 1)


if __name__ == "__main__":
    main()
