"""The service under load on this computer: requests and crystals per second, times until the answer, errors, memory.

    python -m benchmarks.studies.service_load

Two servers are started: one as it comes, and one that computes every request alone (`--batch-edges 1`). 1, 8 and 64 clients send one crystal after
another, each a different one of the bundled data set `elastic_tensor`; 64 clients ask both servers in turns, so that what else the machine does
falls on both; then one client sends files of many crystals (JSON lines). Clients share the processor with the servers. The card is `results/service.json`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
_WARM = 2.0  # seconds for which clients ask before it counts
_START = 300.0


class Request(NamedTuple):
    """A request for predictions.

    Attributes:
        body: What is sent.
        kind: Its media type.
        crystals: Crystals in it.
    """

    body: bytes
    kind: str = "application/json"
    crystals: int = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="time of each number of clients, all turns together"
    )
    parser.add_argument("--turns", type=int, default=4, help="turns in which 64 clients ask both servers")
    parser.add_argument("--file", type=int, default=FILE, help="crystals of a file")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    facts = machine.facts(torch.get_num_threads())
    records = [record(crystal) for crystal in cryskit.read(DATA) if isinstance(crystal, Crystal)]
    with server() as batched, server("--batch-edges", "1") as alone:
        before = {"batched": memory(batched.pid), "alone": memory(alone.pid)}
        rows = [load(batched, clients, asked.seconds, singles(records)) for clients in CLIENTS[:-1]]
        turns = []
        for _ in range(asked.turns):
            pair = [load(each, CLIENTS[-1], asked.seconds / asked.turns, singles(records)) for each in (batched, alone)]
            turns.append(pair)
            print(*map(summary, pair), sep="\n")
        files = load(batched, 1, asked.seconds, cycle([upload(records, asked.file)]))
        after = {"batched": memory(batched.pid), "alone": memory(alone.pid)}
    one, other = (joined(each) for each in zip(*turns, strict=True))
    ratios = [a.rate / b.rate for a, b in turns]
    found = {
        "data": DATA,
        "model": cryskit.load("cryskit-mp").card.full_name,
        "clients": [summary(each) for each in (*rows, one)],
        "files": summary(files) | {"crystals_per_file": asked.file},
        "unbatched": summary(other),
        "batched_over_unbatched": {
            "median": round(statistics.median(ratios), 2),
            "turns": [round(each, 2) for each in ratios],
        },
        "memory_mb": {"before": before, "after": after},
        "machine": facts | {"load_after": os.getloadavg()[0]},
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


def singles(records: Sequence[dict[str, Any]]) -> Iterator[Request]:
    """Yield requests of one crystal each, without end.

    Args:
        records: Crystals.
    """
    for each in cycle(records):
        yield Request(json.dumps({"structures": [each], "properties": PROPERTIES}).encode())


def upload(records: Sequence[dict[str, Any]], crystals: int) -> Request:
    """Return a form with a file of many crystals.

    Args:
        records: Crystals, taken again and again.
        crystals: Crystals of the file.
    """
    lines = "\n".join(map(json.dumps, islice(cycle(records), crystals)))
    part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    file = part.format('files"; filename="many.jsonl', lines)
    form = f"{file}{part.format('properties', ','.join(PROPERTIES))}--b--\r\n"
    return Request(form.encode(), "multipart/form-data; boundary=b", crystals)


class Server(NamedTuple):
    """A running server.

    Attributes:
        pid: Number of its process.
        port: Its port.
    """

    pid: int
    port: int


@contextmanager
def server(*options: str) -> Iterator[Server]:
    """Start a server and wait until it is ready; it is ended by SIGTERM.

    Args:
        options: Further options of `cryskit serve`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cryskit", "serve", "--port", str(port), *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + _START
            while not is_ready(port) and time.monotonic() < until:
                time.sleep(0.2)
            yield Server(process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)


def is_ready(port: int) -> bool:
    """Return whether a server takes work.

    Args:
        port: Its port.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


class Load(NamedTuple):
    """What clients got for a time.

    Attributes:
        clients: Number of clients.
        seconds: How long they asked.
        times: Seconds until each answer.
        crystals: Crystals in the answers.
        errors: Answers that were not as they should be.
        network: Seconds of the processor that the process of the network and of HTTP used.
        reading: Seconds of the processor that the processes used that read and build graphs.
    """

    clients: int
    seconds: float
    times: list[float]
    crystals: int
    errors: int
    network: float
    reading: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.times) / self.seconds


def load(asked: Server, clients: int, seconds: float, requests: Iterator[Request]) -> Load:
    """Let clients ask for a time, each of which waits for its answer before it asks again.

    Args:
        asked: The server.
        clients: Number of clients.
        seconds: Time after which no more is asked; a while before that counts.
        requests: What they ask.
    """
    begun = time.perf_counter() + _WARM
    until, lock, found = begun + seconds, threading.Lock(), list[tuple[float, int, bool]]()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", asked.port, timeout=600)
        while (start := time.perf_counter()) < until:
            with lock:
                request = next(requests)
            answer = answered(connection, request)
            took = time.perf_counter() - start
            if start >= begun:
                rows = json.loads(answer)["rows"] if answer else []
                is_good = len(rows) == request.crystals and all(row["status"] != "failed" for row in rows)
                found.append((took, len(rows), is_good))
        connection.close()

    before = _used(asked.pid)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.perf_counter() - begun
    times, rows, good = zip(*found, strict=True)
    network, reading = (now - then for now, then in zip(_used(asked.pid), before, strict=True))
    share = passed / (passed + _WARM)  # of what was used falls on what counts
    return Load(clients, passed, list(times), sum(rows), good.count(False), share * network, share * reading)


def _used(pid: int) -> tuple[float, float]:
    """Return the seconds of the processor that a process and all that it started have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own, sum(sum(_used(child)) for child in _children(pid))


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def answered(connection: http.client.HTTPConnection, request: Request) -> bytes:
    """Return the rows that a request is answered with, as JSON, also where it becomes a job; nothing where it is refused.

    Args:
        connection: Connection to the server.
        request: What is asked.
    """
    connection.request("POST", "/v1/predict", request.body, {"Content-Type": request.kind})
    answer = connection.getresponse()
    body = answer.read()
    while answer.status == http.client.ACCEPTED:
        time.sleep(0.1)
        connection.request("GET", json.loads(body)["result"])
        answer = connection.getresponse()
        body = answer.read()
    return body if answer.status == http.client.OK else b""


def joined(turns: Sequence[Load]) -> Load:
    """Return several turns as one.

    Args:
        turns: The turns, of as many clients.
    """
    times = [each for turn in turns for each in turn.times]
    names = ("seconds", "crystals", "errors", "network", "reading")
    seconds, crystals, errors, network, reading = (sum(getattr(turn, name) for turn in turns) for name in names)
    return Load(turns[0].clients, seconds, times, crystals, errors, network, reading)


def summary(found: Load) -> dict[str, Any]:
    """Return what a table says of a load: rates, and milliseconds until the answer.

    Args:
        found: What clients got.
    """
    p50, p95, p99 = np.percentile(found.times, [50, 95, 99]) * 1000
    return {
        "clients": found.clients,
        "seconds": round(found.seconds, 1),
        "requests": len(found.times),
        "errors": found.errors,
        "requests_per_second": round(found.rate, 1),
        "crystals_per_second": round(found.crystals / found.seconds, 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "processor_ms": {
            "network and HTTP": round(1000 * found.network / len(found.times), 2),
            "reading and graphs": round(1000 * found.reading / len(found.times), 2),
        },
    }


def memory(pid: int) -> float:
    """Return the memory of a process and of those that it started, in MB; what they share counts once.

    Args:
        pid: Number of the process.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(kilobytes / 1000 + sum(map(memory, _children(pid))), 1)


if __name__ == "__main__":
    main()
